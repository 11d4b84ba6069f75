"""What every page has: its header, the choice of symbol, the refresh every second."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from app.board.board import Board
from app.board.views import SystemStatus
from app.clock import wall_ms
from app.dashboard import formatting, markup, plotly_chart, shared_board
from app.dashboard.charts import Figure

EVERY_S = 1.0
Draw = Callable[[Board, str, SystemStatus], None]


@contextmanager
def controls() -> Iterator[None]:
    """Begin the page's row of controls with the symbols, where there are several; the body adds its own."""
    with st.container(horizontal=True, vertical_alignment="center"):
        _choose_symbol()
        yield


def _choose_symbol() -> None:
    known = shared_board.board().symbols
    st.session_state["known"] = known
    if len(known) > 1:  # bound to the URL: the choice stays over pages and reloads, and can be sent to somebody
        st.selectbox("Symbol", known, key="symbol", bind="query-params", label_visibility="collapsed", width=170)


def _chosen_symbol(known: tuple[str, ...]) -> str:
    chosen = st.session_state.get("symbol")
    return chosen if chosen in known else known[0] if known else ""


def live(draw: Draw) -> None:
    """Draw a page now and then every second, in place: only what changed reaches the browser."""

    @st.fragment(run_every=EVERY_S)
    def refresh() -> None:
        board = shared_board.board()
        if board.symbols != st.session_state.get("known"):
            st.rerun()
        status = board.status()
        symbol = _chosen_symbol(board.symbols)
        st.html(header(status, symbol, board.not_following_reason))
        if symbol:
            draw(board, symbol, status)
        else:
            message(waiting(board, status))

    refresh()


def header(status: SystemStatus, symbol: str, not_following_reason: str) -> str:
    """Return symbol, source, exchange time, age and errors as one line of HTML; stale data turn the page grey."""
    pieces = [
        markup.strong(symbol),
        markup.pill(formatting.source(status.source, status.speed), "good" if status.source == "live" else ""),
        markup.pill(f"{formatting.clock(status.second)} UTC", title="the newest second forecast"),
    ]
    if status.stale and status.second is not None:
        age = formatting.span(status.age_s)
        pieces.append(markup.pill(f"stale: nothing new for {age}", "bad", "this is an old picture"))
        pieces.append(markup.Html('<i class="b-stale-mark"></i>'))
    if not_following_reason:
        pieces.append(markup.pill(not_following_reason, "bad"))
    return markup.row(pieces)


def waiting(board: Board, status: SystemStatus) -> str:
    """Return what is missing before there is anything to show."""
    beats = [beat for beat in status.processes if beat.process == "collector"]
    collected = int(sum(beat.progress.get("batches", 0) for beat in beats))
    reason = "" if board.is_ready else board.not_following_reason
    return formatting.waiting(board.is_ready, reason, collected, len(board.symbols) or len(board.settings.symbols))


def message(text: str) -> None:
    """Show one sentence."""
    st.html(markup.verdict("dim", text))


def chart(figure: Figure, key: str, title: str = "") -> None:
    """Draw a figure; the same key is the same element in the browser, refresh after refresh."""
    if title:
        st.subheader(title, anchor=False)
    plotly_chart.draw(figure, key)


def screen_ms(closed_ms: float) -> float:
    """Return the time since a second's close, at the moment it is drawn."""
    return max(0.0, wall_ms() - closed_ms)
