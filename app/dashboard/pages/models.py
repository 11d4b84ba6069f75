"""Models: who serves, who challenges, what they were trained on, who served before."""

import streamlit as st

from app.board.board import Board, View
from app.dashboard import formatting, frame, markup, table_rows
from app.dashboard.feed_charts import who_served


def page() -> None:
    """Draw the page."""
    with frame.controls():
        pass
    frame.live(draw)


def draw(board: Board, symbol: str, status: View) -> None:
    """Draw one second."""
    models = board.models()
    if not models["running"]:
        frame.message(frame.waiting(board, status))
        return
    st.html(markup.verdict("dim", formatting.model_line(models["tensorflow"], models["champion"])))
    past = board.history(symbol)
    spans = who_served(list(past["second"]), past["model"])
    left, right = st.columns(2)
    with left:
        st.subheader("At work now", anchor=False)
        st.html(markup.table(table_rows.RUNNING, table_rows.running(models), stale=status["stale"]))
    with right:
        st.subheader("Who served in the last hour", anchor=False)
        st.html(markup.table(table_rows.SERVED, table_rows.served(spans)))
    st.subheader("Releases", anchor=False)
    if models["releases"]:
        st.html(markup.table(table_rows.RELEASES, table_rows.releases(models["releases"][:20])))
    else:
        frame.message("No release yet: the trainer publishes its first one after it has history to learn from.")
