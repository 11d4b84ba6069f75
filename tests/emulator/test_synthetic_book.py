"""The book of the synthetic market: streams, REST and quotes agree, and it shows a part of the signal."""

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from app.emulator.market_source import BOOK_TICKER, DEPTH, DEPTH20, OrderBook
from app.emulator.synthetic import SyntheticMarket, synthetic

NOW_S = 1_795_000_000
NOW_US = NOW_S * 1_000_000


@pytest.fixture(scope="module")
def market() -> SyntheticMarket:
    """Return a market of one symbol."""
    return synthetic(7, "BTCUSDT")


def book_at(market: SyntheticMarket, now_us: int) -> OrderBook:
    book = market.book("BTCUSDT", now_us)
    assert book is not None
    return book


def messages(market: SyntheticMarket, kind: str, start_us: int, end_us: int) -> list[tuple[int, dict[str, Any]]]:
    events = market.events([f"btcusdt@{kind}"], start_us, end_us)
    return [(event.due_us, json.loads(event.data)) for event in events]


def test_the_best_level_is_the_quote_at_every_instant(market: SyntheticMarket) -> None:
    """Price, size and update id, after each quote of two minutes, also over the full minute."""
    for due_us, quote in messages(market, BOOK_TICKER, NOW_US, NOW_US + 120_000_000)[::7]:
        book = book_at(market, due_us + 1)
        assert (book.update_id, *book.bids[0], *book.asks[0]) == tuple(quote[key] for key in "ubBaA")


def test_there_are_twenty_levels_in_order(market: SyntheticMarket) -> None:
    """Bids fall, asks rise, no price twice, no size zero."""
    for second in range(0, 120, 3):
        book = book_at(market, NOW_US + second * 1_000_000)
        for levels, order in ((book.bids, -1), (book.asks, 1)):
            prices = [order * Decimal(price) for price, _ in levels]
            assert len(prices) == 20
            assert all(low < high for low, high in pairwise(prices))
            assert all(Decimal(size) > 0 for _, size in levels)
        assert Decimal(book.bids[0][0]) < Decimal(book.asks[0][0])


def test_snapshots_of_the_stream_are_those_of_rest(market: SyntheticMarket) -> None:
    """Ten a second at the most, each the book of that moment."""
    found = messages(market, DEPTH20, NOW_US, NOW_US + 30_000_000)
    assert 200 < len(found) <= 300
    for due_us, data in found:
        book = book_at(market, due_us)
        assert data == {
            "lastUpdateId": book.update_id,
            "bids": [list(level) for level in book.bids],
            "asks": [list(level) for level in book.asks],
        }


def test_a_local_book_follows_the_market_from_any_snapshot(market: SyntheticMarket) -> None:
    """The published recipe: drop u ≤ lastUpdateId, begin with U ≤ lastUpdateId + 1 ≤ u, then U = u + 1; 0 removes."""
    end_us = NOW_US + 75_000_000  # over a full minute
    diffs = messages(market, DEPTH, NOW_US - 1_000_000, end_us)
    for snapshot_us in range(NOW_US, NOW_US + 70_000_000, 3_333_333):
        book = book_at(market, snapshot_us)
        sides: dict[str, dict[str, str]] = {"b": dict(book.bids), "a": dict(book.asks)}
        later = [(due_us, diff) for due_us, diff in diffs if diff["u"] > book.update_id]
        assert later[0][1]["U"] <= book.update_id + 1 <= later[0][1]["u"]
        assert all(one["u"] + 1 == other["U"] for (_, one), (_, other) in pairwise(later))
        for due_us, diff in later:
            for side, levels in sides.items():
                levels.update(diff[side])
                for price in [price for price, size in levels.items() if Decimal(size) == 0]:
                    del levels[price]
            truth = book_at(market, due_us)
            assert (sides["b"], sides["a"]) == (dict(truth.bids), dict(truth.asks))


def test_a_diff_holds_a_part_of_the_book(market: SyntheticMarket) -> None:
    """Levels stay where they are when the mid moves: about a third of them change in 100 ms."""
    diffs = messages(market, DEPTH, NOW_US, NOW_US + 50_000_000)
    assert np.mean([len(diff["b"]) + len(diff["a"]) for _, diff in diffs]) < 20


def test_events_do_not_depend_on_the_intervals_asked_for(market: SyntheticMarket) -> None:
    """Slices give the same messages as one query, at any cut."""
    cuts = [NOW_US, NOW_US + 1, NOW_US + 4_700_000, NOW_US + 5_000_000, NOW_US + 21_234_567]
    for kind in (DEPTH, DEPTH20):
        parts = [event for low, high in pairwise(cuts) for event in market.events([f"btcusdt@{kind}"], low, high)]
        assert parts == market.events([f"btcusdt@{kind}"], cuts[0], cuts[-1])


def test_deeper_levels_show_a_part_of_the_signal(market: SyntheticMarket) -> None:
    """Their imbalance correlates with what moves the price, less than the queues do."""
    seconds = np.arange(NOW_S, NOW_S + 600)
    signal = market.oracle("BTCUSDT", seconds, 1)
    best, deep = np.empty(len(seconds)), np.empty(len(seconds))
    for index, second in enumerate(seconds.tolist()):
        book = book_at(market, second * 1_000_000)
        for out, levels in ((best, slice(0, 1)), (deep, slice(1, 20))):
            bid, ask = (sum(float(size) for _, size in side[levels]) for side in (book.bids, book.asks))
            out[index] = (bid - ask) / (bid + ask)
    on_best, on_deep = np.corrcoef(signal, best)[0, 1], np.corrcoef(signal, deep)[0, 1]
    assert 0.4 < on_deep < on_best - 0.05


def test_a_market_of_small_numbers_has_a_book_too() -> None:
    """Whole coins and one symbol with few ticks a second."""
    market = synthetic(7, ("DOGEUSDT", "S0400USDT"), ticks_per_s=0.5)
    for symbol in market.symbols:
        book = market.book(symbol, NOW_US)
        assert book is not None
        assert len({price for price, _ in (*book.bids, *book.asks)}) == 40


def test_there_is_no_book_before_the_market(market: SyntheticMarket) -> None:
    """As there is no quote."""
    assert market.book("BTCUSDT", 1_704_067_200_000_000) is None
    assert market.events(["btcusdt@depth@100ms"], 1_704_067_100_000_000, 1_704_067_200_000_000) == []
    first = market.events(["btcusdt@depth@100ms"], 1_704_067_200_000_000, 1_704_067_210_000_000)
    assert len(first) > 50
