"""One-second bars, float64 [symbols, channels], from the ticks of a second and the bars before.

A bar never holds NaN or infinity: a value that does not exist is 0, with a mask (`traded`, `quoted`, `present`).
Trades that arrived late count into the bar of the second that brought them. A trade or quote with a number that is
not finite, outside 1e-12 … 1e15, or a quote with bid above ask, is ignored and counted in `refused`.
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from itertools import chain
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from app.domain import quote_outage
from app.records import Quotes, Ticks, Trades

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

MIN_VALUE, MAX_VALUE = (
    1e-12,
    1e15,
)  # beyond these a price or size is an error of the feed, and its products could overflow
LARGEST_RETURN = 1.0  # a factor e within one second: more is an error of the feed, and must not dominate 300 seconds
USUAL_HALF_LIFE_S = 1800.0
PRIOR_VOLATILITY = 1e-4  # volatility per √s of a symbol not yet known: 2.9 % a day, common among coins


class Channel(IntEnum):
    """The columns of a bar. Sizes are in the base asset, prices and notional in the quote asset."""

    PRICE = 0  # last trade, carried through silent seconds
    HIGH = 1  # of the second's trades; the carried price without any
    LOW = 2
    VOLUME = 3
    BUY_VOLUME = 4  # of it, bought by the taker
    NOTIONAL = 5  # Σ price · quantity
    TRADES = 6  # count
    QUOTES = 7  # changes of the best bid or ask, count
    BID = 8  # the last quote, carried
    BID_SIZE = 9
    ASK = 10
    ASK_SIZE = 11
    MID = 12  # (bid + ask) ÷ 2; 0 where not quoted
    OFI = 13  # order-flow imbalance, see `_order_flow`
    DEPTH = 14  # mean over the second's quotes of (bid_size + ask_size) ÷ 2; of the carried one without any
    LOG_RETURN = 15  # of the reference price since the symbol's bar before
    SPAN_S = 16  # seconds that return covers: 1, more after a gap, 0 without a bar before
    SINCE_TRADE_S = 17  # whole seconds since the last second with a trade
    SINCE_QUOTE_S = 18
    TRADED = 19  # mask: a price is known
    QUOTED = 20  # mask: a quote is known
    PRESENT = 21  # mask: the second was received; rows of missing seconds are all zero
    LATE = 22  # trades of seconds already closed; at least 1 in a late batch
    MISSING = 23  # trade ids skipped and not refilled, or newly in an open hole
    REFUSED = 24  # trades and quotes ignored
    USUAL_SQUARE = 25  # Σ log_return², exponentially forgotten: the usual variance, see `update_usual_variance`
    USUAL_S = 26  # Σ span_s, forgotten at the same rate
    OPEN_IDS = 27  # trade ids of open holes that touch the window
    USUAL_SILENCE_S = 28  # whole seconds usually without a quote between two with one, see `quote_outage`
    QUOTE_OUTAGE = 29  # mask: the carried quote is too old to be the present one


CHANNELS: tuple[str, ...] = tuple(channel.name.lower() for channel in Channel)
QUOTE: list[int] = [Channel.BID, Channel.BID_SIZE, Channel.ASK, Channel.ASK_SIZE]
CARRIED: list[int] = [Channel.PRICE, *QUOTE, Channel.MID, Channel.TRADED, Channel.QUOTED, Channel.USUAL_SILENCE_S]
ADDED: frozenset[str] = frozenset({"open_ids", "usual_silence_s", "quote_outage"})  # absent in older batches: 0


def second_bars(
    symbols: Sequence[str], ticks: Mapping[str, Ticks], previous: Floats, elapsed_s: Ints, *, late: bool = False
) -> Floats:
    """Return the second's bars, float64 [S, C].

    `previous` [S, C] are the symbols' last bars and `elapsed_s` [S] the seconds since (1 without a gap); zeros for a
    symbol without a bar before. `late`: the whole second was filled after the fact.

    >>> ticks = {"BTCUSDT": Ticks(trades=Trades(price=[9.0, 8.0], quantity=[2.0, 1.0], buyer_maker=[False, True]))}
    >>> bar = second_bars(["BTCUSDT"], ticks, np.zeros((1, len(CHANNELS))), np.zeros(1, np.int64))[0]
    >>> [float(bar[c]) for c in (Channel.PRICE, Channel.HIGH, Channel.VOLUME, Channel.BUY_VOLUME, Channel.NOTIONAL)]
    [8.0, 9.0, 3.0, 2.0, 26.0]

    Raises:
        ValueError: the columns of a symbol's ticks differ in length.

    """
    seconds = [ticks[symbol] for symbol in symbols]
    bars = _carry(previous, elapsed_s)
    _add_trades(bars, symbols, [second.trades for second in seconds])
    _add_quotes(bars, symbols, [second.quotes for second in seconds], previous)
    bars[:, Channel.LATE] = np.maximum([float(second.late) for second in seconds], float(late))
    _add_holes(bars, seconds, previous)
    return update_usual_variance(set_returns(bars, previous, elapsed_s), previous, elapsed_s)


def reference_price(bars: Floats) -> Floats:
    """Return the price that returns measure, float64 [N]: the mid where quoted, else the last trade, else 0."""
    return np.where(bars[:, Channel.QUOTED] > 0, bars[:, Channel.MID], bars[:, Channel.PRICE])


def set_returns(bars: Floats, previous: Floats, elapsed_s: Ints) -> Floats:
    """Fill `log_return` and `span_s` of `bars` [N, C] from the bars before them [N, C] and the seconds between [N].

    A symbol's first quote changes the reference from trade to mid: that second has no return.
    """
    now, before = reference_price(bars), reference_price(previous)
    same = bars[:, Channel.QUOTED] == previous[:, Channel.QUOTED]
    linked = (now > 0) & (before > 0) & same & (elapsed_s > 0)
    ratio = np.divide(now, before, out=np.ones_like(now), where=linked)
    bars[:, Channel.LOG_RETURN] = np.clip(np.log(ratio), -LARGEST_RETURN, LARGEST_RETURN)
    bars[:, Channel.SPAN_S] = np.where(linked, elapsed_s, 0)
    return bars


def update_usual_variance(bars: Floats, previous: Floats, elapsed_s: Ints) -> Floats:
    """Fill `usual_square` and `usual_s` of `bars` [N, C] from the bars before them; call it after `set_returns`.

    Half of it is forgotten in 30 minutes. It keeps the volatility estimate from collapsing in markets without moves
    for minutes. A return counts as ten usual deviations at most, so that one wrong price does not dominate for hours.
    """
    kept = np.where(elapsed_s > 0, np.exp2(-elapsed_s / USUAL_HALF_LIFE_S), 0.0)
    span, square = bars[:, Channel.SPAN_S], bars[:, Channel.LOG_RETURN] * bars[:, Channel.LOG_RETURN]
    before_s = previous[:, Channel.USUAL_S]
    usual = np.divide(previous[:, Channel.USUAL_SQUARE], before_s, out=np.zeros(len(bars)), where=before_s > 0)
    most = 100.0 * span * np.maximum(usual, PRIOR_VOLATILITY**2)
    bars[:, Channel.USUAL_SQUARE] = previous[:, Channel.USUAL_SQUARE] * kept + np.minimum(square, most)
    bars[:, Channel.USUAL_S] = before_s * kept + span
    return bars


def _carry(previous: Floats, elapsed_s: Ints) -> Floats:
    bars = np.zeros_like(previous)
    bars[:, CARRIED] = previous[:, CARRIED]
    bars[:, Channel.HIGH] = bars[:, Channel.LOW] = bars[:, Channel.PRICE]
    bars[:, Channel.DEPTH] = (bars[:, Channel.BID_SIZE] + bars[:, Channel.ASK_SIZE]) / 2
    for age, known in ((Channel.SINCE_TRADE_S, Channel.TRADED), (Channel.SINCE_QUOTE_S, Channel.QUOTED)):
        bars[:, age] = (previous[:, age] + elapsed_s) * bars[:, known]
    bars[:, Channel.PRESENT] = 1.0
    return bars


def _add_trades(bars: Floats, symbols: Sequence[str], parts: list[Trades]) -> None:
    owner, columns = _columns(symbols, parts, ("price", "quantity", "buyer_maker"))
    owner, columns = _drop_invalid(bars, owner, columns, _is_valid(columns[:2]))
    if not owner.size:
        return
    price, quantity, maker = columns
    count, hit, first, last = _segments(owner, len(parts))
    bars[:, Channel.TRADES] = count
    bars[:, Channel.VOLUME] = np.bincount(owner, quantity, len(parts))
    bars[:, Channel.BUY_VOLUME] = np.bincount(owner, quantity * (1.0 - maker), len(parts))
    bars[:, Channel.NOTIONAL] = np.bincount(owner, price * quantity, len(parts))
    bars[hit, Channel.PRICE] = price[last]
    bars[hit, Channel.HIGH] = np.maximum.reduceat(price, first)
    bars[hit, Channel.LOW] = np.minimum.reduceat(price, first)
    bars[hit, Channel.TRADED] = 1.0
    bars[hit, Channel.SINCE_TRADE_S] = 0.0


def _add_quotes(bars: Floats, symbols: Sequence[str], parts: list[Quotes], previous: Floats) -> None:
    owner, columns = _columns(symbols, parts, ("bid", "bid_size", "ask", "ask_size"))
    owner, columns = _drop_invalid(bars, owner, columns, _is_valid(columns) & (columns[0] <= columns[2]))
    if not owner.size:
        return
    count, hit, first, last = _segments(owner, len(parts))
    before = np.roll(columns, 1, axis=1)
    before[:, first] = previous[hit][:, QUOTE].T
    flow = _order_flow(columns, before)
    flow[first] *= previous[hit, Channel.QUOTED]  # without a quote before there is no change to measure
    bars[:, Channel.QUOTES] = count
    bars[:, Channel.OFI] = np.bincount(owner, flow, len(parts))
    bars[hit, Channel.DEPTH] = np.bincount(owner, (columns[1] + columns[3]) / 2, len(parts))[hit] / count[hit]
    bars[hit[:, None], QUOTE] = columns[:, last].T
    bars[hit, Channel.MID] = (columns[0, last] + columns[2, last]) / 2
    _learn_silence(bars, hit)
    bars[hit, Channel.QUOTED] = 1.0
    bars[hit, Channel.SINCE_QUOTE_S] = 0.0


def _learn_silence(bars: Floats, hit: Ints) -> None:
    known = hit[bars[hit, Channel.QUOTED] > 0]  # before a first quote there is no silence to measure
    silent_s = np.maximum(bars[known, Channel.SINCE_QUOTE_S] - 1.0, 0.0)
    usual_s = bars[known, Channel.USUAL_SILENCE_S]
    bars[known, Channel.USUAL_SILENCE_S] = quote_outage.learned_silence_s(usual_s, silent_s)


def _add_holes(bars: Floats, seconds: list[Ticks], previous: Floats) -> None:
    """Mark what is missing: skipped ids, open holes, quotes that are silent for too long."""
    open_ids = np.maximum([float(second.open_ids) for second in seconds], 0.0)
    opened = open_ids - previous[:, Channel.OPEN_IDS]  # what is filled later never reaches the window
    bars[:, Channel.OPEN_IDS] = open_ids
    bars[:, Channel.MISSING] = np.maximum(np.maximum([float(second.missing) for second in seconds], 0.0), opened)
    silent = quote_outage.is_outage(bars[:, Channel.SINCE_QUOTE_S], bars[:, Channel.USUAL_SILENCE_S])
    known = np.array([second.quote_outage for second in seconds], np.bool_)
    bars[:, Channel.QUOTE_OUTAGE] = (bars[:, Channel.QUOTED] > 0) & (silent | known)


def _order_flow(now: Floats, before: Floats) -> Floats:
    """Return what each change of the best quotes adds to demand, float64 [N], in the base asset.

    e = 1{b ≥ b'}·q − 1{b ≤ b'}·q' − 1{a ≤ a'}·r + 1{a ≥ a'}·r', with bid b of size q and ask a of size r, and ' the
    quote before. Source: Cont, Kukanov, Stoikov, "The price impact of order book events", 2014, eq. 4.
    """
    (bid, bid_size, ask, ask_size), (bid_0, bid_size_0, ask_0, ask_size_0) = now, before
    demand = (bid >= bid_0) * bid_size - (bid <= bid_0) * bid_size_0
    supply = (ask <= ask_0) * ask_size - (ask >= ask_0) * ask_size_0
    return np.asarray(demand - supply)


def _columns(
    symbols: Sequence[str], parts: Sequence[Trades] | Sequence[Quotes], names: tuple[str, ...]
) -> tuple[Ints, Floats]:
    """Return the position of the symbol of each entry [N], and all symbols' columns end to end [len(names), N]."""
    lists = [list(map(attrgetter(name), parts)) for name in names]
    lengths = list(map(len, lists[0]))
    for name, column in zip(names[1:], lists[1:], strict=True):
        if list(map(len, column)) != lengths:
            odd = next(i for i, values in enumerate(column) if len(values) != lengths[i])
            raise ValueError(
                f"ticks of {symbols[odd]}: {names[0]} has {lengths[odd]} values, {name} {len(column[odd])}"
            )
    total = sum(lengths)
    values = [np.fromiter(chain.from_iterable(column), np.float64, total) for column in lists]
    return np.repeat(np.arange(len(parts)), lengths), np.array(values)


def _is_valid(columns: Floats) -> Mask:
    return np.asarray(np.logical_and.reduce((columns >= MIN_VALUE) & (columns <= MAX_VALUE), axis=0))


def _drop_invalid(bars: Floats, owner: Ints, columns: Floats, keep: Mask) -> tuple[Ints, Floats]:
    if keep.all():
        return owner, columns
    bars[:, Channel.REFUSED] += np.bincount(owner[~keep], minlength=len(bars))
    return owner[keep], columns[:, keep]


def _segments(owner: Ints, symbols: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Return how many entries each symbol has [S], which symbols have any, and their first and last entries."""
    count = np.bincount(owner, minlength=symbols)
    hit = np.flatnonzero(count)
    end = np.cumsum(count)[hit]
    return count, hit, end - count[hit], end - 1
