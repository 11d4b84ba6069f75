"""Trades fetched later and the ledger of gaps, in files and in SQL."""

from typing import Any

from app.archive.segments import archive_folder, segments
from app.records import Gap, TickBatch, Ticks, Trades
from app.settings import Settings
from tests.archive.batches import HOUR, T0, archived, buffer_of, message, rows, tick_batch

NOTICED_MS = T0 * 1000.0 + 60_000.0


def piece(second: int, *ids: int, generation: int = 1, symbol: str = "BTCUSDT") -> TickBatch:
    """Return one second of backfilled trades."""
    count = len(ids)
    trades = Trades(id=list(ids), time_ms=[second * 1000] * count, price=[7.0] * count, quantity=[1.0] * count,
                    buyer_maker=[False] * count)  # fmt: skip
    return TickBatch(partition=0, second=second, closed_ms=1.0, generation=generation,
                     symbols={symbol: Ticks(trades=trades)})  # fmt: skip


def gap(name: str, state: str, **more: Any) -> Gap:
    """Return a gap in trades, noticed a minute after the hour's start."""
    fields: dict[str, Any] = {"id": name, "symbol": "BTCUSDT", "partition": 0, "stream": "trades", "state": state}
    fields |= {"reason": "absent", "from_ms": T0 * 1000.0, "to_ms": NOTICED_MS, "opened_ms": NOTICED_MS}
    return Gap(**fields | more)


def test_every_trade_is_there_once_live_or_backfilled_and_says_which(settings: Settings) -> None:
    """A piece written again after a crash, cut elsewhere and by another collector, adds nothing twice."""
    archived(settings, "ticks", tick_batch(T0))  # ids T0 and T0 + 1
    archived(
        settings, "backfill", piece(T0 - 9, 1, 2, generation=2), piece(T0 - 90_000, 0), piece(T0 - 9, 2, 3),
        piece(T0, T0 + 1, T0 + 2), piece(T0 - 9, 1, symbol="ETHUSDT"),
    )  # fmt: skip
    found = rows(settings, "select symbol, id, backfilled from trades order by symbol, id")
    assert [(row["symbol"], row["id"], row["backfilled"]) for row in found] == [
        *(("BTCUSDT", id_, True) for id_ in (0, 1, 2, 3)),
        *(("BTCUSDT", T0 + at, at == 2) for at in range(3)),
        ("ETHUSDT", 1, True),
    ]


def test_backfilled_trades_are_found_by_their_own_time(settings: Settings) -> None:
    """The files lie by the hour of writing; a condition on second, date or hour means the exchange's."""
    archived(settings, "ticks", tick_batch(T0))
    archived(settings, "backfill", piece(T0 - 90_000, 5))
    long_ago = f"select id, strftime(time, '%Y') as year from trades where second < {T0 - 80_000}"
    assert rows(settings, long_ago) == [{"id": 5, "year": "2023"}]
    hour = (T0 - 90_000) // 3600 % 24
    assert rows(settings, f"select id from trades where hour = {hour} and backfilled") == [{"id": 5}]


async def test_without_backfill_the_table_of_trades_has_the_same_columns(settings: Settings) -> None:
    """A query written for one archive runs on the other."""
    archived(settings, "ticks", tick_batch(T0))
    before = rows(settings, "select * from trades limit 1")[0]
    assert before["backfilled"] is False
    archived(settings, "backfill", piece(T0 - 9, 1))
    assert rows(settings, "select * from trades limit 1")[0].keys() == before.keys()


def test_pieces_of_two_symbols_in_turn_are_one_file() -> None:
    """A file per change of hour would be thousands of them for two days of 300 symbols."""
    buffer = buffer_of("backfill")
    for offset, second in enumerate((T0, T0 - 90_000, T0 - 3600)):
        one = message(offset, piece(second, 1))
        batch = buffer.decode(one, live=True)
        assert batch is not None
        assert buffer.fits(one, batch)
        assert buffer.append(one, batch) == 1
    assert buffer.hour == HOUR


def test_a_gap_is_one_row_with_what_became_of_it(settings: Settings) -> None:
    """The newest record of an id counts; an older collector's is not newer for coming later."""
    archived(
        settings, "gaps", gap("a", "open", ids=[(3, 9)], generation=1), gap("b", "open", ids=[(1, 1)], generation=2),
        gap("a", "filled", closed_ms=NOTICED_MS + 500, generation=2), gap("a", "open", ids=[(3, 5)], generation=1),
    )  # fmt: skip
    found = rows(settings, "select id, state, ids, count, closed_ms, second from gaps order by id")
    assert [(row["id"], row["state"], row["count"]) for row in found] == [("a", "filled", 0), ("b", "open", 1)]
    assert found[1]["ids"] == [{"first": 1, "last": 1}]
    assert found[0]["second"] == T0 + 60
    assert rows(settings, "select count(*) as n from gaps_all") == [{"n": 4}]
    (only,) = segments(archive_folder(settings), "btc.gaps")
    assert only.hour == HOUR
