"""The three small pages."""

import socket
import threading

import httpx
import pytest
from starlette.applications import Starlette

from app.service import ports
from app.service.health import Checks, pages, serving


def _client(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


async def test_no_reason_is_ok_and_a_reason_is_503() -> None:
    """Each page answers with its own check."""
    async with _client(pages(Checks(lambda: "", lambda: "models are not compiled yet"))) as client:
        alive, ready = await client.get("/healthz"), await client.get("/readyz")
    assert (alive.status_code, alive.text) == (200, "ok")
    assert (ready.status_code, ready.text) == (503, "models are not compiled yet")


async def test_checks_run_in_the_loop_of_what_they_look_at() -> None:
    """Asked in another thread, Faust would bind its tables to that thread's loop and the worker never start."""
    threads: list[threading.Thread] = []

    def check() -> str:
        threads.append(threading.current_thread())
        return ""

    async with _client(pages(Checks(check, check))) as client:
        await client.get("/healthz")
        await client.get("/readyz")
    assert threads == [threading.current_thread()] * 2


async def test_metrics_are_those_of_prometheus() -> None:
    """The page holds the metrics of this process."""
    async with _client(pages(Checks(lambda: "", lambda: ""))) as client:
        assert "btc_errors_total" in (await client.get("/metrics")).text


async def test_the_pages_are_served_while_the_body_runs() -> None:
    """On a port, until the body ends; then the port is free again."""
    port = ports.free_port()
    async with serving("127.0.0.1", port, Checks(lambda: "", lambda: "")), httpx.AsyncClient() as client:
        for _attempt in range(100):
            try:
                answer = await client.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx.ConnectError:
                continue
        assert answer.text == "ok"
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{port}/healthz")


async def test_port_zero_serves_nothing() -> None:
    """A process without a port runs its body all the same."""
    async with serving("127.0.0.1", 0, Checks(lambda: "", lambda: "")):
        pass


async def test_a_taken_port_is_one_clear_line() -> None:
    """It names the port, its holder and the variable to set, and the body does not run."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(ports.PortError, match=rf"port {port} \(worker\) is taken by .+ set BTC_WORKER_PORT"):
            async with serving("127.0.0.1", port, Checks(), name="worker", variable="BTC_WORKER_PORT"):
                pytest.fail("the body ran")


async def test_an_address_of_another_machine_is_one_clear_line() -> None:
    """192.0.2.1 belongs to no machine: it is for documentation."""
    with pytest.raises(
        ports.PortError, match=r"cannot listen on 192\.0\.2\.1:\d+: .+; set BTC_HOST or BTC_METRICS_PORT"
    ):
        async with serving("192.0.2.1", ports.free_port(), Checks()):
            pytest.fail("the body ran")
