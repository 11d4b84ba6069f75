"""The life of a process: how it ends when it cannot start."""

import socket
from contextlib import nullcontext

import pytest

from app.service import heartbeat, lifecycle
from app.service.heartbeat import ProcessStatus
from app.settings import Settings


async def _nothing(*_: object) -> None:
    return


async def _unexpected(_settings: Settings, _status: ProcessStatus) -> None:
    pytest.fail("the work ran")


def test_a_taken_metrics_port_ends_a_process_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback and no line of uvicorn: what is taken, by which process, and which variable to set."""
    monkeypatch.setattr(lifecycle, "set_up", lambda *_: None)
    monkeypatch.setattr(lifecycle, "wait_for_topics", _nothing)
    monkeypatch.setattr(heartbeat, "heartbeats", lambda *_: nullcontext())
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        assert lifecycle.run("archive", Settings(metrics_port=port), _unexpected) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"btc archive: port {port} (metrics) is taken by")
    assert line.endswith("set BTC_METRICS_PORT to another port")
