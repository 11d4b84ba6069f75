"""Training from end to end: on a market that can be known in part, on one that cannot, and over REST."""

from itertools import pairwise
from typing import Any

import httpx
import msgspec
import numpy as np
import pytest

from app import releases
from app.domain import features
from app.domain.artifact import unpack
from app.domain.forecast import LEVELS
from app.domain.registry import rejection_reasons
from app.domain.symbol_series import SymbolSeries, examples_of
from app.exchange.synthetic import synthetic
from app.records import FeatureBatch
from app.service.heartbeat import ProcessStatus
from app.settings import Settings
from app.training.cold_start import START_S, synthetic_series
from app.training.klines import HistoryError, KlineHistory, series_of_klines
from app.training.live_history import LiveHistory
from app.training.pipeline import TrainingError, TrainingPlan, TrainingResult, prepare, train
from app.training.trainer import Trainer, challenger, origin

HORIZONS = (5, 10, 30, 60, 300)
PLAN = TrainingPlan(HORIZONS, epochs=4, created_ms=1.0, origin="a test")
HOURS = 3


@pytest.fixture(scope="module")
def predictable() -> tuple[list[SymbolSeries], TrainingResult]:
    """History of a market with a known signal, and what was learnt from it."""
    history = [synthetic_series(7, name, START_S, HOURS * 3600) for name in ("BTCUSDT", "ETHUSDT")]
    return history, train(history, PLAN)


@pytest.mark.slow
def test_most_of_what_an_oracle_knows_is_recovered(predictable: tuple[list[SymbolSeries], TrainingResult]) -> None:
    """At 5 and 10 s the model explains more than half of what anybody could, and is sure of it."""
    history, trained = predictable
    test = prepare(history, PLAN)[3]
    for h, horizon in enumerate(HORIZONS[:2]):
        verdict = trained.evaluations["tensorflow"][h]
        best = _oracle_r2(history, test, h, horizon)
        assert verdict.r2 > 0.5 * best > 0.005
        assert verdict.skill > 0
        assert verdict.p_value < 0.01
    assert not any(verdict.is_suspicious for verdict in trained.evaluations["tensorflow"])


def _oracle_r2(history: list[SymbolSeries], test: Any, h: int, horizon: int) -> float:
    source = synthetic(7, ("BTCUSDT", "ETHUSDT"))
    scale = test.volatility * horizon**0.5
    expected = np.zeros(len(test))
    for number, series in enumerate(history):
        mine = test.symbol == number
        expected[mine] = source.oracle(series.symbol, test.second[mine] + 1, horizon)
    seen = test.mask[:, h]
    moved = test.z[:, h] * scale
    return float(1 - ((moved - expected)[seen] ** 2).sum() / (moved[seen] ** 2).sum())


@pytest.mark.slow
def test_on_a_martingale_no_skill_in_direction_is_found() -> None:
    """The same market with its signal switched off: no significant skill at any horizon, and hardly any line."""
    history = [synthetic_series(8, "BTCUSDT", START_S, HOURS * 3600, martingale=True)]
    trained = train(history, PLAN)
    for verdict in trained.evaluations["tensorflow"]:
        assert verdict.p_value > 0.01
        assert verdict.r2 < 0.005


@pytest.mark.slow
def test_a_release_says_what_it_is_and_how_it_did(predictable: tuple[list[SymbolSeries], TrainingResult]) -> None:
    """The record carries figures, origin and expiry, and passes the verification of the worker."""
    _history, trained = predictable
    release = challenger(trained, end=1_700_000_000, ttl_s=3600)
    assert release.id == "tf-20231114-221320"
    assert release.expires_ms == 1_700_003_600_000.0
    assert (release.role, release.origin, release.metrics["mids"]) == ("challenger", "a test", 1.0)
    assert {"skill_5s", "p_value_300s", "coverage_90_60s", "ridge_skill_5s", "suspicious"} <= release.metrics.keys()
    assert rejection_reasons(release, features.SCHEMA, HORIZONS, LEVELS, now_ms=1_700_000_000_000.0) == []
    assert unpack(release.artifact).header.metrics == release.metrics
    assert len(release.artifact) < 300_000


@pytest.mark.slow
def test_the_blocks_of_a_training_do_not_know_of_each_other(
    predictable: tuple[list[SymbolSeries], TrainingResult],
) -> None:
    """No outcome of a block ends within the window of any row of the next one."""
    blocks = prepare(predictable[0], PLAN)[1:]
    for block, following in pairwise(blocks):
        touched = np.where(block.mask, block.second[:, None] + np.asarray(HORIZONS), 0).max()
        assert touched < following.second.min() - 300


def test_a_history_too_short_is_refused_with_what_is_missing() -> None:
    """The message says how much there is and what to do."""
    short = synthetic_series(7, "BTCUSDT", START_S, 600)
    with pytest.raises(TrainingError, match="too short"):
        train([short], PLAN)
    barely = synthetic_series(7, "BTCUSDT", START_S, 700)
    with pytest.raises(TrainingError, match="wait for more"):
        train([barely], PLAN)


def test_half_an_hour_is_enough_to_begin_with() -> None:
    """A replay that has no earlier history trains after thirty minutes; the longest horizon claims nothing."""
    trained = train([synthetic_series(7, "BTCUSDT", START_S, 1800)], TrainingPlan(HORIZONS, epochs=1))
    assert trained.evaluations["tensorflow"][-1].p_value == 1.0


def test_a_gap_in_the_history_leaves_no_example_across_it() -> None:
    """Seconds that never came void the outcomes that would reach over them."""
    series = synthetic_series(7, "BTCUSDT", START_S, 1200)
    series.present[800:810] = False
    rows = examples_of(series, 0, (60,))
    reach = rows.second - START_S
    assert not ((reach < 800) & (reach + 60 >= 800)).any()


def test_the_packaged_release_fits_this_program() -> None:
    """Its features are the ones computed here; if not, make it again with `btc train --cold-start`."""
    (release,) = releases.packaged()
    assert rejection_reasons(release, features.SCHEMA, HORIZONS, LEVELS) == []
    assert release.origin.startswith("cold start: synthetic seeds")
    assert (release.role, release.expires_ms) == ("challenger", 0.0)
    assert len(release.artifact) < 300_000


def kline(second: int) -> list[Any]:
    """Return a one-second kline as Binance sends it."""
    price = f"{100 + (second % 7) * 0.01:.2f}"
    return [second * 1000, price, price, price, price, "1.0", second * 1000 + 999, price, 3, "0.5", price, "0"]


class Binance:
    """An exchange that knows the seconds from `first` to `now`, and may be in a bad mood."""

    def __init__(self, first: int, now: int, moods: list[httpx.Response] | None = None) -> None:
        self.first, self.now, self.moods, self.asked = first, now, moods or [], 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.asked += 1
        if self.moods:
            return self.moods.pop(0)
        if request.url.path == "/api/v3/time":
            return httpx.Response(200, json={"serverTime": self.now * 1000 + 500})
        start, end = (int(request.url.params[name]) for name in ("startTime", "endTime"))
        known = range(max(self.first, -(-start // 1000)), min(self.now, end // 1000 + 1))
        return httpx.Response(200, json=[kline(second) for second in known[:1000]])

    def klines(self, seconds: int, said: list[str] | None = None) -> KlineHistory:
        """Return a client of it."""
        client = httpx.AsyncClient(transport=httpx.MockTransport(self), base_url="http://exchange")
        return KlineHistory(client, seconds, (said if said is not None else []).append)


async def test_history_is_pulled_page_by_page_and_later_only_what_is_new() -> None:
    """3,000 seconds are three pages; ten seconds later one more page tops them up."""
    exchange, said = Binance(0, 10_000), list[str]()
    klines = exchange.klines(3000, said)
    series = await klines.series("BTCUSDT")
    assert series is not None
    assert (series.start, series.end, series.mids, exchange.asked) == (7000, 10_000, False, 4)
    assert said[-1] == "history BTCUSDT 3000/3000 s"
    exchange.now += 10
    series = await klines.series("BTCUSDT")
    assert series is not None
    assert (series.start, series.end, exchange.asked) == (7010, 10_010, 6)


async def test_a_busy_exchange_is_given_the_pause_it_asks_for() -> None:
    """429 and 418 name the seconds to wait; then the work goes on."""
    exchange, said = Binance(0, 2000, [httpx.Response(429, headers={"Retry-After": "0"})]), list[str]()
    assert await exchange.klines(1000, said).series("BTCUSDT") is not None
    assert "pause of 0 s (HTTP 429)" in said[0]


async def test_an_exchange_without_history_gives_none_and_a_refusal_is_named() -> None:
    """A replay knows nothing before its start; an unknown symbol is an error with the exchange's own words."""
    assert await Binance(5000, 5000).klines(1000).series("BTCUSDT") is None
    refusing = Binance(0, 10, [httpx.Response(400, json={"code": -1121, "msg": "Invalid symbol."})])
    with pytest.raises(HistoryError, match="Invalid symbol"):
        await refusing.klines(1000).series("NOSUCH")


def test_klines_are_judged_as_last_trades() -> None:
    """A series of klines says that its prices are no mids, and its quote features are masked."""
    series = series_of_klines("BTCUSDT", np.array([kline(second) for second in range(400)], np.float64))
    assert not series.mids
    assert not series.features[:, features.NAMES.index("quoted")].any()
    assert series.usable[-1]


def batches(series: SymbolSeries, bars: np.ndarray[Any, Any]) -> list[FeatureBatch]:
    """Return the batches that carry these bars."""
    from app.domain.bars import CHANNELS

    return [
        FeatureBatch(
            partition=0, second=series.start + row, closed_ms=0.0, sent_ms=0.0, feature_schema=features.SCHEMA,
            symbols=["OTHER", series.symbol], bars=dict(zip(CHANNELS, [[0.0, v] for v in bar], strict=True)),
            features={}, flags=[[], []],
        )
        for row, bar in enumerate(bars.tolist())
    ]  # fmt: skip


def test_live_history_equals_the_history_it_was_published_from() -> None:
    """Bars read back from `btc.features` give the same features and mids; repeats and zombies change nothing."""
    from app.exchange.listings import listings
    from app.exchange.price_process import PriceProcess
    from app.training.cold_start import bars_of

    (listing,) = listings(("BTCUSDT",))
    series = synthetic_series(7, "BTCUSDT", START_S, 500)
    live = LiveHistory(["BTCUSDT"], 500)
    sent = batches(series, bars_of(PriceProcess(7), listing, START_S, 500))
    for batch in [*sent, *sent[-5:]]:
        live.update(batch)
    live.update(msgspec.structs.replace(sent[0], second=START_S + 900, generation=-1))
    (back,) = live.series(min_s=400)
    assert (back.start, back.end, live.quoted_s()) == (series.start, series.end, 500)
    assert (back.features == series.features).all()
    assert (back.mid == series.mid).all()
    assert live.series(min_s=501) == []


async def test_without_any_history_the_trainer_says_what_it_waits_for() -> None:
    """A replay: the exchange has nothing of its own and the live history has just begun."""
    trainer = Trainer(Settings(symbols=("BTCUSDT",)), ProcessStatus())
    with pytest.raises(TrainingError, match="0 of 1800 s with quotes"):
        await trainer.train_once(Binance(5000, 5000).klines(3600))


async def test_the_trainer_releases_a_challenger_from_the_exchange_s_history() -> None:
    """Named after the exchange's time, expiring by it, and telling what it was trained on."""
    trainer = Trainer(Settings(symbols=("BTCUSDT",), train_epochs=1, release_ttl_s=60), ProcessStatus())
    release = await trainer.train_once(Binance(0, 4000).klines(3600))
    assert (release.id, release.expires_ms) == ("tf-19700101-010640", 4_060_000.0)
    assert release.origin == "live: BTCUSDT 3600 s of klines to 1970-01-01 01:06:40"
    assert release.metrics["mids"] == 0.0
    assert origin([], "replay") == "replay: "
