"""The rendered Kafka nodes start, find each other, accept a client, are ready and stop."""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.broker.failure_reasons import BrokerError
from app.kafka import topics
from app.service.lifecycle import wait_for_topics
from app.settings import Settings
from tests.chart.kafka_nodes import Nodes, kafka_home
from tests.chart.objects import values_of

CREDENTIALS = {"KAFKA_USERNAME": "btc", "KAFKA_PASSWORD": "a-secret"}
pytestmark = [pytest.mark.live, pytest.mark.skipif(sys.platform == "win32", reason="the script is for a shell")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Kafka home, or skip where Kafka's jars cannot be had."""
    try:
        return kafka_home(tmp_path_factory.mktemp("kafka-home"))
    except BrokerError as error:
        pytest.skip(str(error))


async def _assert_works(nodes: Nodes, **more: Any) -> None:
    with nodes.started():
        of = Settings(kafka_url=nodes.bootstrap, partitions=2, **more)
        await wait_for_topics(of, topics.ALL, timeout_s=45)
        for node in (*nodes.by_component["kafka-controller"], *nodes.by_component["kafka"]):
            await asyncio.to_thread(node.wait, "startupProbe", "readinessProbe")


async def test_plain_nodes_start_make_topics_and_stop(home: Path, tmp_path: Path) -> None:
    """The default: a broker joins its controller, a client creates every topic, SIGTERM ends both in time."""
    await _assert_works(Nodes(home, tmp_path, {}, {}))


@pytest.mark.slow
async def test_nodes_with_sasl_over_tls_accept_a_client(home: Path, tmp_path: Path) -> None:
    """As in production: SCRAM over TLS for clients and brokers, mutual TLS for the controllers."""
    _certificates(tmp_path)
    values = {"kafka": {"security": values_of("values-production")["kafka"]["security"]}}
    await _assert_works(
        Nodes(home, tmp_path, values, {**CREDENTIALS, "TLS_DIR": str(tmp_path)}),
        kafka_security="SASL_SSL", kafka_username="btc", kafka_password="a-secret", kafka_ca_file=tmp_path / "ca.crt",
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
