"""Options, settings and ports of one `btc up`."""

import socket
from pathlib import Path

import pytest

from app.service import ports
from app.service.lifecycle import StartupError
from app.settings import Settings
from app.up import source
from app.up.local_stack import OWN_PORTS, RunOptions, check_ports, run_settings


def _free() -> Settings:
    return Settings(**{name: ports.free_port() for name in OWN_PORTS})  # type: ignore[arg-type]


def test_an_attended_run_keeps_the_ports_of_the_settings(tmp_path: Path) -> None:
    """People and scripts know them; the source's name and folder are the run's."""
    base = _free()
    settings, exchange_port = run_settings(RunOptions(source.parse("synthetic:3")), base, tmp_path)
    assert [getattr(settings, name) for name in OWN_PORTS] == [getattr(base, name) for name in OWN_PORTS]
    assert (settings.source, settings.data_dir) == ("synthetic-3", tmp_path)
    assert settings.kafka_url == f"127.0.0.1:{base.broker_port}"
    assert settings.exchange_ws_url == f"ws://127.0.0.1:{exchange_port}"


def test_an_unattended_run_takes_ports_of_its_own(tmp_path: Path) -> None:
    """It may run while an attended one does."""
    base = _free()
    settings, _port = run_settings(RunOptions(source.parse("synthetic"), seconds=5), base, tmp_path)
    assert {getattr(settings, name) for name in OWN_PORTS}.isdisjoint(getattr(base, name) for name in OWN_PORTS)


def test_the_environment_of_a_child_has_what_the_run_changed(tmp_path: Path) -> None:
    """Lists too, as a person would write them."""
    options = RunOptions(source.parse("live"), symbols=("BTCUSDT", "ETHUSDT"))
    settings, _port = run_settings(options, Settings(kafka_url="kafka:9092"), tmp_path)
    environment = settings.environment()
    assert environment["BTC_SYMBOLS"] == "BTCUSDT,ETHUSDT"
    assert (environment["BTC_KAFKA_URL"], environment["BTC_DATA_DIR"]) == ("kafka:9092", str(tmp_path))


def test_a_taken_port_is_named_with_its_variable() -> None:
    """The user reads which port, who holds it, and what to set."""
    settings, options = _free(), RunOptions(source.parse("synthetic"))
    with (
        socket.create_server(("127.0.0.1", settings.kafka_ui_port)),
        pytest.raises(StartupError, match=r"port \d+ \(Kafka UI\) is taken by .*: end it, or set BTC_KAFKA_UI_PORT"),
    ):
        check_ports(settings, options, embedded=True)


def test_a_port_that_is_not_used_may_be_taken() -> None:
    """Without the pages and with another Kafka their ports do not matter."""
    settings, options = _free(), RunOptions(source.parse("synthetic"), ui=False)
    with (
        socket.create_server(("127.0.0.1", settings.kafka_ui_port)),
        socket.create_server(("127.0.0.1", settings.broker_port)),
    ):
        check_ports(settings, options, embedded=False)


def test_one_machine_uses_one_partition_unless_told_otherwise(tmp_path: Path) -> None:
    """Each partition costs a batch a second, and one worker needs no more than one."""
    options = RunOptions(source.parse("synthetic"))
    assert run_settings(options, _free(), tmp_path)[0].partitions == 1
    assert run_settings(options, _free().model_copy(update={"partitions": 3}), tmp_path)[0].partitions == 3
