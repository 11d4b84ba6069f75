"""Skill on a real recording: the Coinbase book of April 2020, the last fifth of it unseen."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from app.domain import feature_history, features
from app.domain.bars import CHANNELS, Channel, second_bars
from app.domain.examples import Examples
from app.domain.symbol_series import SymbolSeries
from app.records import Quotes, Ticks
from app.training.evaluation import Evaluation
from app.training.pipeline import TrainingPlan, TrainingResult, prepare, train

BOOK = "coinbase-book-1s/btc-usd-20200411-20200412.csv.gz"
POLLED_S = 4  # the book was polled about once a second; longer silences are gaps
PLAN = TrainingPlan((5, 10, 30, 60, 300), epochs=12)
COLUMNS = ("bid_1_price", "bid_1_size", "ask_1_price", "ask_1_size")


@pytest.fixture(scope="module")
def book(recordings: Path) -> SymbolSeries:
    """Return the recording as a series; polls that run backwards are dropped, repeated ones are quiet."""
    if not (recordings / BOOK).is_file():
        pytest.skip(f"no recording {BOOK} beside this checkout")
    polls: dict[int, list[list[float]]] = {}
    newest = -1
    with gzip.open(recordings / BOOK, "rt") as lines:
        for row in csv.DictReader(lines):
            second, sequence = int(row["timestamp_ms"]) // 1000, int(row["sequence"])
            if sequence >= newest:
                polled = polls.setdefault(second, [])
                if sequence > newest:
                    polled.append([float(row[name]) for name in COLUMNS])
                newest = sequence
    return _series(polls)


def _series(polls: dict[int, list[list[float]]]) -> SymbolSeries:
    seconds = np.array(sorted(polls))
    start, count = int(seconds[0]), int(seconds[-1] - seconds[0]) + 1
    bars, previous = np.zeros((count, len(CHANNELS))), np.zeros((1, len(CHANNELS)))
    polled = shown = start
    for second in range(start, start + count):
        polled = second if second in polls else polled
        if seconds[np.searchsorted(seconds, second)] - polled > POLLED_S:
            continue  # inside a gap
        bid, bid_size, ask, ask_size = np.array(polls.get(second, [])).reshape(-1, 4).T.tolist()
        quotes = Quotes(time_ms=[0] * len(bid), bid=bid, bid_size=bid_size, ask=ask, ask_size=ask_size)
        previous = second_bars(["BTC-USD"], {"BTC-USD": Ticks(quotes=quotes)}, previous, np.array([second - shown]))
        bars[second - start] = previous[0]
        shown = second
    known, present = feature_history.feature_matrix(bars), bars[:, Channel.PRESENT] > 0
    return SymbolSeries("BTC-USD", start, known.features, known.mid, known.volatility, present, known.valid)


@pytest.fixture(scope="module")
def trained(book: SymbolSeries) -> TrainingResult:
    """Return what is learnt from the first four fifths."""
    return train([book], PLAN)


def by_horizon(trained: TrainingResult) -> dict[int, Evaluation]:
    """Return the model's evaluations."""
    return {evaluation.horizon_s: evaluation for evaluation in trained.evaluations["tensorflow"]}


@pytest.mark.slow
@pytest.mark.parametrize("horizon_s", [5, 10, 30, 60])
def test_quantile_loss_is_below_naive_s_and_intervals_cover(trained: TrainingResult, horizon_s: int) -> None:
    """Up to a minute, before any online correction: skill, and nine of ten outcomes inside the 90 % interval."""
    evaluation = by_horizon(trained)[horizon_s]
    assert evaluation.skill > 0
    assert 0.86 <= evaluation.coverage_90 <= 0.94


@pytest.mark.slow
@pytest.mark.parametrize(("horizon_s", "h"), [(5, 0), (10, 1)])
def test_r2_is_above_the_plain_least_squares_line(
    book: SymbolSeries, trained: TrainingResult, horizon_s: int, h: int
) -> None:
    """Better than a line on imbalance and past returns fitted on the same rows, with p < 0.01 against naive."""
    _blocks, rows, _validation, test = prepare([book], PLAN)
    evaluation = by_horizon(trained)[horizon_s]
    assert evaluation.r2 > _plain_line_r2(rows, test, h) > 0.01
    assert evaluation.p_value < 0.01


def _plain_line_r2(rows: Examples, test: Examples, h: int) -> float:
    names = [i for i, name in enumerate(features.NAMES) if name.startswith(("queue", "return_"))]

    def part(of: Examples) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        seen = of.mask[:, h]
        scale = of.volatility[seen] * 1e4
        columns = [of.features[seen][:, i] * (scale if features.NAMES[i].startswith("return") else 1.0) for i in names]
        return np.stack([*columns, np.ones(seen.sum())], axis=1).astype(np.float64), of.z[seen, h] * scale

    line = np.linalg.lstsq(*part(rows), rcond=None)[0]
    x, moved = part(test)
    return float(1 - ((moved - x @ line) ** 2).sum() / (moved**2).sum())
