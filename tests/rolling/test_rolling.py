"""Every component is restarted in turn, as production would do it, while clients keep sending requests.

Kafka 3+3 and all processes run as the chart renders them; no request fails, no second is lost, none is doubled.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.archive import query
from app.broker.failure_reasons import BrokerError
from app.kafka import topics
from app.service import ports
from app.settings import Settings
from app.up.topic_statistics import newest_seconds, read_statistics
from tests.chart.kafka_nodes import Nodes, kafka_home
from tests.chart.objects import environment, laid_over, render, values_of, workload
from tests.rolling.load import RequestLoad, StreamLoad, running
from tests.rolling.rollout import Rollout
from tests.rolling.service import Service

API = (
    "/v1/predictions/latest",
    "/v1/status",
    "/v1/bars?symbol=BTCUSDT&limit=60",
    "/v1/scores?symbol=BTCUSDT",
    "/healthz",
)
DASHBOARD = ("/", "/_stcore/health", "/_stcore/host-config")
KAFKA_UI = ("/", "/healthz")
REPLICAS = {"data-collector": 2, "bitcoin-forecast-app": 1, "web-app": 2, "dashboard": 2, "kafka-ui": 1, "trainer": 1,
            "archive": 1}  # fmt: skip
TOGETHER = (
    ("data-collector",),
    ("bitcoin-forecast-app",),
    ("web-app", "dashboard", "kafka-ui"),
    ("trainer", "archive"),
)
PATIENCE_S = 60.0
pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")]


@asynccontextmanager
async def _exchange(folder: Path) -> AsyncIterator[str]:
    port = ports.free_port()
    words = ("-m", "app.cli", "exchange", "--synthetic", "7", "--symbols", "BTCUSDT,ETHUSDT", "--port", str(port))
    with (folder / "exchange.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=log, stderr=log)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


def _values(exchange: str) -> dict[str, Any]:
    return laid_over(values_of("values-production"), {
        "kafka": {"security": {"protocol": "PLAINTEXT", "credentialsSecret": "", "tlsSecret": ""}},
        "secrets": {"apiKeys": ""},
        "settings": {"exchange_ws_url": f"ws://{exchange}", "exchange_rest_url": f"http://{exchange}", "partitions": 3,
                     "symbols": "BTCUSDT,ETHUSDT", "api_rate_limit": 0, "archive_flush_s": 2},
    })  # fmt: skip


async def test_everything_is_restarted_and_no_client_notices(tmp_path: Path) -> None:
    """Controllers, brokers, collectors, the worker, the API, the dashboard, the Kafka UI, the trainer, the archive."""
    home = tmp_path / "kafka-home"
    home.mkdir()
    try:
        kafka_home(home)
    except BrokerError as error:
        pytest.skip(str(error))
    async with AsyncExitStack() as stack:
        values = _values(await stack.enter_async_context(_exchange(tmp_path)))
        nodes = Nodes(home, tmp_path, values, {})
        stack.enter_context(nodes.started())
        objects = render(values)
        variables = {**environment(objects), "BTC_KAFKA_URL": nodes.bootstrap}
        rollout = Rollout(objects, variables, tmp_path)
        for component in ("web-app", "dashboard", "kafka-ui"):
            rollout.services[component] = await stack.enter_async_context(Service().listening())
        await stack.enter_async_context(rollout.running(REPLICAS))
        of = Settings(kafka_url=nodes.bootstrap, partitions=3, data_dir=rollout.pods["archive"][0].home)
        requests, stream = await _rolled(rollout, nodes)
        await _drain(rollout, of)
        for name, one in requests.items():
            print(f"{name}: {one.answered} answers, slowest {one.slowest_s:.2f} s")
        print("SIGTERM to the end, s:", rollout.stops_s, "WebSocket welcomes:", stream.welcomes)
        assert {name: one.failed for name, one in requests.items() if one.failed} == {}
        assert all(one.answered > 100 for one in requests.values())
        assert stream.failed == []
        assert stream.welcomes > 1
        await _nothing_is_lost(rollout, of, stream)


async def _rolled(rollout: Rollout, nodes: Nodes) -> tuple[dict[str, RequestLoad], StreamLoad]:
    api, dashboard, kafka_ui = (rollout.services[name].address for name in ("web-app", "dashboard", "kafka-ui"))
    requests = {name: RequestLoad() for name in ("API", "API, new connections", "dashboard", "Kafka UI")}
    stream = StreamLoad()
    async with running(
        requests["API"].run(api, API, kept=True),
        requests["API"].run(api, API, kept=True),
        requests["API, new connections"].run(api, API, kept=False),
        requests["dashboard"].run(dashboard, DASHBOARD, kept=True),
        requests["Kafka UI"].run(kafka_ui, KAFKA_UI, kept=True),
        stream.run(api),
    ):
        nodes_of = nodes.by_component
        await asyncio.gather(*(rollout.one_by_one(nodes_of[one], workload(nodes.objects, one)) for one in nodes_of))
        _print("kafka-controller and kafka", requests)
        for components in TOGETHER:
            await asyncio.gather(*map(rollout.roll, components))
            _print(" and ".join(components), requests)
        await asyncio.sleep(3)
    return requests, stream


def _print(component: str, requests: dict[str, RequestLoad]) -> None:
    so_far = {name: (one.answered, len(one.failed), round(one.slowest_s, 2)) for name, one in requests.items()}
    print(f"{time.strftime('%H:%M:%S')} {component} is replaced; answered, failed, slowest s: {so_far}")


async def _drain(rollout: Rollout, of: Settings) -> None:
    """Stop the collectors and wait until everything they sent is settled."""
    for pod in rollout.pods["data-collector"]:
        await asyncio.to_thread(pod.stop)
    ends = await newest_seconds(of, topics.TICKS)
    deadline = asyncio.get_running_loop().time() + PATIENCE_S
    while await newest_seconds(of, topics.OUTCOMES) != ends:
        assert asyncio.get_running_loop().time() < deadline, (ends, await newest_seconds(of, topics.OUTCOMES))
        await asyncio.sleep(0.5)
    await asyncio.to_thread(rollout.pods["archive"][0].stop)


async def _nothing_is_lost(rollout: Rollout, of: Settings, stream: StreamLoad) -> None:
    found = await read_statistics(of)
    counts = found.seconds()
    assert (counts["lost"], counts["settled_twice"], counts["repeated"], found.dead) == (0, 0, 0, 0), counts
    doubled = "SELECT symbol, second FROM ticks_all GROUP BY ALL HAVING count(*) > 1"
    assert query.query(of, doubled).num_rows == 0
    trades = query.query(of, "SELECT symbol, id FROM trades ORDER BY symbol, id").to_pylist()
    for symbol, count in Counter(row["symbol"] for row in trades).items():
        ids = [row["id"] for row in trades if row["symbol"] == symbol]
        assert ids == list(range(ids[0], ids[0] + count)), f"{symbol}: ids are missing or doubled"
    kept = query.query(of, "SELECT DISTINCT second FROM ticks").column("second").to_pylist()
    assert set(kept) == set(found.collected)
    api, first, last = rollout.services["web-app"].address, min(stream.seconds), max(stream.seconds)
    async with httpx.AsyncClient(base_url=f"http://{api}") as client:
        span: dict[str, str | int] = {"symbol": "BTCUSDT", "from": first, "to": last, "limit": 3600}
        shown = (await client.get("/v1/predictions", params=span)).json()
    assert shown["second"] == list(range(first, last + 1))
