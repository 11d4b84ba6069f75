"""What every page has: header, symbol, the second's refresh. What enters: the board; what leaves: drawn elements."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from app.board.board import Board, View
from app.clock import wall_ms
from app.dashboard import formatting, markup, plotly_chart, shared_board
from app.dashboard.charts import Figure

EVERY_S = 1.0
Draw = Callable[[Board, str, View], None]


@contextmanager
def controls() -> Iterator[None]:
    """Begin the page's row of controls with the symbols, where there are several; the body adds its own."""
    with st.container(horizontal=True, vertical_alignment="center"):
        _choose_symbol()
        yield


def _choose_symbol() -> None:
    known = shared_board.board().symbols
    st.session_state["known"] = known
    chosen = st.session_state.get("symbol")
    st.session_state["symbol"] = chosen if chosen in known else known[0] if known else ""
    if len(known) > 1:  # the choice stays when the page changes: it is written back before the widget is drawn
        st.selectbox("Symbol", known, key="symbol", label_visibility="collapsed", width=170)


def live(draw: Draw) -> None:
    """Draw a page now and then every second, in place: only what changed reaches the browser."""

    @st.fragment(run_every=EVERY_S)
    def refresh() -> None:
        board = shared_board.board()
        if board.symbols != st.session_state.get("known"):
            st.rerun()
        status = board.status()
        symbol = st.session_state.get("symbol", "")
        st.html(header(status, symbol))
        if symbol:
            draw(board, symbol, status)
        else:
            message(waiting(board, status))

    refresh()


def header(status: View, symbol: str) -> str:
    """Return symbol, source, exchange time, age and trouble as one line of HTML; stale data turn the page grey."""
    pieces = [
        markup.strong(symbol),
        markup.pill(formatting.source(status["source"], status["speed"]), "good" if status["source"] == "live" else ""),
        markup.pill(f"{formatting.clock(status['second'])} UTC", title="the newest second forecast"),
    ]
    if status["stale"] and status["second"] is not None:
        age = formatting.span(status["age_s"])
        pieces.append(markup.pill(f"stale: nothing new for {age}", "bad", "what you see is an old picture"))
        pieces.append(markup.Html('<i class="b-stale-mark"></i>'))
    if status["trouble"]:
        pieces.append(markup.pill(status["trouble"], "bad"))
    return markup.line(pieces)


def waiting(board: Board, status: View) -> str:
    """Return what is missing before there is anything to show."""
    beats = [beat for beat in status["processes"] if beat["process"] == "collector"]
    collected = int(sum(beat["progress"].get("batches", 0) for beat in beats))
    trouble = "" if board.ready else status["trouble"]
    return formatting.waiting(board.ready, trouble, collected, len(board.symbols) or len(board.settings.symbols))


def message(text: str) -> None:
    """Say one friendly line."""
    st.html(markup.verdict("dim", text))


def chart(figure: Figure, key: str, title: str = "") -> None:
    """Draw a figure; the same key is the same element in the browser, refresh after refresh."""
    if title:
        st.subheader(title, anchor=False)
    plotly_chart.draw(figure, key)


def screen_ms(closed_ms: float) -> float:
    """Return how old a second is on the screen just now, since its close."""
    return max(0.0, wall_ms() - closed_ms)
