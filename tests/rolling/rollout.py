"""Rolling restarts as Kubernetes does them: every pod of a workload is replaced, and how long each took to end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

from tests.chart.objects import Object, workload
from tests.chart.pods import Pod
from tests.rolling.service import Service

PROPAGATION_S = 1.5  # until every node knows that a pod has left a Service: a busy cluster, not the best one


class Runnable(Protocol):
    """A pod or a Kafka node."""

    name: str

    def start(self) -> None:
        """Start its process."""

    def wait(self, *probes: str) -> None:
        """Wait until each probe passes."""

    def stop(self) -> float:
        """End it with SIGTERM; return the seconds it took."""

    def close(self) -> None:
        """End it in whatever state it is."""


class Rollout:
    """The pods of one installation and how they are replaced."""

    def __init__(self, objects: list[Object], variables: dict[str, str], folder: Path) -> None:
        self._objects, self._variables, self._folder = objects, variables, folder
        self.pods: dict[str, list[Pod]] = {}
        self.services: dict[str, Service] = {}
        self.stops_s: dict[str, float] = {}
        self._made = 0

    @asynccontextmanager
    async def running(self, replicas: dict[str, int]) -> AsyncIterator[None]:
        """Run so many pods of each component while the body runs."""
        try:
            for component, count in replicas.items():
                self.pods[component] = [self._new(component, ordinal) for ordinal in range(count)]
            every = [pod for pods in self.pods.values() for pod in pods]
            for pod in every:
                pod.start()
            await asyncio.gather(*(_ready(pod) for pod in every))
            for component, service in self.services.items():
                service.endpoints += [pod.port("http") for pod in self.pods[component]]
            yield
        finally:
            for pods in self.pods.values():
                for pod in pods:
                    pod.close()

    def _new(self, component: str, ordinal: int | None = None) -> Pod:
        self._made += 1
        name = f"btc-{component}-{self._made if ordinal is None else ordinal}"
        return Pod(self._objects, component, self._variables, self._folder, name=name)

    async def roll(self, component: str) -> None:
        """Replace every pod of a component, by its workload's own strategy."""
        of = workload(self._objects, component)
        if of["kind"] == "StatefulSet":
            await self.one_by_one(self.pods[component], of)
            return
        strategy = of["spec"]["strategy"]
        if strategy == {"type": "Recreate"}:
            await self.one_by_one(self.pods[component], of)
            return
        assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        for old in list(self.pods[component]):
            new = self._new(component)
            self.pods[component].append(new)
            new.start()
            await _ready(new)
            if service := self.services.get(component):
                service.endpoints.append(new.port("http"))
            await asyncio.sleep(of["spec"].get("minReadySeconds", 0))
            await self._delete(old)
            self.pods[component].remove(old)

    async def one_by_one(self, pods: Sequence[Runnable], of: Object) -> None:
        """Replace the pods of a StatefulSet in place, the newest first."""
        for pod in reversed(pods):
            await self._stopped(pod)
            pod.start()
            await _ready(pod)
            await asyncio.sleep(of["spec"].get("minReadySeconds", 0))

    async def _delete(self, pod: Pod) -> None:
        # At the same moment the pod leaves its Service, which takes a while to propagate, and preStop begins.
        async def remove_endpoint() -> None:
            await asyncio.sleep(PROPAGATION_S)
            if service := self.services.get(pod.component):
                service.endpoints.remove(pod.port("http"))

        async def end() -> None:
            await asyncio.sleep(pod.drain_s)
            await self._stopped(pod)

        await asyncio.gather(remove_endpoint(), end())

    async def _stopped(self, pod: Runnable) -> None:
        name = pod.name.removeprefix("btc-").rpartition("-")[0]
        self.stops_s[name] = max(self.stops_s.get(name, 0.0), round(await asyncio.to_thread(pod.stop), 1))


async def _ready(pod: Runnable) -> None:
    await asyncio.to_thread(pod.wait, "startupProbe", "readinessProbe")
