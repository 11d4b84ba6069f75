"""Random mixtures of faults."""

import asyncio
import json
from collections import Counter

import msgspec
import pytest

from app.emulator import synthetic
from app.emulator.fault import KINDS, Fault
from app.emulator.fault_mixture import random_faults
from app.emulator.sent_record import SentRecord
from tests.exchange import connected, exchange_with

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def test_a_seed_always_draws_the_same_valid_faults() -> None:
    """Two hundred mixtures hold every kind of fault, within their time, and go through JSON unchanged."""
    mixtures = [random_faults(seed, seconds=60, symbols=SYMBOLS) for seed in range(200)]
    assert mixtures == [random_faults(seed, seconds=60, symbols=SYMBOLS) for seed in range(200)]
    assert set(Counter(fault.fault for mixture in mixtures for fault in mixture)) == set(KINDS)
    assert all(2 <= len(mixture) <= 6 for mixture in mixtures)
    assert all(fault.after_s + fault.seconds <= 60 for mixture in mixtures for fault in mixture)
    assert msgspec.json.decode(msgspec.json.encode(mixtures), type=list[list[Fault]]) == mixtures


@pytest.mark.parametrize("seed", range(5))
async def test_a_mixture_on_events_is_judged_from_the_record(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What a client got, message by message, is what the record says that it was sent."""
    folder = tmp_path_factory.mktemp("record")
    kinds = ("skip", "duplicate", "reorder", "burst", "damage_id", "silence", "clock")
    faults = random_faults(seed, seconds=2.0, symbols=SYMBOLS, kinds=kinds)
    streams = [f"{symbol.lower()}@aggTrade" for symbol in SYMBOLS]
    got: dict[str, list[int]] = {stream: [] for stream in streams}
    market = synthetic(7, SYMBOLS, ticks_per_s=300)
    async with (
        exchange_with(*faults, source=market, record=folder) as exchange,
        connected(exchange, *streams) as socket,
        asyncio.timeout(30),
    ):
        while not all(len(ids) > 300 for ids in got.values()):
            message = json.loads(await socket.recv())
            got[message["stream"]].append(message["data"]["a"])
    record = SentRecord(folder)
    for stream, ids in got.items():
        rows = record.of(stream)
        sent = [int(row["sent_key"]) for row in rows for _ in range(row["copies"])]
        assert sent[: len(ids)] == ids
        made = sorted(int(key) for key in rows["key"])
        assert made == list(range(made[0], made[0] + len(made)))
