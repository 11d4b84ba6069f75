"""The broker object, before Kafka runs."""

import socket
from pathlib import Path

import pytest

from app.broker import data_folder
from app.broker.broker import Broker, BrokerError
from app.service import ports


def test_the_bootstrap_address_is_on_the_loopback(tmp_path: Path) -> None:
    """Clients connect to 127.0.0.1 and the given port."""
    assert Broker(tmp_path, 19092).bootstrap == "127.0.0.1:19092"


def test_a_broker_that_never_started_can_be_stopped(tmp_path: Path) -> None:
    """`stop` before `start` does nothing."""
    Broker(tmp_path, 19092).stop()


def test_a_broker_that_never_started_has_no_process_and_no_cluster_id(tmp_path: Path) -> None:
    """Both raise BrokerError with one clear line."""
    broker = Broker(tmp_path, 19092)
    with pytest.raises(BrokerError, match="is not started"):
        broker.wait()
    with pytest.raises(BrokerError, match="has no cluster id before the first start"):
        _ = broker.cluster_id


def test_a_taken_port_is_reported_before_any_download(tmp_path: Path) -> None:
    """The port is checked first, and the error names its holder."""
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            BrokerError, match=rf"port {port} \(Kafka\) is taken by .* \(pid \d+\): end it, or set BTC_BROKER_PORT"
        ):
            Broker(tmp_path, port).start()


def test_a_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little free space is reported before Kafka starts, with the folder and both figures."""
    monkeypatch.setattr(data_folder, "MIN_FREE_BYTES", 2**60)
    with pytest.raises(BrokerError, match=r"disk of the embedded Kafka is full: \d+ MiB free, \d+ MiB needed at .*"):
        Broker(tmp_path, 19092).start()


def test_a_failed_start_releases_the_lock_of_the_folder(tmp_path: Path) -> None:
    """After a failed start, the next one fails for the same reason and not because of the lock."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/meta.properties").write_text("garbage")
    for _attempt in range(2):
        with pytest.raises(BrokerError, match=r"meta\.properties is unreadable"):
            Broker(tmp_path, 19092).start()
