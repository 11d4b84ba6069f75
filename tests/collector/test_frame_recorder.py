"""Frames on their way to disk, and back through the replay."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from app.collector import frame_recorder
from app.collector.binance_messages import decode
from app.collector.frame_recorder import FrameRecorder, OnFrame
from app.collector.receipt import Receipt
from app.domain.ticks import BookSnapshot, Quote, Trade
from app.emulator import replay
from app.emulator.time_unit import in_microseconds
from tests.exchange import connected, exchange_with, frames

DAY_NS = 86_400 * 10**9
NOW_NS = 20_000 * DAY_NS + 5  # 2024-10-04
FRAME = '{"stream":"btcusdt@aggTrade","data":{"a":1}}'


@pytest.fixture(autouse=True)
def write_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait for five seconds."""
    monkeypatch.setattr(frame_recorder, "WRITE_EVERY_S", 0.01)


def keeping(passed: list[str | bytes]) -> OnFrame:
    """Return a receiver of frames that keeps them."""

    def receive(raw: str | bytes, _at_ms: float, _receipt: Receipt) -> bool:
        passed.append(raw)
        return False

    return receive


def unpacked(path: Path) -> str:
    """Return what a file holds."""
    return gzip.decompress(path.read_bytes()).decode()


def contents(folder: Path) -> dict[str, str]:
    """Return what each file of a folder holds."""
    return {path.name: unpacked(path) for path in folder.iterdir()}


@asynccontextmanager
async def recording(folder: Path, passed: list[str | bytes] | None = None) -> AsyncIterator[FrameRecorder]:
    """Record; what is passed on is kept in `passed`."""
    recorder = FrameRecorder(folder, keeping([] if passed is None else passed))
    task = asyncio.create_task(recorder.run())
    await asyncio.sleep(0)
    try:
        yield recorder
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_frame_is_a_line_behind_its_receive_time_in_the_file_of_its_symbol_and_day(tmp_path: Path) -> None:
    """Midnight UTC begins another file; what has no symbol has a file of its own."""
    passed: list[str | bytes] = []
    sent: list[tuple[str | bytes, int]] = [
        (FRAME, NOW_NS), (FRAME.encode(), NOW_NS + 1), (FRAME.replace("btc", "eth"), NOW_NS + 2),
        (FRAME, NOW_NS + DAY_NS), ('{"e":"serverShutdown"}', NOW_NS + 3),
    ]  # fmt: skip
    async with recording(tmp_path, passed) as recorder:
        for raw, ns in sent:
            recorder.receive(raw, 0.0, Receipt(ns, 1))
            await asyncio.sleep(0.03)  # several members
    assert contents(tmp_path) == {
        "btcusdt_20241004.gz": f"{NOW_NS} {FRAME}\n{NOW_NS + 1} {FRAME}\n",
        "ethusdt_20241004.gz": f"{NOW_NS + 2} {FRAME.replace('btc', 'eth')}\n",
        "btcusdt_20241005.gz": f"{NOW_NS + DAY_NS} {FRAME}\n",
        "others_20241004.gz": f'{NOW_NS + 3} {{"e":"serverShutdown"}}\n',
    }
    assert passed == [raw for raw, _ in sent]


async def test_a_second_process_of_a_day_leaves_the_file_of_the_first_alone(tmp_path: Path) -> None:
    """The first may have been killed in the middle of a write."""
    (tmp_path / "btcusdt_20241004.gz").write_bytes(b"half")
    async with recording(tmp_path) as recorder:
        recorder.receive(FRAME, 0.0, Receipt(NOW_NS, 1))
    assert (tmp_path / "btcusdt_20241004.gz").read_bytes() == b"half"
    assert unpacked(tmp_path / "btcusdt_20241004_2.gz") == f"{NOW_NS} {FRAME}\n"


async def test_a_full_disk_ends_the_recording_with_one_message_and_no_frame_is_held_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """/dev/full refuses every write, as a full disk does."""
    (tmp_path / "btcusdt_20241004_2.gz").symlink_to("/dev/full")
    (tmp_path / "btcusdt_20241004.gz").touch()
    passed: list[str | bytes] = []
    recorder = FrameRecorder(tmp_path, keeping(passed))
    recorder._files._paths["btcusdt", 20_000] = tmp_path / "btcusdt_20241004_2.gz"
    recorder.receive(FRAME, 0.0, Receipt(NOW_NS, 1))
    await asyncio.wait_for(recorder.run(), 5.0)
    recorder.receive(FRAME, 0.0, Receipt(NOW_NS, 1))
    assert (passed, len(recorder._waiting)) == ([FRAME, FRAME], 0)
    logged = "".join(capsys.readouterr())
    assert logged.count("the recording of frames ends here, the collection goes on") == 1
    assert "No space left on device" in logged


async def test_a_slow_disk_costs_frames_of_the_recording_and_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are counted in a message."""
    monkeypatch.setattr(frame_recorder, "MOST_WAITING_BYTES", 3 * len(FRAME))
    passed: list[str | bytes] = []
    async with recording(tmp_path, passed) as recorder:
        for _ in range(100):
            recorder.receive(FRAME, 0.0, Receipt(NOW_NS, 1))
        await asyncio.sleep(0.1)
        recorder.receive(FRAME, 0.0, Receipt(NOW_NS, 1))
    kept = unpacked(tmp_path / "btcusdt_20241004.gz").count("\n")
    assert 3 <= kept <= 5
    assert len(passed) == 101
    assert "frames are left out" in "".join(capsys.readouterr())


async def test_a_recording_replays_as_the_events_that_were_received(tmp_path: Path) -> None:
    """Trades with their microseconds, quotes and books, from the exchange in a box and again out of the file."""
    streams = ["btcusdt@aggTrade", "btcusdt@bookTicker", "btcusdt@depth20@100ms&timeUnit=MICROSECOND"]
    async with exchange_with() as exchange, connected(exchange, *streams) as socket:
        came = await frames(socket, 400)
    async with recording(tmp_path) as recorder:
        for number, raw in enumerate(came):
            recorder.receive(raw, 0.0, Receipt(NOW_NS + 1000 * number, 1))
    market = replay([tmp_path / "btcusdt_20241004.gz"])
    names = [stream.partition("&")[0] for stream in streams]
    events = market.events(names, market.span_us[0], market.span_us[1] + 1)
    again = [json.dumps({"stream": event.stream, "data": json.loads(in_microseconds(event))}) for event in events]
    assert [decode(raw, 0) for raw in again] == [decode(raw, 0) for raw in came]
    kinds = {type(decode(raw, 0)) for raw in came}
    assert kinds == {Trade, Quote, BookSnapshot}
    assert len({one.microsecond for raw in came if isinstance(one := decode(raw, 0), Trade)}) > 10
