"""Feed: is it complete, how fast does it come, how long does each stage take?"""

import numpy as np
import streamlit as st

from app.board.board import Board
from app.board.views import PastBars, SymbolFeed, SystemStatus
from app.dashboard import feed_tables, formatting, markup, page_layout
from app.dashboard.feed_charts import activity_figure, latency_figure


def page() -> None:
    """Draw the page."""
    with page_layout.controls():
        pass
    page_layout.live(draw)


def draw(board: Board, symbol: str, status: SystemStatus) -> None:
    """Draw one second."""
    feed, bars = board.feed(), board.bars(symbol, 300)
    here = next(row for row in feed.symbols if row.symbol == symbol)
    st.html(markup.tiles(_tiles(board, symbol, here, bars), stale=here.stale))
    _draw_gaps(feed.symbols, status.exchange_s)
    st.subheader("Every symbol, the last hour", anchor=False)
    st.html(markup.table(feed_tables.SYMBOLS, feed_tables.symbols(feed.symbols)))
    left, right = st.columns(2)
    with left:
        page_layout.chart(activity_figure(bars), "activity", f"{symbol}: trades and quotes per second")
    with right:
        page_layout.chart(latency_figure(status.latency), "latency", "From the second's close, stage by stage")


def _draw_gaps(symbols: list[SymbolFeed], exchange_s: float) -> None:
    st.subheader("Gaps, of all symbols", anchor=False)
    found = feed_tables.gaps(symbols, exchange_s)
    table = markup.table(feed_tables.GAPS, found) if found else ""
    st.html(feed_tables.verdict(symbols) + table + markup.notes(feed_tables.NOTES))


def _tiles(board: Board, symbol: str, here: SymbolFeed, bars: PastBars) -> list[feed_tables.Tile]:
    found = board.latest(symbol).predictions
    shown_ms = page_layout.screen_ms(found[0].closed_ms) if found else None
    return [
        *feed_tables.tiles(here),
        ("Age", formatting.number(here.age_s, 1, " s"), "exchange time since the newest second's end"),
        ("Trades/s", formatting.number(_mean(bars, "trades"), 1), "mean of the last minute"),
        ("Quotes/s", formatting.number(_mean(bars, "quotes"), 1), "mean of the last minute"),
        ("On screen after", formatting.number(shown_ms, 0, " ms"), "from the second's close to this picture"),
    ]


def _mean(bars: PastBars, channel: str) -> float | None:
    if not bars.channels or not len(bars.second):
        return None
    return float(np.mean(bars.channels[channel][-60:]))
