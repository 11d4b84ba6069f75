"""The content of recordings: events in order of receipt, and each symbol's trades and quotes as columns."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from app.emulator.columns import Ints, QuoteColumns, Scale, TradeColumns, empty_trades
from app.emulator.market_source import AGG_TRADE, BOOK_TICKER, DEPTH, DEPTH20, KLINE, TRADE, Event
from app.emulator.payloads import stream_name
from app.emulator.recorded_book import BookMessage, RecordedDiff, RecordedSnapshot
from app.emulator.recorded_messages import RecordedKline, RecordedQuote, RecordedTrade
from app.emulator.recorder_clock import RecorderClock
from app.emulator.recording_file import MalformedLine, RecordedMessage, read_lines
from app.emulator.time_unit import split
from app.logs import logger

MAX_MALFORMED_KEPT = 100
log = logger("exchange")


@dataclass(slots=True)
class RecordedData:
    """The content of a set of recordings."""

    events: list[Event] = field(default_factory=list)
    scales: dict[str, Scale] = field(default_factory=dict)
    trades: dict[str, TradeColumns] = field(default_factory=dict)  # by trade time
    quotes: dict[str, QuoteColumns] = field(default_factory=dict)  # by receive time
    books: dict[str, list[BookMessage]] = field(default_factory=dict)  # by receive time
    clocks: list[RecorderClock] = field(default_factory=list)  # by file
    malformed: list[MalformedLine] = field(default_factory=list)  # the first ones
    malformed_count: int = 0
    not_served: Counter[str] = field(default_factory=Counter)  # by kind of stream


def load_recordings(paths: Sequence[Path]) -> RecordedData:
    """Read the recordings; lines that are not messages are counted, logged and skipped.

    Raises:
        MarketSourceError: a file cannot be read.

    """
    recorded, builder = RecordedData(), _Builder()
    for path in paths:
        builder.begin(path)
        for line in read_lines(path):
            malformed = line if isinstance(line, MalformedLine) else builder.add(line, recorded.not_served)
            if malformed:
                _skip(recorded, malformed)
        for malformed in builder.end():
            _skip(recorded, malformed)
    builder.build(recorded)
    for clock in recorded.clocks:
        if behind := clock.behind_reason():
            log.warning("recorder's clock ran behind the exchange's", file=clock.file, reason=behind)
    return recorded


def _skip(recorded: RecordedData, malformed: MalformedLine) -> None:
    recorded.malformed_count += 1
    if len(recorded.malformed) < MAX_MALFORMED_KEPT:
        recorded.malformed.append(malformed)
        log.warning("recorded line skipped", location=malformed.location, reason=malformed.reason)


class _Builder:
    """Collects decoded messages until all files are read."""

    def __init__(self) -> None:
        self.trades: dict[
            tuple[str, int], tuple[RecordedMessage, RecordedTrade]
        ] = {}  # once each, whatever files overlap
        self.agg_trades: dict[tuple[str, int], tuple[RecordedMessage, RecordedTrade]] = {}
        self.quotes: list[tuple[RecordedMessage, RecordedQuote]] = []
        self.others: list[Event] = []  # books and klines, served as they came
        self.books: defaultdict[str, list[BookMessage]] = defaultdict(list)
        self.tops: defaultdict[str, list[BookMessage]] = defaultdict(list)
        self.clocks: list[RecorderClock] = []
        self._snapshots: list[RecordedMessage] = []  # of this file, without a symbol
        self._symbols: set[str] = set()  # of this file

    def begin(self, path: Path) -> None:
        """Begin a file."""
        self.clocks.append(RecorderClock(path.name))
        self._snapshots, self._symbols = [], set()

    def end(self) -> list[MalformedLine]:
        """End a file: its snapshots belong to its only symbol."""
        if len(self._symbols) != 1:
            reason = "a snapshot of the book without a symbol, in a file of several"
            return [MalformedLine(message.location, reason) for message in self._snapshots]
        for message in self._snapshots:
            self.books[next(iter(self._symbols))].append(BookMessage(message.received_us, message.data, True))
        return []

    def add(self, message: RecordedMessage, not_served: Counter[str]) -> MalformedLine | None:
        name, _, kind = message.stream.partition("@")
        self._symbols |= {name.upper()} - {""}
        try:
            if not message.stream:
                msgspec.json.decode(message.data, type=RecordedSnapshot)
                self._snapshots.append(message)
            elif kind == BOOK_TICKER:
                quote = msgspec.json.decode(message.data, type=RecordedQuote)
                self.quotes.append((message, quote))
            elif kind in {TRADE, AGG_TRADE}:
                self._add_trade(message, kind)
            elif kind in {DEPTH, DEPTH20, KLINE}:
                self._add_other(message, name.upper(), kind)
            else:
                not_served[kind] += 1
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return MalformedLine(message.location, str(error))
        return None

    def _add_trade(self, message: RecordedMessage, kind: str) -> None:
        trade = msgspec.json.decode(message.data, type=RecordedTrade)
        key = trade.t if kind == TRADE else trade.a
        if key is None:
            raise ValueError("a trade without id")
        self.clocks[-1].update(message.received_us, split(trade.E)[0])
        (self.trades if kind == TRADE else self.agg_trades).setdefault((trade.s, key), (message, trade))

    def _add_other(self, message: RecordedMessage, symbol: str, kind: str) -> None:
        if kind == DEPTH:
            diff = msgspec.json.decode(message.data, type=RecordedDiff)
            self.clocks[-1].update(message.received_us, split(diff.E)[0])
            self.books[diff.s].append(BookMessage(message.received_us, message.data, False))
            self.others.append(_event(message, diff.s, kind, diff.u, message.data))
        elif kind == KLINE:
            kline = msgspec.json.decode(message.data, type=RecordedKline)
            self.others.append(_event(message, kline.s, kind, split(kline.k.t)[0], message.data))
        else:
            top = msgspec.json.decode(message.data, type=RecordedSnapshot)
            self.tops[symbol].append(BookMessage(message.received_us, message.data, is_snapshot=True))
            self.others.append(_event(message, symbol, kind, top.last_update_id, message.data))

    def build(self, recorded: RecordedData) -> None:
        """Turn the decoded messages into events and columns."""
        aggregated = {symbol for symbol, _ in self.agg_trades}
        as_aggregates = {key: value for key, value in self.trades.items() if key[0] not in aggregated} | self.agg_trades
        for (symbol, key), (message, _) in self.trades.items():
            recorded.events.append(_event(message, symbol, TRADE, key, message.data))
        for (symbol, key), (message, trade) in as_aggregates.items():
            recorded.events.append(_event(message, symbol, AGG_TRADE, key, _as_aggregate(message, trade, key)))
        for message, quote in self.quotes:
            recorded.events.append(_event(message, quote.s, BOOK_TICKER, quote.u, message.data))
        recorded.events += self.others
        books = dict(self.tops) | dict(self.books)  # where there are differences, they know more than the top 20
        recorded.books = {symbol: sorted(found, key=lambda one: one.due_us) for symbol, found in books.items()}
        recorded.clocks = self.clocks
        recorded.events.sort(key=lambda event: event.due_us)
        priced = [event.symbol for event in recorded.events if event.kind in {AGG_TRADE, TRADE, BOOK_TICKER}]
        for symbol in dict.fromkeys(priced or [event.symbol for event in recorded.events]):
            self._columns(recorded, symbol, {key: value for (s, key), value in as_aggregates.items() if s == symbol})

    def _columns(
        self, recorded: RecordedData, symbol: str, trades: dict[int, tuple[RecordedMessage, RecordedTrade]]
    ) -> None:
        quotes = [(message, quote) for message, quote in self.quotes if quote.s == symbol]
        prices = [t.p for _, t in trades.values()] + [p for _, q in quotes for p in (q.b, q.a)]
        amounts = [t.q for _, t in trades.values()] + [p for _, q in quotes for p in (q.B, q.A)]
        scale = Scale(_decimals(prices), _decimals(amounts))
        recorded.scales[symbol] = scale
        recorded.trades[symbol] = _trade_columns(trades, scale)
        recorded.quotes[symbol] = _quote_columns(quotes, scale)


def _event(message: RecordedMessage, symbol: str, kind: str, key: int, data: bytes) -> Event:
    return Event(message.received_us, symbol, kind, key, stream_name(symbol, kind), data)


def _as_aggregate(message: RecordedMessage, trade: RecordedTrade, key: int) -> bytes:
    """{"e":"trade","t":7,…} → {"e":"aggTrade","a":7,"f":7,"l":7,…}; a recorded aggTrade stays as it came."""
    if trade.e == AGG_TRADE:
        return message.data
    fields: dict[str, Any] = {"e": AGG_TRADE, "E": trade.E, "s": trade.s, "a": key, "p": trade.p, "q": trade.q}
    return msgspec.json.encode(fields | {"f": key, "l": key, "T": trade.T, "m": trade.m, "M": True})


def _decimals(texts: list[str]) -> int:
    """["28165.47000000", "1.00000000"] → 2."""
    return max((len(text.partition(".")[2].rstrip("0")) for text in texts), default=0)


def _units(texts: list[str], decimals: int) -> Ints:
    """("28165.47000000", 2 decimals) → 2816547."""
    parts = [text.partition(".") for text in texts]
    return np.array([int(whole + part[:decimals].ljust(decimals, "0")) for whole, _, part in parts], np.int64)


def _trade_columns(trades: dict[int, tuple[RecordedMessage, RecordedTrade]], scale: Scale) -> TradeColumns:
    if not trades:
        return empty_trades()
    rows = sorted((split(trade.T), key, message, trade) for key, (message, trade) in trades.items())
    return TradeColumns(
        ids=np.array([key for _, key, _, _ in rows], np.int64),
        due_us=np.array([message.received_us for _, _, message, _ in rows], np.int64),
        time_ms=np.array([time_ms for (time_ms, _), _, _, _ in rows], np.int64),
        ticks=_units([trade.p for *_, trade in rows], scale.price_decimals),
        lots=_units([trade.q for *_, trade in rows], scale.qty_decimals),
        buyer_maker=np.array([trade.m for *_, trade in rows], np.bool_),
        microsecond=np.array([microsecond for (_, microsecond), _, _, _ in rows], np.int64),
    )


def _quote_columns(quotes: list[tuple[RecordedMessage, RecordedQuote]], scale: Scale) -> QuoteColumns:
    rows = sorted(quotes, key=lambda row: row[0].received_us)
    return QuoteColumns(
        update_ids=np.array([quote.u for _, quote in rows], np.int64),
        due_us=np.array([message.received_us for message, _ in rows], np.int64),
        bid_ticks=_units([quote.b for _, quote in rows], scale.price_decimals),
        bid_lots=_units([quote.B for _, quote in rows], scale.qty_decimals),
        ask_ticks=_units([quote.a for _, quote in rows], scale.price_decimals),
        ask_lots=_units([quote.A for _, quote in rows], scale.qty_decimals),
    )
