"""A board without a broker: hand-made records, as realistic as pages need.

Run as a script (`python tests/dashboard/feed.py --port 0 …`) it serves the dashboard on such a board, one second a
second: the browser tests look at that.
"""

import argparse
import threading
import time
from typing import Any

import numpy as np

from app.board.board import Board
from app.board.records import Bars, Release
from app.clock import wall_ms
from app.domain.bars import CHANNELS
from app.records import DeadLetter, Forecast, Gap, Heartbeat, OutcomeBatch, PredictionBatch, Score, Settlement
from app.settings import Settings

HORIZONS_S = [5, 10, 30, 60, 300]
LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]
WIDTHS = np.array([-1.645, -0.674, 0.0, 0.674, 1.645])
VOLATILITY = 6e-5
MODELS = [
    ("tf-20261122-2300", "tensorflow", "champion"),
    ("ridge", "ridge", "challenger"),
    ("naive", "naive", "baseline"),
]
PROCESSES = ("collector", "worker", "trainer", "archive", "api", "dashboard", "broker")


class Market:
    """A random walk of some symbols that makes every record of a second."""

    def __init__(self, symbols: tuple[str, ...] = ("BTCUSDT",), seed: int = 7) -> None:
        self.symbols = list(symbols)
        self.random = np.random.default_rng(seed)
        self.mid = 67_000.0 / 3.0 ** np.arange(len(symbols))
        self.past: dict[int, np.ndarray[Any, Any]] = {}

    def second(self, second: int, closed_ms: float, flags: tuple[str, ...] = ()) -> list[Any]:
        """Return bars, predictions and outcomes of one second."""
        moves = self.random.normal(0, VOLATILITY, len(self.symbols))
        self.mid = self.mid * np.exp(moves)
        self.past[second] = self.mid.copy()
        marks = [list(flags) for _ in self.symbols]
        stamp: dict[str, Any] = {"partition": 0, "second": second, "closed_ms": closed_ms}
        late = float(self.random.gamma(4, 1.2))
        return [
            Bars(**stamp, sent_ms=closed_ms + late, symbols=self.symbols, bars=self._bars(), flags=marks),
            self._predictions(stamp, closed_ms + late * 2.2, marks),
            self._outcomes(stamp, closed_ms + late * 3),
        ]

    def _bars(self) -> dict[str, list[float]]:
        count = len(self.symbols)
        half = np.abs(self.random.normal(2e-5, 5e-6, count)) * self.mid
        trades = self.random.poisson(12, count).astype(float)
        known = {
            "price": self.mid + half, "mid": self.mid, "bid": self.mid - half, "ask": self.mid + half,
            "trades": trades, "quotes": trades * 4 + 3, "traded": np.ones(count), "quoted": np.ones(count),
            "present": np.ones(count),
        }  # fmt: skip
        return {name: np.asarray(known.get(name, np.zeros(count))).tolist() for name in CHANNELS}

    def _predictions(self, stamp: dict[str, Any], sent_ms: float, marks: list[list[str]]) -> PredictionBatch:
        count, root = len(self.symbols), np.sqrt(HORIZONS_S)
        width = VOLATILITY * root[None, :, None] * WIDTHS
        lean = self.random.normal(0, 0.15, (count, 1)) * VOLATILITY * root
        forecasts = [
            Forecast(
                model=name, kind=kind, role=role, mean=(lean * share).tolist(),  # type: ignore[arg-type]
                quantiles=(width + lean[:, :, None] * share).tolist(),
            )
            for (name, kind, role), share in zip(MODELS, (1.0, 0.8, 0.0), strict=True)
        ]  # fmt: skip
        return PredictionBatch(
            **stamp, sent_ms=sent_ms, symbols=self.symbols, mid=self.mid.tolist(), priced=[True] * count,
            volatility=[VOLATILITY] * count, flags=marks, horizons_s=HORIZONS_S, levels=LEVELS,
            champion=MODELS[0][0], forecasts=forecasts,
        )  # fmt: skip

    def _outcomes(self, stamp: dict[str, Any], sent_ms: float) -> OutcomeBatch:
        second = stamp["second"]
        settled = [
            Settlement(
                horizon_s=horizon, origin=second - horizon, symbols=self.symbols,
                realised=np.log(self.mid / self.past[second - horizon]).tolist(),
            )
            for horizon in HORIZONS_S
            if second - horizon in self.past
        ]  # fmt: skip
        count = {str(horizon): 3000 * len(self.symbols) for horizon in HORIZONS_S}
        scores = [
            score(symbol, *model, horizon) for symbol in self.symbols for model in MODELS for horizon in HORIZONS_S
        ]
        return OutcomeBatch(**stamp, sent_ms=sent_ms, settled=settled, scores=scores, settled_total=count)


def score(symbol: str, model: str, kind: str, role: str, horizon_s: int, **changes: Any) -> Score:
    """Return a running score: some skill at short horizons, none at long ones."""
    skill = {"tensorflow": 0.03, "ridge": 0.02, "naive": 0.0}[kind] * 5 / horizon_s
    half = 0.004 * np.sqrt(horizon_s / 5)
    known: dict[str, Any] = {
        "symbol": symbol, "model": model, "kind": kind, "role": role, "horizon_s": horizon_s, "n": 3120,
        "weight": 2300.0, "mae": 5e-5 * np.sqrt(horizon_s), "rmse": 7e-5 * np.sqrt(horizon_s), "pinball": 2e-5,
        "skill": skill, "skill_low": skill - half, "skill_high": skill + half,
        "p_value": 0.001 if skill > half else 0.34, "r2": skill / 2, "direction": 0.5 + skill,
        "coverage": {"0.9": 0.9 - horizon_s / 10_000, "0.5": 0.51},
        "pit": [0.055, 0.19, 0.26, 0.25, 0.20, 0.045],
    }  # fmt: skip
    return Score(**{**known, **changes})


def release(name: str, role: str, created_ms: float) -> Release:
    """Return a release as the board knows it."""
    return Release(
        id=name, kind="tensorflow", role=role, created_ms=created_ms, feature_schema="abc", horizons_s=HORIZONS_S,  # type: ignore[arg-type]
        levels=LEVELS, sha256="0" * 64, origin="BTCUSDT, 6 h of klines and mids", expires_ms=created_ms + 86_400_000,
        metrics={f"skill_{horizon}s": 0.1 / horizon for horizon in HORIZONS_S},
    )  # fmt: skip


def heartbeat(process: str, at_ms: float, started_ms: float, wave: float = 0.0) -> Heartbeat:
    """Return a heartbeat of a process that is doing something."""
    age_s = (at_ms - started_ms) / 1000.0
    number = PROCESSES.index(process)
    progress = {"collector": {"batches": 3600.0, "completeness": 1.0},
                "api": {"apdex": 0.998, "p50_ms": 1.2, "p99_ms": 8.4, "users": 3.0, "requests": 400.0},
                "dashboard": {"visitors": 1.0}}.get(process, {})  # fmt: skip
    return Heartbeat(
        process=process, instance="0", pid=1000 + number, at_ms=at_ms, started_ms=started_ms, version="0.1.0",
        cpu_s=age_s * 0.1, cpu_percent=4 + 5 * number + 3 * np.sin(wave + number), rss_mb=120.0 + 90 * number,
        net_sent_mb=age_s * 0.02, net_received_mb=age_s * 0.05, disk_read_mb=age_s * 0.001,
        disk_written_mb=age_s * 0.01, progress=progress, note="synthetic-7" if process == "collector" else "",
    )  # fmt: skip


def filled_board(
    symbols: tuple[str, ...] = ("BTCUSDT",), seconds: int = 400, settings: Settings | None = None
) -> tuple[Board, Market]:
    """Return a board with so many seconds up to now, with one gap, and the market to go on with."""
    board = Board(settings or Settings(source="synthetic-7", symbols=symbols))
    board._follower.not_following_reason = ""
    market, now_ms = Market(symbols), wall_ms()
    newest = int(now_ms / 1000.0) - 1
    for second in range(newest - seconds + 1, newest + 1):
        if second % 250 not in {100, 101, 102}:
            board.update(market.second(second, (second + 1) * 1000.0 + 60.0), arrived_ms=(second + 1) * 1000.0 + 75.0)
    releases = [release(MODELS[0][0], "champion", now_ms - 1.8e6), release("tf-cold-start", "retired", now_ms - 9e7)]
    board.update([*releases, *beats(now_ms, 120)])
    board.update([DeadLetter(topic="btc.ticks", partition=0, offset=17, reason="Expected `int`, got `str`",
                           at_ms=now_ms, by="worker")])  # fmt: skip
    return board, market


def ledger(symbol: str, now_ms: float, partition: int = 0) -> list[Gap]:
    """Return a symbol's gaps: one being filled, one filled, one lost, a quote outage over and one going on."""
    fields: dict[str, Any] = {"symbol": symbol, "partition": partition, "generation": 1}
    trades: dict[str, Any] = fields | {"stream": "trades"}
    quotes: dict[str, Any] = fields | {"stream": "quotes"}
    ago = [now_ms - 1000.0 * seconds for seconds in (2400, 2390, 2380, 900, 899, 640, 600, 95, 40, 9)]
    return [
        Gap(**trades, id=f"{symbol}-trades-1", state="lost", reason="absent", ids=[(1, 120)], from_ms=ago[0],
            to_ms=ago[1], opened_ms=ago[1], closed_ms=ago[2], opened_ids=[(1, 4100)]),
        Gap(**trades, id=f"{symbol}-trades-2", state="filled", reason="skipped", from_ms=ago[3], to_ms=ago[4],
            opened_ms=ago[4], closed_ms=ago[4] + 700, opened_ids=[(1, 3)]),
        Gap(**quotes, id=f"{symbol}-quotes-3", state="lost", reason="silent", from_ms=ago[5], to_ms=ago[6],
            opened_ms=ago[5] + 5000, closed_ms=ago[6]),
        Gap(**trades, id=f"{symbol}-trades-4", state="open", reason="disconnected", ids=[(9_000, 9_640)],
            from_ms=ago[7], to_ms=ago[8], opened_ms=ago[8], opened_ids=[(1, 1441)]),
        Gap(**quotes, id=f"{symbol}-quotes-5", state="open", reason="silent", from_ms=ago[9], opened_ms=ago[9] + 5000),
    ]  # fmt: skip


def beats(now_ms: float, count: int) -> list[Heartbeat]:
    """Return heartbeats of every process, five seconds apart, the newest now."""
    return [
        heartbeat(process, now_ms - 5000.0 * back, now_ms - 3_600_000.0, back / 9)
        for back in range(count - 1, -1, -1)
        for process in PROCESSES
    ]


def _continue(board: Board, market: Market) -> None:
    while True:
        time.sleep(1.0 - time.time() % 1.0 + 0.06)
        second = int(time.time()) - 1
        board.update(market.second(second, (second + 1) * 1000.0 + 60.0), arrived_ms=wall_ms())
        if second % 5 == 0:
            board.update(list(beats(wall_ms(), 1)))


def main() -> None:
    """Serve the dashboard on a board that is fed here."""
    from app.dashboard.launch import serve
    from app.dashboard.visitors import Visitors

    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--symbols", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=400)
    parser.add_argument("--still", action="store_true")
    parser.add_argument("--gaps", action="store_true")
    options = parser.parse_args()
    names = ("BTCUSDT", "ETHUSDT", *(f"COIN{place:02d}USDT" for place in range(2, options.symbols)))[: options.symbols]
    settings = Settings(source="synthetic-7", symbols=names, dashboard_port=options.port)
    board, market = (
        filled_board(names, options.seconds, settings) if options.seconds else (Board(settings), Market(names))
    )
    if options.gaps:
        board.update(list(ledger(names[0], wall_ms())))
    if not options.still:
        threading.Thread(target=_continue, args=(board, market), daemon=True).start()
    serve(settings, board, Visitors())


if __name__ == "__main__":
    main()
