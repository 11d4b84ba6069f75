"""HPAs on real load: the API gets more replicas, and gives them back."""

import asyncio
import time
from collections.abc import Callable

from benchmarks.load import LoadConnection
from tests.cluster.objects import until
from tests.cluster.real.node import Node, step
from tests.cluster.real.release import Release, release
from tests.rolling.load import RequestLoad, running

CLIENTS = 16
PATIENCE_S = 240.0
SOON = {"stabilizationWindowSeconds": 5, "pods": 4, "periodSeconds": 15}


async def test_the_api_scales_out_under_load_and_in_again(node: Node) -> None:
    """Requests without pause raise its CPU over the target: replicas are added; without them they go again."""
    hpa = {"maxReplicas": 2, "scaleUp": {**SOON, "stabilizationWindowSeconds": 0}, "scaleDown": SOON}
    changes = {"webApp": {"service": {"type": "NodePort"}, "hpa": hpa}, "settings": {"api_rate_limit": 0}}
    with release(node, "real-scaling", more=changes) as one:
        await asyncio.to_thread(one.install)
        (service,) = node.get("services", one.namespace, "--field-selector", "metadata.name=btc-web-app")
        address = f"{node.address}:{service['spec']['ports'][0]['nodePort']}"
        users = RequestLoad()
        async with running(users.run(address, ("/v1/status",), kept=False), _saturate(address)):
            with step("two replicas of the API under load"):
                await _until(lambda: _replicas(one) == 2, "two replicas")
        assert users.answered > 100
        assert users.failed == []
        with step("one replica without it"):
            await _until(lambda: _replicas(one) == 1, "one replica")
        await asyncio.to_thread(one.uninstall)


async def _saturate(address: str) -> None:
    """Request without pause over many connections, until cancelled."""
    host, _, port = address.partition(":")
    until_s, took_s = time.perf_counter() + PATIENCE_S, list[float]()
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: LoadConnection(took_s, until_s), host, int(port)) for _ in range(CLIENTS)
    ]
    try:
        await asyncio.sleep(PATIENCE_S)
    finally:
        for transport, _connection in opened:
            transport.close()
        print(f"           {len(took_s)} answers over {CLIENTS} connections")


def _replicas(one: Release) -> int:
    (of,) = one.node.get("deployments", one.namespace, "--field-selector", "metadata.name=btc-web-app")
    return int(of["status"].get("readyReplicas", 0))


async def _until(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(until, condition, what, PATIENCE_S)
