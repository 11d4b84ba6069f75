"""Starting, stopping, clock, and what goes wrong before anything is served."""

import asyncio
import json
import os
import signal
import socket
import sys

import httpx
import pytest
import websockets

from app.exchange import Exchange, MarketSourceError, run, serve, synthetic
from app.exchange.columns import Scale, format_decimal
from app.exchange.instruments import instruments


async def test_events_leave_when_they_are_due() -> None:
    """At speed 1 trades arrive within milliseconds of their trade time, never before it."""
    async with Exchange(synthetic(7, ticks_per_s=150)) as exchange:
        async with websockets.connect(exchange.ws_url + "ws/btcusdt@aggTrade", proxy=None, max_queue=None) as stream:
            for _ in range(15):
                message = json.loads(await stream.recv())
                assert message["T"] <= exchange.clock.now_us() // 1000
        assert exchange.sent.late_ms_percentiles()["p50"] < 25


async def test_speed_is_exchange_time_over_wall_time(http: httpx.AsyncClient) -> None:
    """At speed 100 the exchange's clock moves a hundred times as fast as the wall."""
    async with Exchange(synthetic(7), speed=100) as exchange:
        state = (await http.get(exchange.rest_url + "/emulator")).json()
        anchor = state["anchor"]
        assert state["speed"] == 100
        assert anchor["wall_ms"] == anchor["exchange_ms"]
        async with websockets.connect(exchange.ws_url + "ws/btcusdt@aggTrade", proxy=None, max_queue=None) as stream:
            times = [json.loads(await stream.recv())["T"] for _ in range(200)]
        assert times == sorted(times)
        assert times[-1] - times[0] > 2000


async def test_a_taken_port_is_named() -> None:
    """One line says which port, who has it, and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(MarketSourceError, match=f"port {port} on 127.0.0.1 is taken by .*choose another") as caught:
            await serve(synthetic(7), port=port)
    assert "\n" not in str(caught.value)


async def test_serve_ends_when_cancelled() -> None:
    """Cancelling leaves no listener behind."""
    ready: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(synthetic(7), ready=ready.set_result))
    exchange = await ready
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", exchange.port)


async def test_a_process_says_its_addresses_and_ends_on_sigterm() -> None:
    """`run` prints one line with both URLs, serves, and returns 0 on SIGTERM."""
    code = "import sys; from app.exchange import run; sys.exit(run(synthetic_seed=7))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."}
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith("exchange: synthetic 7 at speed 1 on ws://127.0.0.1:")
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(line.split()[-1] + "/api/v3/ping")).json() == {}
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"symbols": "BTC USDT"}, "'BTC USDT' is not a symbol"),
        ({"symbols": "0"}, "out of range"),
        ({"symbols": "BTCUSDT,btcusdt"}, "twice"),
        ({"synthetic_seed": -1}, "seed -1 is out of range"),
        ({"speed": 0.0}, "speed 0.0 is out of range"),
        ({"ticks_per_s": 0.0}, "ticks per second"),
        ({"port": 70_000}, "cannot listen"),
        ({"replay_files": ["absent.dat.gz"]}, "absent.dat.gz"),
        ({"replay_files": ["a"], "synthetic_seed": 1}, "choose --synthetic or --replay"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_status_two(
    options: dict[str, object], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong option ends with one clear line on standard error."""
    assert run(**options) == 2  # type: ignore[arg-type]
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_numbers_are_written_with_eight_decimals() -> None:
    """Integers become Binance's decimals, exactly; digits beyond the eighth are cut."""
    assert format_decimal(6_000_012, 2) == "60000.12000000"
    assert format_decimal(177, 0) == "177.00000000"
    assert format_decimal(638, 8) == "0.00000638"
    assert format_decimal(123_456_789_012, 10) == "12.34567890"
    assert Scale(2, 5).turnover(2_816_547 * 56) == "15.77266320"


def test_a_number_of_symbols_lists_the_best_known_first() -> None:
    """Counts beyond the known names are filled with numbered ones; all keep ids of their own."""
    listed = instruments("40")
    assert [instrument.symbol for instrument in listed[:2]] == ["BTCUSDT", "ETHUSDT"]
    assert listed[-1].symbol == "S0040USDT"
    assert len({instrument.first_trade_id for instrument in listed}) == 40
    assert all(instrument.scale.price_decimals + instrument.scale.qty_decimals <= 8 for instrument in listed)
