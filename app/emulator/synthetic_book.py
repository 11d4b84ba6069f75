"""The order book of the synthetic market: 20 levels each side around the quotes of `order_flow`.

The best level is the quote. Deeper levels lie on a fixed grid of prices, `GRID` of the price apart, so that they stay
where they are when the mid moves. The size of a grid price is drawn anew once a second, a tenth of them every 100 ms:

    size = base · exp(0.4 z) · (1 ± tanh(0.5 x + 0.6 n))       + for bids, − for asks

x is the latent signal of `price_process` in that second, z normal per price and second, n normal per second and common
to all levels: no average over levels shows x as well as the queues do. Everything is a function of the last quote, so
streams and REST agree; every change has the update id of a quote.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from app.emulator.columns import Floats, Ints, QuoteColumns
from app.emulator.instruments import Instrument
from app.emulator.order_flow import DEPTH_ORDERS, MINUTE_US, median_order_lots
from app.emulator.price_process import BOOK, PriceProcess

LEVELS = 20  # each side
GRID = 2e-5  # about half of a second's volatility
SLOT_US = 100_000
SLOTS = MINUTE_US // SLOT_US
PERIOD = 10  # slots after which a level's size is drawn anew
PRICES = 64  # noise repeats after so many grid prices


class BookColumns(NamedTuple):
    """The book after each of n quotes, best level first: arrays [n, LEVELS], update ids and times [n]."""

    update_ids: Ints
    due_us: Ints
    bid_ticks: Ints
    bid_lots: Ints
    ask_ticks: Ints
    ask_lots: Ints


class BookNoise(NamedTuple):
    """What is random in one minute of a book."""

    common: Floats  # [60] n by second
    own: Floats  # [2, PRICES, SLOTS // PERIOD] z by side, price and draw


def book_noise(process: PriceProcess, instrument: Instrument, minute: int) -> BookNoise:
    """Return the noise of a minute (minutes since 1970)."""
    random = process.generator(instrument.symbol, BOOK, minute)
    return BookNoise(random.standard_normal(SLOTS // PERIOD), random.standard_normal((2, PRICES, SLOTS // PERIOD)))


def simulate_book(instrument: Instrument, signal: Floats, noise: BookNoise, quotes: QuoteColumns) -> BookColumns:
    """Return the book after each of these quotes of one minute; `signal` is that of its 60 seconds."""
    grid = max(1, round(instrument.first_price * 10.0**instrument.scale.price_decimals * GRID))
    slot = quotes.due_us % MINUTE_US // SLOT_US
    below = np.arange(LEVELS - 1)
    bids = ((quotes.bid_ticks - 1) // grid)[:, None] - below
    asks = (quotes.ask_ticks // grid + 1)[:, None] + below
    base = median_order_lots(instrument) * DEPTH_ORDERS
    return BookColumns(
        quotes.update_ids,
        quotes.due_us,
        np.column_stack((quotes.bid_ticks, bids * grid)),
        np.column_stack((quotes.bid_lots, _lots(base, bids, slot, signal, noise, side=0))),
        np.column_stack((quotes.ask_ticks, asks * grid)),
        np.column_stack((quotes.ask_lots, _lots(base, asks, slot, signal, noise, side=1))),
    )


def _lots(base: float, prices: Ints, slot: Ints, signal: Floats, noise: BookNoise, *, side: int) -> Ints:
    """Return the size of each grid price, [n, LEVELS − 1], as drawn last in this minute."""
    second = np.maximum(0, slot[:, None] - (slot[:, None] - prices) % PERIOD) // PERIOD
    own = noise.own[side, prices % PRICES, second]
    imbalance = np.tanh(0.5 * signal[second] + 0.6 * noise.common[second])
    sizes: Floats = base * np.exp(0.4 * own) * (1 + (imbalance if side == 0 else -imbalance))
    return 1 + sizes.astype(np.int64)
