"""The broker object before any Kafka runs."""

import socket
from pathlib import Path

import pytest

from app.broker import folder
from app.broker.broker import Broker, BrokerError
from app.service import ports


def test_the_bootstrap_address_is_on_the_loopback(tmp_path: Path) -> None:
    """Clients are sent to 127.0.0.1 and the port that was asked for."""
    assert Broker(tmp_path, 19092).bootstrap == "127.0.0.1:19092"


def test_a_broker_that_never_started_stops_without_harm(tmp_path: Path) -> None:
    """Stopping is always allowed."""
    Broker(tmp_path, 19092).stop()


def test_a_broker_that_never_started_says_so(tmp_path: Path) -> None:
    """Asking for the process or the cluster of a broker that never ran is one clear line."""
    broker = Broker(tmp_path, 19092)
    with pytest.raises(BrokerError, match="is not started"):
        broker.wait()
    with pytest.raises(BrokerError, match="has no cluster id before the first start"):
        _ = broker.cluster_id


def test_a_taken_port_is_told_before_anything_is_downloaded(tmp_path: Path) -> None:
    """The port is looked at first, and its holder named."""
    with socket.create_server((ports.LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(BrokerError, match=rf"port {port} on 127\.0\.0\.1 is held by .* \(pid \d+\); stop it"):
            Broker(tmp_path, port).start()


def test_a_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too little room is told before Kafka starts, with the folder and both figures."""
    monkeypatch.setattr(folder, "ROOM_BYTES", 2**60)
    with pytest.raises(BrokerError, match=r"disk of the embedded Kafka is full: \d+ MiB free, \d+ MiB needed at .*"):
        Broker(tmp_path, 19092).start()


def test_a_failed_start_lets_go_of_the_folder(tmp_path: Path) -> None:
    """After a start that failed, the next one meets the same reason, not its own lock."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/meta.properties").write_text("garbage")
    for _attempt in range(2):
        with pytest.raises(BrokerError, match=r"meta\.properties is unreadable"):
            Broker(tmp_path, 19092).start()
