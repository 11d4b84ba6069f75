"""What became of every id that was missed while the collector was away."""

from pathlib import Path
from types import SimpleNamespace

import msgspec

from app.kafka.topics import BACKFILL, GAPS, TICKS
from benchmarks.chaos.absence import AwayResult, SeenTrades, count_ids, open_ids
from tests.chaos.run_records import SYMBOL, named, record_of, written


def seen(*parts: tuple[str, object]) -> SeenTrades:
    """Return what readers saw: topic and record of each message, all appended at 103 s."""
    found = SeenTrades()
    for topic, record in parts:
        found.add(topic, SimpleNamespace(timestamp=103_060, value=msgspec.json.encode(record)))
    return found


def counted(found: SeenTrades, folder: Path) -> AwayResult:
    """Return the counts of an absence after trade 4, with 10 the first one sent live: 5 to 9 were missed."""
    zeros = dict.fromkeys(("ids", "delivered", "lost", "open", "unnamed", "doubled"), 0)
    total = AwayResult(
        hours=1.0, symbols=1, commit="", measured="", live_after_s=None, empty_after_s=None, lag_p99_s=0.0,
        lag_most_s=0.0, rss_most_mb=0.0, rss_mb=[], **zeros,
    )  # fmt: skip
    count_ids(total, found, {SYMBOL: 4}, record_of(folder / "record", {102: (10, 11)}))
    return total


def test_every_missed_id_is_delivered_named_or_neither(tmp_path: Path) -> None:
    """5 and 6 came, 7 is open, 8 is lost, of 9 nobody says a word."""
    found = seen(
        (TICKS.name, written(102, [5, 10]).batch), (BACKFILL.name, written(90, [6]).batch),
        (GAPS.name, named(7, 7, state="open").gap), (GAPS.name, named(8, 8).gap),
    )  # fmt: skip
    total = counted(found, tmp_path)
    assert (total.ids, total.delivered, total.open, total.lost, total.unnamed, total.doubled) == (5, 2, 1, 1, 1, 0)
    assert open_ids(found.gaps) == 1


def test_an_id_in_both_topics_is_doubled_and_a_repeated_piece_is_not(tmp_path: Path) -> None:
    """As readers see it."""
    piece = (BACKFILL.name, written(90, [5, 6]).batch)
    assert counted(seen(piece, piece), tmp_path).doubled == 0
    assert counted(seen(piece, (TICKS.name, written(102, [6]).batch)), tmp_path / "both").doubled == 1


def test_the_live_lag_is_that_of_the_new_owner_s_batches_on_time() -> None:
    """The old tail and seconds that were filled after the fact say nothing about it."""
    late, old = written(101, generation=2, late=True).batch, written(50).batch
    found = seen((TICKS.name, old), (TICKS.name, late), (TICKS.name, written(102, generation=2).batch))
    assert [round(lag_s, 2) for lag_s in found.lags_s] == [0.06]
    assert found.live_ms == {0: 103_060}
