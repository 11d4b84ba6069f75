"""One recorded tick, followed from the exchange to topics, archive, REST and WebSocket."""

import asyncio
import gzip
import json
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from app.archive import query
from app.emulator import Exchange, replay
from app.kafka import topics
from app.records import FeatureBatch, OutcomeBatch, PredictionBatch, TickBatch
from benchmarks import topic_io
from benchmarks.processes import Processes

SPEED = 10.0
AT = 40  # the tick that is followed: the first trade of this second of the recording
HORIZON_S = 5
PARTITION = 2  # of BTCUSDT among 8
DIGITS = 10


class Recorded:
    """What the recording says of one second and of the mid at its end."""

    def __init__(self, file: Path) -> None:
        with gzip.open(file, "rt") as lines:
            frames = [(int(line[:16]), json.loads(line[17:])["data"]) for line in lines if "@depth" not in line[:60]]
        self.start = frames[0][0] // 1_000_000
        self.second = self.start + AT
        trades = [data for _at, data in frames if data.get("e") == "trade" and data["T"] // 1000 == self.second]
        self.trades = {data["t"]: float(data["p"]) for data in trades}
        self.tick = trades[0]
        self._quotes = [(at / 1e6, data) for at, data in frames if "u" in data and "e" not in data]

    def mid(self, second: int) -> float:
        """Return the mid at the end of a second."""
        _at, last = [quote for quote in self._quotes if quote[0] < second + 1][-1]
        return (float(last["b"]) + float(last["a"])) / 2


FinishedRun = tuple[Processes, Recorded, list[Any]]


@pytest.fixture
async def finished_run(kafka: str, recordings: Path, tmp_path: Path) -> AsyncIterator[FinishedRun]:
    """Run collector, worker, archive and API until the tick is settled; give the messages of the WebSocket too."""
    file = recordings / "binance-ws" / "spot-btcusdt-20230405.dat.gz"
    recorded = Recorded(file)
    async with Exchange(replay([file]), speed=SPEED) as exchange:
        processes = Processes(
            tmp_path, kafka, "onetick", speed=SPEED, source="replay-onetick", symbols=("BTCUSDT",),
            exchange_ws_url=exchange.ws_url, exchange_rest_url=exchange.rest_url,
        )  # fmt: skip
        try:
            await asyncio.to_thread(processes.start_worker)
            url = await asyncio.to_thread(processes.start_api)
            processes.start("archive")
            processes.start("collector", "collect")
            messages = await _follow(f"{url.replace('http', 'ws')}/v1/stream", recorded.second + HORIZON_S + 2)
            processes.stop("collector")
            await asyncio.sleep(2.5)  # the archive writes every second
            yield processes, recorded, messages
        finally:
            await asyncio.to_thread(processes.close)


async def _follow(url: str, until: int) -> list[Any]:
    messages: list[Any] = []
    async with connect(url, proxy=None) as socket, asyncio.timeout(60):
        async for text in socket:
            messages.append(json.loads(text))
            if (messages[-1]["second"] or 0) >= until:
                return messages
    return messages


async def _one(processes: Processes, spec: topics.TopicSpec, second: int) -> Any:
    (found,) = [batch for batch in await topic_io.records(processes.settings, spec) if batch.second == second]
    assert found.partition == PARTITION
    return found


async def test_a_recorded_tick_arrives_everywhere_with_the_same_numbers(
    finished_run: FinishedRun,
) -> None:
    """From the recorded frame to ticks, features, predictions, outcomes, archive, REST, WebSocket: the same numbers."""
    processes, recorded, messages = finished_run
    mid, later = recorded.mid(recorded.second), recorded.mid(recorded.second + HORIZON_S)

    ticks: TickBatch = await _one(processes, topics.TICKS, recorded.second)
    trades = ticks.symbols["BTCUSDT"].trades
    assert dict(zip(trades.id, trades.price, strict=True)).items() >= recorded.trades.items()
    at = trades.id.index(recorded.tick["t"])
    assert (trades.time_ms[at], trades.quantity[at], trades.buyer_maker[at]) == (
        recorded.tick["T"], float(recorded.tick["q"]), recorded.tick["m"],
    )  # fmt: skip

    row: FeatureBatch = await _one(processes, topics.FEATURES, recorded.second)
    assert row.bars["trades"] == [len(trades.id)]
    assert row.bars["mid"] == [pytest.approx(mid, abs=0.02)]  # a replayed quote may fall into the next second

    forecast: PredictionBatch = await _one(processes, topics.PREDICTIONS, recorded.second)
    assert forecast.mid == row.bars["mid"]
    assert {one.kind for one in forecast.forecasts} == {"naive", "ridge", "tensorflow"}
    served = forecast.forecasts[0]
    assert served.model == forecast.champion
    assert all(low <= high for quantiles in served.quantiles[0] for low, high in zip(quantiles, quantiles[1:]))  # noqa: B905, RUF007

    outcome: OutcomeBatch = await _one(processes, topics.OUTCOMES, recorded.second + HORIZON_S)
    (settled,) = [one for one in outcome.settled if one.horizon_s == HORIZON_S]
    due: PredictionBatch = await _one(processes, topics.PREDICTIONS, recorded.second + HORIZON_S)
    assert settled.origin == recorded.second
    assert settled.realised == [pytest.approx(math.log(due.mid[0] / forecast.mid[0]), abs=1e-8)]
    assert settled.realised == [pytest.approx(math.log(later / mid), abs=2e-6)]

    (pushed,) = [one for one in messages if one["type"] == "update" and one["second"] == recorded.second]
    (shown,) = pushed["predictions"]
    five = shown["forecasts"][0]
    assert (shown["mid"], shown["model"], five["horizon_s"]) == (forecast.mid[0], served.model, HORIZON_S)
    assert list(five["quantiles"].values()) == [round(value, DIGITS) for value in served.quantiles[0][0]]

    _check_api(processes, recorded, forecast)
    _check_archive(processes, recorded, forecast)


def _check_api(processes: Processes, recorded: Recorded, forecast: PredictionBatch) -> None:
    url = f"http://127.0.0.1:{processes.settings.api_port}/v1"
    span: dict[str, str | int] = {"symbol": "BTCUSDT", "from": recorded.second, "to": recorded.second + 1}
    bars = httpx.get(f"{url}/bars", params=span).json()
    assert json.dumps(bars).count(str(recorded.second)) >= 1
    predictions = httpx.get(f"{url}/predictions", params={**span, "horizon_s": HORIZON_S}).json()
    assert str(forecast.forecasts[0].model) in json.dumps(predictions)
    outcomes = httpx.get(f"{url}/outcomes", params={**span, "to": recorded.second + HORIZON_S + 1}).json()
    assert outcomes


def _check_archive(processes: Processes, recorded: Recorded, forecast: PredictionBatch) -> None:
    trades = query.query(
        processes.settings, f"select price, quantity from trades where id = {int(recorded.tick['t'])}"
    ).to_pylist()
    assert trades == [{"price": float(recorded.tick["p"]), "quantity": float(recorded.tick["q"])}]
    models = query.query(
        processes.settings, f"select distinct model from predictions where second = {recorded.second}"
    ).to_pylist()
    assert {row["model"] for row in models} == {one.model for one in forecast.forecasts}
