"""One real node: containers with images that are loaded into it, killed from outside as the kernel would."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chart.objects import COMPONENT, Object
from tests.cluster.objects import Cluster, is_ready, until

CONTAINERD = "k8s.io"  # its namespace of the kubelet's containers


class Node(Cluster):
    """kubectl and Helm against a cluster whose only node runs containers."""

    def __init__(self, tools: Path, folder: Path) -> None:
        super().__init__(tools, folder)
        self._tools, self._folder = tools, folder

    def _ctr(self, *arguments: str) -> str:
        command = ["ctr", "--address", str(self._folder / "containerd.sock"), "--namespace", CONTAINERD, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=180).stdout

    def load(self, archive: Path, name: str) -> None:
        """Load an image from an archive, under the name that the chart renders."""
        command = [self._tools / "load.sh", self._folder, archive]
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout
        (loaded,) = re.findall(r"^unpacking (\S+)", said, re.MULTILINE)
        if loaded != name:
            self._ctr("images", "tag", "--force", loaded, name)

    @property
    def network(self) -> list[str]:
        """A command that runs a command in the node's network."""
        return ["nsenter", f"--net=/run/netns/{(self._folder / 'run' / 'node').read_text().strip()}"]

    def logs(self, namespace: str) -> dict[str, list[str]]:
        """Return what each container of each pod has printed, by `pod/container`."""
        return {
            f"{pod['metadata']['name']}/{one['name']}": self.kubectl(
                "-n", namespace, "logs", pod["metadata"]["name"], "-c", one["name"]
            ).splitlines()
            for pod in self.get("pods", namespace)
            for one in pod["spec"]["containers"]
        }

    @property
    def address(self) -> str:
        """The node's address, where its node ports are."""
        (node,) = self.get("nodes", "default")
        return str(node["status"]["addresses"][0]["address"])

    def pod(self, namespace: str, component: str) -> Object:
        """Return the newest pod of a component."""
        return max(self.pods(namespace, component), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def execute(self, namespace: str, pod: str, *command: str) -> str:
        """Run a command in a pod's first container."""
        return self.kubectl("-n", namespace, "exec", pod, "--", *command)

    async def watch(self, namespace: str, component: str) -> asyncio.subprocess.Process:
        """Watch a component's pods: one line a change, the time of deletion where there is one, and `True` if ready."""
        shown = '{.metadata.deletionTimestamp} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}'
        command = (*self.command("-n", namespace, "get", "pods", "-l", f"{COMPONENT}={component}", "--watch"),
                   "-o", f"jsonpath={shown}")  # fmt: skip
        return await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)

    def kill(self, namespace: str, component: str, container: str = "") -> None:
        """Kill a container's main process (default: the first one's) with SIGKILL, until its pod is ready again."""
        before = self.pod(namespace, component)
        os.kill(self._process(before, container), signal.SIGKILL)
        name, count = before["metadata"]["name"], restarts(before)
        until(lambda: any(restarts(pod) > count and is_ready(pod) for pod in self.pods(namespace, component)
                          if pod["metadata"]["name"] == name), f"{name} runs again")  # fmt: skip

    def _process(self, pod: Object, container: str) -> int:
        statuses = pod["status"]["containerStatuses"]
        (found, *_) = [one for one in statuses if one["name"] == container] or statuses
        identity = found["containerID"].removeprefix("containerd://")
        (row,) = [line.split() for line in self._ctr("tasks", "ls").splitlines() if line.startswith(identity)]
        return int(row[1])

    def restarts(self, namespace: str) -> dict[str, int]:
        """Return how often the containers of each pod were started again."""
        return {pod["metadata"]["name"]: restarts(pod) for pod in self.pods(namespace)}

    def scale(self, namespace: str, component: str, replicas: int) -> None:
        """Set the replicas of a component's StatefulSet or Deployment."""
        self.kubectl("-n", namespace, "scale", "deployment,statefulset", "-l", f"{COMPONENT}={component}",
                     f"--replicas={replicas}")  # fmt: skip

    def apply(self, *objects: Object) -> None:
        """Create or change objects."""
        self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def throttled(self, namespace: str) -> dict[str, tuple[int, int]]:
        """Return container → CPU periods so far, and those in which its limit stopped it."""
        found: dict[str, tuple[int, int]] = {}
        for pod in self.pods(namespace):
            for status in pod["status"].get("containerStatuses", []):
                identity = status["containerID"].removeprefix("containerd://")
                for folder in Path("/sys/fs/cgroup/cpu").glob(f"kube-*/kubepods/**/{identity}"):
                    counts = dict(line.split() for line in (folder / "cpu.stat").read_text().splitlines())
                    name = f"{pod['metadata']['labels'][COMPONENT]}/{status['name']}"
                    periods, stopped = found.get(name, (0, 0))
                    found[name] = (periods + int(counts["nr_periods"]), stopped + int(counts["nr_throttled"]))
        return found


def restarts(pod: Object) -> int:
    """Return how often a pod's containers were started again."""
    return sum(one["restartCount"] for one in pod["status"].get("containerStatuses", []))


@contextmanager
def step(what: str) -> Iterator[None]:
    """Print how long a step took."""
    began_s = time.monotonic()
    try:
        yield
    finally:
        print(f"{time.monotonic() - began_s:7.1f} s  {what}", flush=True)
