"""The order books of all symbols of a synthetic market, computed ten seconds at a time where somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from app.emulator.book_payloads import book_of, depth20_events, depth_events
from app.emulator.columns import QuoteColumns
from app.emulator.instruments import Instrument
from app.emulator.market_source import DEPTH, Event, OrderBook
from app.emulator.order_flow import MINUTE_US, SimulatedMinute
from app.emulator.price_process import EPOCH_S, PriceProcess
from app.emulator.synthetic_book import SLOT_US, BookColumns, BookNoise, book_noise, simulate_book

PIECE_US = 10_000_000
FIRST_PIECE = EPOCH_S * 1_000_000 // PIECE_US


class SyntheticBooks:
    """Books by symbol and time, from functions that give a symbol's simulated minute and its quotes."""

    def __init__(
        self,
        process: PriceProcess,
        listed: Mapping[str, Instrument],
        minute: Callable[[str, int], SimulatedMinute],
        quotes: Callable[[str, int], QuoteColumns],
    ) -> None:
        self._process, self._instruments, self._minute, self._quotes = process, listed, minute, quotes
        self._noise: Callable[[str, int], BookNoise] = lru_cache(2 * len(listed))(self._make_noise)
        self._piece: Callable[[str, int], BookColumns] = lru_cache(3 * len(listed))(self._make_piece)

    def events(self, symbol: str, kind: str, start_us: int, end_us: int) -> list[Event]:
        """Return the events of `depth@100ms` or `depth20@100ms` due in [start, end)."""
        books = self._between(symbol, start_us - SLOT_US, end_us)
        make = depth_events if kind == DEPTH else depth20_events
        return list(make(symbol, self._instruments[symbol].scale, books, start_us, end_us))

    def book(self, symbol: str, now_us: int) -> OrderBook | None:
        """Return the book after the last quote before now; None if there was none."""
        books = self._between(symbol, now_us, now_us)
        rows = len(books.due_us)
        return book_of(self._instruments[symbol].scale, books, rows - 1) if rows else None

    def _between(self, symbol: str, start_us: int, end_us: int) -> BookColumns:
        """Return the book after each quote due in [start, end), and at least the last one before start."""
        parts: list[BookColumns] = []
        for piece in range(start_us // PIECE_US - 1, max(start_us, end_us - 1) // PIECE_US + 1):
            books = self._piece(symbol, piece)
            low, high = np.searchsorted(books.due_us, (start_us, end_us))
            parts.append(BookColumns(*(column[max(0, low - 1) : high] for column in books)))
        return BookColumns(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _make_piece(self, symbol: str, piece: int) -> BookColumns:
        minute = max(piece, FIRST_PIECE) * PIECE_US // MINUTE_US
        quotes = self._quotes(symbol, minute)
        low, high = np.searchsorted(quotes.due_us, (piece * PIECE_US, (piece + 1) * PIECE_US))
        signal, noise = self._minute(symbol, minute).signal, self._noise(symbol, minute)
        return simulate_book(self._instruments[symbol], signal, noise, quotes.select(slice(low, high)))

    def _make_noise(self, symbol: str, minute: int) -> BookNoise:
        return book_noise(self._process, self._instruments[symbol], minute)
