"""`btc archive query` and `btc archive tables`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.archive import query
from app.cli import archive as cli
from app.settings import Settings
from tests.archive.batches import (
    T0,
    archived,
    tick_batch,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings with a folder of their own."""
    return Settings(data_dir=tmp_path)


@pytest.fixture
def command_line(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Return a command line on an archive of one second."""
    archived(settings, "ticks", tick_batch(T0))
    monkeypatch.setattr(cli, "archive_settings", lambda _source: settings)
    return CliRunner()


def test_it_prints_tables_csv_and_json(command_line: CliRunner) -> None:
    """The same rows in three forms."""
    ask = ["query", "select symbol, id, price from trades order by id limit 1", "--format"]
    assert "BTCUSDT" in command_line.invoke(cli.archive_app, [*ask, "table"]).stdout
    assert command_line.invoke(cli.archive_app, [*ask, "csv"]).stdout == f"symbol,id,price\nBTCUSDT,{T0},100.0\n"
    found = json.loads(command_line.invoke(cli.archive_app, [*ask, "json"]).stdout)
    assert found == {"symbol": "BTCUSDT", "id": T0, "price": 100.0}


def test_it_lists_tables_and_refuses_in_one_line(command_line: CliRunner) -> None:
    """Every table is listed; a bad question ends with 1 and one buffer."""
    listed = command_line.invoke(cli.archive_app, ["tables", "--format", "json"]).stdout.splitlines()
    assert [json.loads(buffer)["table"] for buffer in listed] == list(query.TABLES)
    refused = command_line.invoke(cli.archive_app, ["query", "selec 1"])
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (1, 1)
