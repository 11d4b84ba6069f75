"""A few hand-made records: the examples of the API's documentation, and material for tests.

Every example in the docs is what a real board answers to these records.
"""

from collections.abc import Iterator
from typing import Any

from app.board.board import Board
from app.board.records import Bars, BoardRecord, Release
from app.records import Forecast, Gap, Heartbeat, Kind, OutcomeBatch, PredictionBatch, Role, Score, Settlement
from app.settings import Settings

SECOND = 1_780_000_000  # 2026-05-28 20:26:40 UTC
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
SPREADS = (-1.645, -0.674, 0.0, 0.674, 1.645)  # the levels of a normal distribution
MODELS: tuple[tuple[str, Kind, Role, float], ...] = (
    ("tf-20260528-2010", "tensorflow", "champion", 2e-5),
    ("ridge-20260528-2010", "ridge", "challenger", 1e-5),
    ("naive", "naive", "baseline", 0.0),
)


def closed_ms(second: int) -> float:
    """Return when the second was closed: 50 ms after its end."""
    return (second + 1) * 1000.0 + 50.0


def price(second: int) -> float:
    """Return a mid that moves a little."""
    return 67_000.0 + second % 60


def bars(second: int = SECOND, symbols: tuple[str, ...] = ("BTCUSDT",), *, partition: int = 0,
         flags: tuple[str, ...] = (), generation: int = 1) -> Bars:  # fmt: skip
    """Return one second's bars."""
    mid, each = price(second), len(symbols)
    values = {"price": mid + 0.5, "mid": mid, "bid": mid - 0.5, "ask": mid + 0.5, "volume": 1.25, "buy_volume": 0.75,
              "trades": 14.0, "quotes": 31.0, "traded": 1.0, "quoted": 1.0}  # fmt: skip
    return Bars(
        partition=partition,
        second=second,
        closed_ms=closed_ms(second),
        generation=generation,
        sent_ms=closed_ms(second) + 4.0,
        symbols=list(symbols),
        bars={name: [value] * each for name, value in values.items()},
        flags=[list(flags)] * each,
    )


def predictions(second: int = SECOND, symbols: tuple[str, ...] = ("BTCUSDT",), *, partition: int = 0,
                flags: tuple[str, ...] = (), horizons_s: tuple[int, ...] = (5, 10, 30, 60, 300),
                generation: int = 1) -> PredictionBatch:  # fmt: skip
    """Return one second's forecasts of three models, the TensorFlow one serving."""
    each = len(symbols)
    return PredictionBatch(
        partition=partition,
        second=second,
        closed_ms=closed_ms(second),
        generation=generation,
        sent_ms=closed_ms(second) + 9.0,
        symbols=list(symbols),
        mid=[price(second)] * each,
        priced=[True] * each,
        volatility=[4e-5] * each,
        flags=[list(flags)] * each,
        horizons_s=list(horizons_s),
        levels=list(LEVELS),
        champion=MODELS[0][0],
        forecasts=[
            Forecast(
                model=model,
                kind=kind,
                role=role,
                mean=[[drift * h**0.5 for h in horizons_s]] * each,
                quantiles=[[[(drift + 4e-5 * z) * h**0.5 for z in SPREADS] for h in horizons_s]] * each,
            )
            for model, kind, role, drift in MODELS
        ],
    )


def outcomes(second: int = SECOND, symbols: tuple[str, ...] = ("BTCUSDT",), *, partition: int = 0,
             horizons_s: tuple[int, ...] = (5, 10, 30, 60, 300)) -> OutcomeBatch:  # fmt: skip
    """Return what was settled in one second, and the scores."""
    return OutcomeBatch(
        partition=partition,
        second=second,
        closed_ms=closed_ms(second),
        generation=1,
        sent_ms=closed_ms(second) + 12.0,
        settled=[
            Settlement(horizon_s=h, origin=second - h, symbols=list(symbols), realised=[1.5e-5 * h] * len(symbols))
            for h in horizons_s
        ],
        scores=[_score(symbol, model, kind, role) for symbol in (*symbols, "*") for model, kind, role, _ in MODELS],
        settled_total={str(h): 1200 for h in horizons_s},
    )


def _score(symbol: str, model: str, kind: Kind, role: Role) -> Score:
    return Score(
        symbol=symbol, model=model, kind=kind, role=role, horizon_s=10, n=1200, weight=980.0, mae=6.1e-5, rmse=8.4e-5,
        pinball=2.2e-5, skill=0.021, skill_low=0.004, skill_high=0.038, p_value=0.008, r2=0.011, direction=0.53,
        coverage={"0.9": 0.902, "0.5": 0.508}, pit=[0.05, 0.2, 0.25, 0.25, 0.2, 0.05],
    )  # fmt: skip


def release() -> Release:
    """Return the champion's release, without its artifact."""
    model, kind, role, _ = MODELS[0]
    return Release(
        id=model, kind=kind, role=role, created_ms=(SECOND - 1000) * 1000.0, feature_schema="9f3c1a",
        horizons_s=[5, 10, 30, 60, 300], levels=list(LEVELS), sha256="5f70bf18" * 8,
        origin="exchange, 6 h of one-second klines", metrics={"skill_10s": 0.021},
        expires_ms=(SECOND + 86_400) * 1000.0,
    )  # fmt: skip


def heartbeat(process: str = "collector", at_ms: float = closed_ms(SECOND), note: str = "live") -> Heartbeat:
    """Return one process's heartbeat."""
    return Heartbeat(
        process=process, instance="0", pid=4242, at_ms=at_ms, started_ms=at_ms - 600_000.0, version="0.1.0", cpu_s=31.5,
        cpu_percent=5.2, rss_mb=118.4, net_sent_mb=12.1, net_received_mb=88.0, disk_read_mb=3.0, disk_written_mb=1.5,
        progress={"second": float(SECOND), "completeness": 1.0}, note=note,
    )  # fmt: skip


def gaps(last: int = SECOND) -> list[Gap]:
    """Return a gap that is being filled, one that was, and a quote outage that ended."""
    end_ms = last * 1000.0
    here: dict[str, Any] = {"symbol": "BTCUSDT", "partition": 0, "generation": 1}
    return [
        Gap(**here, id="BTCUSDT-trades-4711", stream="trades", state="filled", reason="skipped", opened_ids=[(1, 3)],
            from_ms=end_ms - 900_200, to_ms=end_ms - 899_900, opened_ms=end_ms - 899_900, closed_ms=end_ms - 899_100),
        Gap(**here, id="BTCUSDT-quotes-1779999700", stream="quotes", state="lost", reason="silent",
            from_ms=end_ms - 300_000, to_ms=end_ms - 287_500, opened_ms=end_ms - 295_000, closed_ms=end_ms - 287_500),
        Gap(**here, id="BTCUSDT-trades-81000", stream="trades", state="open", reason="absent", ids=[(81_020, 81_024)],
            from_ms=end_ms - 20_000, to_ms=end_ms - 14_000, opened_ms=end_ms - 14_000, opened_ids=[(1, 25)]),
    ]  # fmt: skip


def stream(last: int = SECOND, seconds: int = 30) -> Iterator[BoardRecord]:
    """Yield `seconds` seconds of one symbol up to `last`, as the topics bring them."""
    yield release()
    yield heartbeat("collector", closed_ms(last))
    yield heartbeat("worker", closed_ms(last), "")
    yield from gaps(last)
    for second in range(last - seconds + 1, last + 1):
        yield bars(second)
        yield predictions(second)
        yield outcomes(second)


def board(settings: Settings | None = None) -> Board:
    """Return a filled board that follows nothing; its wall clock stands still just after the newest second."""
    shown = Board(settings or Settings(), now_ms=lambda: closed_ms(SECOND) + 120.0)
    shown.update(list(stream()))
    return shown
