"""The chart's own scripts: the URL check of `helm test`, the end of a mesh's proxy, the start of a Kafka node."""

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chart.objects import CHART, Object, container, of_kind, pods, render, values_of, workload

CHECK = CHART / "files" / "check_url.py"
END_PROXY = CHART / "files" / "end_proxy.py"
START = CHART / "files" / "kafka-start.sh"


class Server(http.server.BaseHTTPRequestHandler):
    """HTTP handler that answers 200 at /ok, 503 elsewhere."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200 if self.path == "/ok" else 503)
        self.end_headers()

    def do_POST(self) -> None:
        """Answer alike."""
        self.do_GET()

    def log_message(self, *_args: Any) -> None:
        """Log nothing."""


@pytest.fixture
def base_url() -> Iterator[str]:
    """Return the URL of a running server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _check(*urls: str) -> subprocess.CompletedProcess[str]:
    code = CHECK.read_text().replace("PATIENCE_S = 60.0", "PATIENCE_S = 0.0")
    return subprocess.run([sys.executable, "-c", code, *urls], capture_output=True, text=True, timeout=30, check=False)


def test_a_url_that_answers_passes(base_url: str) -> None:
    """200 is ok, and the exit code is 0."""
    answer = _check(f"{base_url}/ok")
    assert (answer.returncode, answer.stdout) == (0, f"{base_url}/ok: ok\n")


def test_a_url_that_does_not_answer_fails_with_its_reason(base_url: str) -> None:
    """An error status or a refused connection is printed, and the exit code is 1."""
    answer = _check(f"{base_url}/ok", f"{base_url}/no", "http://127.0.0.1:1/")
    assert answer.returncode == 1
    assert f"{base_url}/no: status 503" in answer.stdout
    assert "Connection refused" in answer.stdout


def _with_proxy(url: str, *command: str) -> subprocess.CompletedProcess[str]:
    code = [sys.executable, "-c", END_PROXY.read_text(), url]
    return subprocess.run([*code, *command], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("exit_code", [0, 3])
def test_after_a_hook_in_a_mesh_the_proxy_is_ended(base_url: str, exit_code: int) -> None:
    """The request follows the command, whose exit code is the hook's."""
    answer = _with_proxy(f"{base_url}/ok", "sh", "-c", f"echo done; exit {exit_code}")
    assert (answer.returncode, answer.stdout, answer.stderr) == (exit_code, "done\n", "")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "{base_url}/no"])
def test_a_proxy_that_does_not_end_is_named_and_fails_no_hook(base_url: str, url: str) -> None:
    """A native sidecar, or none at all, answers nothing; the hook has done its work."""
    answer = _with_proxy(url.format(base_url=base_url), "true")
    assert answer.returncode == 0
    assert "the mesh's proxy was not ended" in answer.stderr


def test_a_hook_in_a_mesh_ends_on_sigterm(base_url: str) -> None:
    """The kubelet's SIGTERM at the deadline reaches the command, and the proxy is ended as well."""
    command = [sys.executable, "-c", END_PROXY.read_text(), f"{base_url}/ok", "sh", "-c", "echo started; exec sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("provider", "url"),
    [("istio", "http://127.0.0.1:15020/quitquitquit"), ("linkerd", "http://127.0.0.1:4191/shutdown")],
)
def test_every_hook_in_a_mesh_ends_its_proxy(provider: str, url: str) -> None:
    """The topics Job and each test pod run their command under the script: their pod ends with any kind of sidecar."""
    plain, meshed = (dict(_hooks(render({"mesh": {"provider": name}}))) for name in ("none", provider))
    assert len(plain) == 6
    for name, pod in meshed.items():
        (before,), (one,) = plain[name]["spec"]["containers"], pod["spec"]["containers"]
        script, quits, *command = one["args"]
        assert (one["command"], script, quits) == (["python", "-c"], END_PROXY.read_text(), url)
        assert command == [*before["command"], *before.get("args", [])]
        enabled = pod["metadata"]["annotations"].get("config.linkerd.io/proxy-admin-shutdown")
        assert enabled == ("enabled" if provider == "linkerd" else None)


def _hooks(objects: list[Object]) -> Iterator[tuple[str, Object]]:
    return pods(of_kind(objects, "Job", "Pod"))


@pytest.fixture
def kafka(tmp_path: Path) -> Path:
    """Return a Kafka home with scripts that only log their arguments."""
    home = tmp_path / "kafka"
    (home / "bin").mkdir(parents=True)
    for name in ("kafka-storage.sh", "kafka-server-start.sh"):
        script = home / "bin" / name
        script.write_text(f'#!/bin/sh\necho "{name} $*" >>"{tmp_path}/calls"\n')
        script.chmod(0o755)
    return home


def _start(kafka: Path, role: str, values: dict[str, Any], **more: str) -> tuple[str, str]:
    """Run the start script over rendered properties; return server.properties and the calls."""
    _run(kafka, role, values, **more).check_returncode()
    return (kafka.parent / "server.properties").read_text(), (kafka.parent / "calls").read_text()


def _run(kafka: Path, role: str, values: dict[str, Any], **more: str) -> subprocess.CompletedProcess[str]:
    folder = kafka.parent
    (data,) = [one["data"] for one in of_kind(render(values), "ConfigMap") if one["metadata"]["name"] == "btc-kafka"]
    for name, text in data.items():
        (folder / name).write_text(text)
    env = {**os.environ, "KAFKA_HOME": str(kafka), "TMPDIR": str(folder), "CONFIG_DIR": str(folder), "ROLE": role,
           "CLUSTER_ID": "x" * 22, "NODE_ID_BASE": "100" if role == "controller" else "0",
           "POD_NAME": "btc-kafka-2", "SERVICE_HOST": "btc-kafka.btc.svc.cluster.local", **more}  # fmt: skip
    return subprocess.run(["/bin/sh", START], env=env, capture_output=True, text=True, timeout=30, check=False)


def test_a_broker_takes_its_ordinal_and_advertises_its_name(kafka: Path) -> None:
    """Pod 2 is node 2, advertises its own stable name, formats its volume once and starts."""
    properties, calls = _start(kafka, "broker", {})
    assert "node.id=2\n" in properties
    assert "advertised.listeners=CLIENT://btc-kafka-2.btc-kafka.btc.svc.cluster.local:9092\n" in properties
    assert calls.splitlines()[0].startswith("kafka-storage.sh format --ignore-formatted --cluster-id xxx")
    assert calls.splitlines()[1].startswith("kafka-server-start.sh")


def test_a_controller_is_100_plus_its_ordinal_and_one_of_the_voters(kafka: Path) -> None:
    """Controllers have their own range of ids; every voter is listed by its stable name."""
    properties, _ = _start(kafka, "controller", {"kafkaController": {"replicas": 3}})
    assert "node.id=102\n" in properties
    voters = next(line for line in properties.splitlines() if line.startswith("controller.quorum.voters="))
    assert "102@btc-kafka-controller-2.btc-kafka-controller.btc.svc.cluster.local:9093" in voters


@pytest.mark.parametrize(("exit_code", "level"), [(0, "INFO"), (3, "ERROR")])
def test_every_line_of_a_node_that_formats_its_volume_is_json(kafka: Path, exit_code: int, level: str) -> None:
    """What Kafka's format step prints becomes log lines; where it fails, its reason is one and the node ends."""
    plain = 'Formatting "/data/kafka"\twith C:\\ and é & / 100%'
    logged = '{"@timestamp":"2026-01-01T00:00:00.000Z","message":"a \\"quoted\\" word"}'
    (kafka.parent / "printed").write_text(f"{plain}\n\n{logged}\n")
    storage = kafka / "bin" / "kafka-storage.sh"
    storage.write_text(f"#!/bin/sh\ncat {kafka.parent}/printed >&2\nexit {exit_code}\n")
    answer = _run(kafka, "broker", {})
    first, second = (json.loads(line) for line in answer.stdout.splitlines())
    assert (first["message"], first["log.level"]) == (plain.replace("\t", " "), level)
    assert second == json.loads(logged)
    assert (answer.returncode, answer.stderr) == (exit_code, "")
    assert (kafka.parent / "calls").exists() == (exit_code == 0)


def test_what_a_running_node_prints_beside_its_log_is_json_too(kafka: Path) -> None:
    """The JVM and log4j warn in plain text, on standard error; the log itself passes through untouched."""
    logged, warning = '{"@timestamp":"2026-01-01T00:00:00.000Z","message":"up"}', 'VM "warning": no\\ such option'
    server = kafka / "bin" / "kafka-server-start.sh"
    server.write_text(f"#!/bin/sh\necho '{logged}'\necho '{warning}' >&2\necho $KAFKA_OPTS >&2\nexit 7\n")
    answer = _run(kafka, "broker", {}, KAFKA_OPTS="-Dx=1")
    lines = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [line["message"] for line in lines] == ["up", warning, "-XX:+DisplayVMOutputToStderr -Dx=1"]
    assert [line.get("log.level") for line in lines] == [None, "WARN", "WARN"]
    assert (answer.returncode, answer.stderr) == (7, "")


def test_a_node_that_does_not_stop_is_killed_in_time(kafka: Path) -> None:
    """A broker without controllers would use up its whole grace period."""
    server = kafka / "bin" / "kafka-server-start.sh"
    server.write_text("#!/bin/sh\ntrap '' TERM\nsleep 0.2\nkill -TERM $PPID\nexec sleep 30\n")
    began_s = time.monotonic()
    assert _run(kafka, "broker", {}, STOP_SECONDS="1").returncode == 137
    assert time.monotonic() - began_s < 10


def test_a_broker_waits_for_a_slow_quorum_longer_than_a_pod_needs_to_start() -> None:
    """Kafka's own limit is 60 s; the startup probe allows ours and the check of the logs that follows it."""
    objects = render(values_of("values-production"))
    (data,) = [one["data"] for one in of_kind(objects, "ConfigMap") if one["metadata"]["name"] == "btc-kafka"]
    properties = dict(line.split("=", 1) for line in data["broker.properties"].splitlines())
    registration_s = int(properties["initial.broker.registration.timeout.ms"]) / 1000
    probe = container(workload(objects, "kafka"))["startupProbe"]
    assert registration_s >= 300
    assert probe["periodSeconds"] * probe["failureThreshold"] >= registration_s + 300


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
