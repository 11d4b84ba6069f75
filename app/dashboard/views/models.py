"""Models: champion, challengers, releases, and which model served when."""

import streamlit as st

from app.board.board import Board
from app.board.views import SystemStatus
from app.dashboard import formatting, markup, page_layout, table_rows
from app.dashboard.feed_charts import serving_spans


def page() -> None:
    """Draw the page."""
    with page_layout.controls():
        pass
    page_layout.live(draw)


def draw(board: Board, symbol: str, status: SystemStatus) -> None:
    """Draw one second."""
    models = board.models()
    if not models.running:
        page_layout.message(page_layout.waiting(board, status))
        return
    st.html(markup.verdict("dim", formatting.model_line(models.tensorflow, models.champion)))
    past = board.history(symbol)
    spans = serving_spans(list(past.second), past.model)
    left, right = st.columns(2)
    with left:
        st.subheader("Running now", anchor=False)
        st.html(markup.table(table_rows.RUNNING, table_rows.running(models), stale=status.stale))
    with right:
        st.subheader("Served in the last hour", anchor=False)
        st.html(markup.table(table_rows.SERVED, table_rows.served(spans)))
    st.subheader("Releases", anchor=False)
    if models.releases:
        st.html(markup.table(table_rows.RELEASES, table_rows.releases(models.releases[:20])))
    else:
        page_layout.message("No release yet: the trainer publishes its first one after it has history to learn from.")
