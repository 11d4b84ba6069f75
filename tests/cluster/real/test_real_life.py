"""One release with minikube's values and quota over its life: upgraded, killed, without Kafka, out of memory, drained.

The tests build on each other, in this order; at the end nothing is lost, and every trade is in the archive once.
"""

import asyncio
import os
import time
from collections.abc import Iterator

import pytest

from tests.cluster.objects import is_ready, until
from tests.cluster.real.node import Node, step
from tests.cluster.real.release import LATEST, Release, previous_chart, release
from tests.rolling.load import RequestLoad, StreamLoad, running

WORKER = "bitcoin-forecast-app"
AWAY_S = 180  # Kafka's absence
ENOUGH = 6  # cores of the minikube that the values are made for
# Everything is replaced at once; on two cores, which clients and control plane use too, each start takes longer.
MOST_AWAY_S = 10.0 if (os.cpu_count() or 1) >= ENOUGH else 25.0
ATE = "x = bytearray(240 * 2**20)\nfor i in range(0, len(x), 4096): x[i] = 1\nimport time; time.sleep(60)"
EAT = f"""
import subprocess, sys
eaters = [subprocess.Popen([sys.executable, '-c', {ATE!r}]) for _ in range(8)]
for eater in eaters: eater.wait()
"""


@pytest.fixture(scope="module")
def life(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Return the release, installed from the previous commit's chart."""
    open_port = {"webApp": {"service": {"type": "NodePort"}}, "settings": {"api_rate_limit": 0}}
    try:
        chart = previous_chart(tmp_path_factory.mktemp("previous"))
    except RuntimeError as error:
        pytest.skip(str(error))
    with release(node, "real-life", "values-minikube", more=open_port) as one:
        one.install(chart)
        yield one
        one.uninstall()


async def test_an_upgrade_under_load_fails_no_request(life: Release) -> None:
    """From the previous commit's chart to this one, every process is replaced: no request fails, no second is lost."""
    (service,) = life.node.get("services", life.namespace, "--field-selector", "metadata.name=btc-web-app")
    address = f"{life.node.address}:{service['spec']['ports'][0]['nodePort']}"
    kept, new, stream, away = RequestLoad(), RequestLoad(), StreamLoad(), Absence(life)
    paths = (LATEST, "/v1/status")
    async with running(kept.run(address, paths, kept=True), new.run(address, paths, kept=False), stream.run(address),
                       away.run()):  # fmt: skip
        with step("helm upgrade under load"):
            await asyncio.to_thread(life.upgrade, {"settings": {"grace_ms": 60}})
        await asyncio.sleep(5)
    print(f"           {kept.answered + new.answered} requests, slowest {max(kept.slowest_s, new.slowest_s):.2f} s; "
          f"the worker was not ready for {away.longest_s:.1f} s")  # fmt: skip
    assert kept.failed + new.failed + stream.failed == []
    assert min(kept.answered, new.answered) > 100
    refused = life.node.get("events", life.namespace, "--field-selector", "reason=FailedCreate")
    assert [event["message"] for event in refused] == []
    assert away.longest_s <= MOST_AWAY_S
    life.assert_nothing_is_lost()


class Absence:
    """The longest time in which no worker was ready, from the moment in which it was told to end."""

    def __init__(self, of: Release) -> None:
        self._of, self.longest_s = of, 0.0

    async def run(self) -> None:
        """Watch the worker's pod until cancelled; a watch costs less of the node's CPU than asking again and again."""
        watch = await self._of.node.watch(self._of.namespace, WORKER)
        assert watch.stdout is not None
        try:
            away_s: float | None = None
            async for line in watch.stdout:
                ready = bytes(line).split() == [b"True"]  # no time of deletion in front of it
                if away_s is not None:
                    self.longest_s = max(self.longest_s, time.monotonic() - away_s)
                away_s = None if ready else away_s or time.monotonic()
        finally:
            watch.terminate()
            await watch.wait()


async def test_a_worker_that_is_replaced_is_away_for_ten_seconds_at_most(life: Release) -> None:
    """The only worker is deleted, by itself: from its end to the next one's readiness."""
    away = Absence(life)
    async with running(away.run()):
        await asyncio.sleep(1)  # until the watch has seen it
        await asyncio.to_thread(life.node.kubectl, "-n", life.namespace, "delete", "pod", f"btc-{WORKER}-0")
        await asyncio.to_thread(until, lambda: any(map(is_ready, life.node.pods(life.namespace, WORKER))), "a worker")
        await asyncio.sleep(1)
    print(f"           the worker was not ready for {away.longest_s:.1f} s")
    assert 0 < away.longest_s <= 10


@pytest.mark.parametrize(
    ("component", "container"),
    [("kafka-controller", ""), ("kafka", ""), ("kafka", "monitor"), ("data-collector", ""), (WORKER, "")],
)
def test_a_killed_process_is_started_again(life: Release, component: str, container: str) -> None:
    """SIGKILL of its main process: the kubelet starts it again, nobody else restarts, forecasts go on."""
    before = life.node.restarts(life.namespace)
    with step(f"{component} {container or 'itself'} was killed and is ready again"):
        life.node.kill(life.namespace, component, container)
    with step("forecasts for the newest seconds"):
        life.until_it_forecasts()
    after = life.node.restarts(life.namespace)
    (name,) = {name for name, count in after.items() if count != before[name]}
    assert name in [pod["metadata"]["name"] for pod in life.node.pods(life.namespace, component)]
    assert after[name] == before[name] + 1


def test_kafka_away_for_three_minutes_restarts_nobody(life: Release) -> None:
    """The broker goes and comes back: every process waits, alive and not ready, and goes on by itself."""
    before = life.node.restarts(life.namespace)
    with step(f"Kafka is away for {AWAY_S} s"):
        life.node.scale(life.namespace, "kafka", 0)
        time.sleep(AWAY_S)
        waiting = [pod["metadata"]["name"] for pod in life.node.pods(life.namespace) if is_ready(pod)]
        assert all(name.startswith(("btc-kafka-controller", "btc-kafka-ui")) for name in waiting), waiting
    with step("Kafka is back: forecasts for the newest seconds"):
        life.node.scale(life.namespace, "kafka", 1)
        life.until_it_forecasts(180)
    before |= {"btc-kafka-0": 0}  # another pod
    after = life.node.restarts(life.namespace)
    assert {name: count for name, count in after.items() if count != before.get(name, 0)} == {}
    life.assert_nothing_is_lost()


def test_a_worker_without_memory_is_killed_and_goes_on(life: Release) -> None:
    """Other processes fill the container's memory: the kernel kills the worker at its limit, and nothing is lost."""
    name, before = f"btc-{WORKER}-0", life.node.restarts(life.namespace)
    with step("the worker is killed for its memory and is ready again"):
        with pytest.raises(RuntimeError):
            life.node.execute(life.namespace, name, "python", "-c", EAT)
        until(lambda: life.node.restarts(life.namespace).get(name, 0) > before[name], "the worker is started again")
        until(lambda: all(map(is_ready, life.node.pods(life.namespace, WORKER))), "the worker is ready")
    ended = life.node.pod(life.namespace, WORKER)["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert ended["reason"] == "OOMKilled"
    life.assert_nothing_is_lost()


def test_a_drained_node_takes_everything_back(life: Release) -> None:
    """A drain under the budgets evicts every pod of the only node; uncordoned, all of them go on."""
    with step("the node is drained"):
        life.node.kubectl("drain", "node-0", "--pod-selector=app.kubernetes.io/instance=btc", "--delete-emptydir-data",
                          "--ignore-daemonsets", "--timeout=170s")  # fmt: skip
    with step("uncordoned: forecasts for the newest seconds"):
        life.node.kubectl("uncordon", "node-0")
        life.until_it_forecasts(180)
    life.assert_nothing_is_lost()


def test_in_the_end_every_trade_is_in_the_archive_once(life: Release) -> None:
    """Trade ids in the archive have neither holes nor repeats, after all of that."""
    with step("the archive has written what it holds"):
        until(lambda: life.trades_missing() == [], "every trade id once in the archive", 150)
