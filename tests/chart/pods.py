"""Containers of the rendered chart as processes of this machine, in the environment or in a built image.

They are started, probed and ended as a kubelet would.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from app.service import ports
from tests.chart.objects import Object, container, of_kind, workload

PATIENCE_S = 180.0  # nine processes start at once beside the other half of the tests; alone each takes 5 s
HTTP_PORTS = {"web-app": "API", "dashboard": "DASHBOARD", "kafka-ui": "KAFKA_UI", "bitcoin-forecast-app": "WORKER"}


class Pod:
    """One container of the chart, as a process of this machine; its folder outlives it, as a volume would."""

    def __init__(
        self, objects: list[Object], component: str, variables: dict[str, str], folder: Path, *, name: str = ""
    ) -> None:
        one = of_kind(objects, "Job")[0] if component == "topics" else workload(objects, component)
        self.component, self.name = component, name or f"btc-{component}-0"
        self.container, self.spec = container(one), one["spec"]["template"]["spec"]
        self.home = folder / self.name
        self.home.mkdir(exist_ok=True)
        self.log = folder / f"{self.name}.log"
        self._ports = {one: ports.free_port() for one in ("METRICS", *HTTP_PORTS.values())}
        own = {one["name"]: one["value"] for one in self.container.get("env", ()) if "value" in one}
        here = {f"BTC_{one}_PORT": str(port) for one, port in self._ports.items()}
        self.environment = {**variables, **own, "BTC_HOST": "127.0.0.1", "BTC_INSTANCE": self.name, **here}

    def port(self, name: str) -> int:
        """Return where a port of the container is on this machine."""
        if name == "metrics" and self.component != "bitcoin-forecast-app":
            return self._ports["METRICS"]
        return self._ports[HTTP_PORTS[self.component]]

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Return the command line and variables that start it here."""
        command = self.container["command"]
        assert command[0] == "btc"
        here = {"HOME": str(self.home), "TMPDIR": str(self.home), "BTC_DATA_DIR": str(self.home)}
        return [sys.executable, "-m", "app.cli", *command[1:]], {**os.environ, **self.environment, **here}

    def start(self) -> None:
        """Start the rendered command."""
        command, environment = self.command()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def passes(self, probe: str) -> bool:
        """Run one probe, as the kubelet would."""
        get = self.container[probe]["httpGet"]
        try:
            return httpx.get(f"http://127.0.0.1:{self.port(get['port'])}{get['path']}", timeout=3).status_code < 400
        except httpx.HTTPError:
            return False

    def wait(self, *probes: str) -> None:
        """Wait until each probe passes; the process must not end before."""
        deadline = time.monotonic() + PATIENCE_S
        for probe in probes:
            while not self.passes(probe):
                assert self.process.poll() is None, (
                    f"{self.name} ended with {self.process.returncode}:\n{self.log_tail()}"
                )
                assert time.monotonic() < deadline, f"{self.name} does not pass {probe}:\n{self.log_tail()}"
                time.sleep(0.2)

    def log_tail(self) -> str:
        """Return the end of its log."""
        return self.log.read_text(errors="replace")[-3000:]

    @property
    def drain_s(self) -> float:
        """Time that preStop takes from the grace period."""
        hook: dict[str, Any] = self.container.get("lifecycle", {}).get("preStop", {})
        return float(hook["exec"]["command"][1]) if hook else 0.0

    @property
    def grace_s(self) -> float:
        """Time between SIGTERM and SIGKILL."""
        return float(self.spec["terminationGracePeriodSeconds"]) - self.drain_s

    def stop(self) -> float:
        """End it with SIGTERM, cleanly and in time; return how long that took, in seconds."""
        began = time.monotonic()
        self.process.terminate()
        code = self.process.wait(self.grace_s)
        assert code == 0, f"{self.name} ended with {code}:\n{self.log_tail()}"
        return time.monotonic() - began

    def close(self) -> None:
        """End it however it is."""
        if hasattr(self, "process") and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class ImagePod(Pod):
    """The same in a built image: its rendered user, a read-only root, no capabilities, its rendered mounts."""

    engine: tuple[str, ...] = ("podman",)
    options: tuple[str, ...] = ()
    image: str = ""

    def command(self) -> tuple[list[str], dict[str, str]]:
        """Return the engine's command line; SIGTERM to the engine reaches the process, and its exit code comes back."""
        security, of = self.spec["securityContext"], self.container["securityContext"]
        assert (of["readOnlyRootFilesystem"], of["capabilities"]) == (True, {"drop": ["ALL"]})
        user = (security["runAsUser"], security["runAsGroup"])
        os.chown(self.home, *user)
        (mount,) = [one["mountPath"] for one in self.container["volumeMounts"] if one["name"] == "data"]
        variables = [argument for name, value in self.environment.items() for argument in ("--env", f"{name}={value}")]
        command = self.container["command"]
        return [
            *self.engine, "run", "--rm", "--name", f"{self.name}-{self.port('metrics')}", "--network", "host",
            "--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp:rw,mode=1777",
            "--volume", f"{self.home}:{mount}",
            "--user", f"{user[0]}:{user[1]}", "--cap-drop", "all", "--security-opt", "no-new-privileges",
            "--no-healthcheck", *self.options, *variables, "--entrypoint", command[0], self.image, *command[1:],
        ], dict(os.environ)  # fmt: skip


def passes_helm_test(objects: list[Object], pod: Pod) -> None:
    """Run the `helm test` of a pod against this machine."""
    tests = {one["metadata"]["name"]: one for one in of_kind(objects, "Pod")}
    test = tests.get(f"btc-{pod.component}-test")
    if test is None:
        assert pod.component in {"trainer", "archive"}, f"{pod.component} has no `helm test`"  # no HTTP port
        return
    code, *urls = test["spec"]["containers"][0]["args"]
    name = "http" if any(port in urls[0] for port in (":5001", ":8501", ":8080")) else "metrics"
    here = [f"http://127.0.0.1:{pod.port(name)}/{url.split('/', 3)[3]}" for url in urls]
    done = subprocess.run([sys.executable, "-c", code, *here], capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout
