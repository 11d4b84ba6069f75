"""What the chart's own scripts do: the door check of `helm test`, and how a Kafka node starts."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chart.objects import CHART, of_kind, render, values_of

CHECK = CHART / "files" / "check_door.py"
START = CHART / "files" / "kafka-start.sh"


class Door(http.server.BaseHTTPRequestHandler):
    """Answers 200 at /ok, 503 elsewhere."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200 if self.path == "/ok" else 503)
        self.end_headers()

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


@pytest.fixture
def door() -> Iterator[str]:
    """Return the address of a door."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _check(*urls: str) -> subprocess.CompletedProcess[str]:
    code = CHECK.read_text().replace("PATIENCE_S = 60.0", "PATIENCE_S = 0.0")
    return subprocess.run([sys.executable, "-c", code, *urls], capture_output=True, text=True, timeout=30, check=False)


def test_a_door_that_answers_passes(door: str) -> None:
    """200 is ok, and the exit code says so."""
    answer = _check(f"{door}/ok")
    assert (answer.returncode, answer.stdout) == (0, f"{door}/ok: ok\n")


def test_a_door_that_is_shut_fails_with_its_reason(door: str) -> None:
    """An error status or no answer at all is told, and fails the test."""
    answer = _check(f"{door}/ok", f"{door}/no", "http://127.0.0.1:1/")
    assert answer.returncode == 1
    assert f"{door}/no: status 503" in answer.stdout
    assert "Connection refused" in answer.stdout


@pytest.fixture
def kafka(tmp_path: Path) -> Path:
    """Return a Kafka home whose scripts only note how they were called."""
    home = tmp_path / "kafka"
    (home / "bin").mkdir(parents=True)
    for name in ("kafka-storage.sh", "kafka-server-start.sh"):
        script = home / "bin" / name
        script.write_text(f'#!/bin/sh\necho "{name} $*" >>"{tmp_path}/calls"\n')
        script.chmod(0o755)
    return home


def _start(kafka: Path, role: str, values: dict[str, Any], **more: str) -> tuple[str, str]:
    """Run the start script over rendered properties; return server.properties and the calls."""
    folder = kafka.parent
    (data,) = [one["data"] for one in of_kind(render(values), "ConfigMap") if one["metadata"]["name"] == "btc-kafka"]
    for name, text in data.items():
        (folder / name).write_text(text)
    env = {**os.environ, "KAFKA_HOME": str(kafka), "TMPDIR": str(folder), "CONFIG_DIR": str(folder), "ROLE": role,
           "CLUSTER_ID": "x" * 22, "NODE_ID_BASE": "100" if role == "controller" else "0",
           "POD_NAME": "btc-kafka-2", "SERVICE_HOST": "btc-kafka.btc.svc.cluster.local", **more}  # fmt: skip
    subprocess.run(["/bin/sh", START], env=env, check=True, timeout=30)
    return (folder / "server.properties").read_text(), (folder / "calls").read_text()


def test_a_broker_is_its_ordinal_and_says_where_it_is(kafka: Path) -> None:
    """Pod 2 is node 2, advertises its own stable name, formats its volume once and starts."""
    properties, calls = _start(kafka, "broker", {})
    assert "node.id=2\n" in properties
    assert "advertised.listeners=CLIENT://btc-kafka-2.btc-kafka.btc.svc.cluster.local:9092\n" in properties
    assert calls.splitlines()[0].startswith("kafka-storage.sh format --ignore-formatted --cluster-id xxx")
    assert calls.splitlines()[1].startswith("kafka-server-start.sh")


def test_a_controller_is_100_and_its_ordinal_and_one_of_the_voters(kafka: Path) -> None:
    """Controllers have numbers of their own; every voter is listed by its stable name."""
    properties, _ = _start(kafka, "controller", {"kafkaController": {"replicas": 3}})
    assert "node.id=102\n" in properties
    voters = next(line for line in properties.splitlines() if line.startswith("controller.quorum.voters="))
    assert "102@btc-kafka-controller-2.btc-kafka-controller.btc.svc.cluster.local:9093" in voters


def test_production_brokers_replicate_three_times_and_speak_sasl_over_tls(kafka: Path, tmp_path: Path) -> None:
    """Factor 3, two in sync, no unclean leaders, SCRAM over TLS; the first user is made by the controllers."""
    for name in ("tls.key", "tls.crt"):
        (tmp_path / name).write_text(f"{name}\n")
    secrets = {"TLS_DIR": str(tmp_path), "KAFKA_USERNAME": "btc", "KAFKA_PASSWORD": "secret"}
    production = values_of("values-production")
    broker, calls = _start(kafka, "broker", production, **secrets)
    for line in ("default.replication.factor=3", "min.insync.replicas=2", "offsets.topic.replication.factor=3",
                 "unclean.leader.election.enable=false", "ssl.keystore.type=PEM", "auto.create.topics.enable=false",
                 "listener.security.protocol.map=CLIENT:SASL_SSL,CONTROLLER:SSL"):  # fmt: skip
        assert f"{line}\n" in broker
    assert 'username="btc" password="secret";' in broker
    assert "--add-scram" not in calls
    assert (tmp_path / "keystore.pem").read_text() == "tls.key\ntls.crt\n"
    _, calls = _start(kafka, "controller", production, **secrets)
    assert "--add-scram SCRAM-SHA-512=[name=btc,password=secret]" in calls
