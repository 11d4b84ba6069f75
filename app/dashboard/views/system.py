"""System: objectives, processes, resources, dead letters."""

import streamlit as st

from app.board.board import Board
from app.board.views import SystemStatus
from app.clock import wall_ms
from app.dashboard import markup, page_layout, table_rows
from app.dashboard.feed_charts import resources_figure


def page() -> None:
    """Draw the page."""
    with page_layout.controls():
        pass
    page_layout.live(draw)


def draw(board: Board, _symbol: str, status: SystemStatus) -> None:
    """Draw one second."""
    st.html(markup.tiles(table_rows.objectives(status)))
    beats = status.processes
    resources = {table_rows.label(beat): board.resources(beat.process, beat.instance) for beat in beats}
    st.subheader("Processes", anchor=False)
    if not beats:
        page_layout.message("No process has sent a heartbeat yet.")
        return
    st.html(markup.table(table_rows.PROCESSES, table_rows.processes(beats, resources, wall_ms())))
    left, right = st.columns(2)
    with left:
        page_layout.chart(resources_figure(resources, "cpu_percent", " %"), "cpu", "CPU, percent of one core")
    with right:
        page_layout.chart(resources_figure(resources, "rss_mb", " MB"), "memory", "Memory")
    if status.dead.last:
        st.subheader("Newest dead letters", anchor=False)
        st.html(markup.table(table_rows.DEAD, table_rows.dead_letters(status.dead.last)))
