"""Accuracy: is there skill, do the intervals hold, how large are the errors?"""

import streamlit as st

from app.board.board import Board
from app.board.views import ScoreRow, SystemStatus
from app.dashboard import formatting, markup, page_layout, shared_board, table_rows
from app.dashboard.accuracy_charts import coverage_figure, errors_figure, pit_figure, skill_figure


def page() -> None:
    """Draw the page."""
    horizons = [f"{horizon} s" for horizon in shared_board.board().horizons_s]
    with page_layout.controls():
        st.segmented_control("Horizon", horizons, default=horizons[0], key="horizon", bind="query-params",
                             required=True, label_visibility="collapsed", width="content")  # fmt: skip
    page_layout.live(draw)


def draw(board: Board, symbol: str, status: SystemStatus) -> None:
    """Draw one second."""
    horizon_s = int(str(st.session_state.get("horizon") or f"{board.horizons_s[0]} s").removesuffix(" s"))
    found = board.scores(symbol).scores
    if not found:
        first = min(board.horizons_s)
        page_layout.message(
            f"Waiting for the first outcome: a forecast {first} s ahead is settled {first} s after it was made."
        )
        return
    here = [row for row in found if row.horizon_s == horizon_s]
    _verdicts(board, here, horizon_s)
    left, right = st.columns(2)
    with left:
        page_layout.chart(skill_figure(found), "skill", "Skill: less pinball loss than the naive forecast")
    with right:
        page_layout.chart(coverage_figure(found), "coverage", "Coverage of the 90 % (●) and 50 % (○) intervals")
    served = next((row for row in here if row.model == board.models().champion), here[0] if here else None)
    left, right = st.columns(2)
    with left:
        if served:
            page_layout.chart(pit_figure(served), "pit", f"PIT of {served.model}, {horizon_s} s: outcomes ÷ expected")
    with right:
        past = board.outcomes(symbol, horizon_s)
        page_layout.chart(errors_figure(past), "errors", f"Mean absolute error, {horizon_s} s ahead, over a minute")
    st.subheader(f"Scores of {symbol}, {horizon_s} s ahead", anchor=False)
    st.html(markup.table(table_rows.SCORES, table_rows.scores(here), stale=status.stale))


def _verdicts(board: Board, here: list[ScoreRow], horizon_s: int) -> None:
    champion = board.models().champion
    first = next((row for row in here if row.model == champion), None)
    st.html(markup.verdict(*formatting.verdict(first, horizon_s)))
    for row in here:
        if row.kind == "tensorflow" and row is not first:
            st.html(markup.verdict(*formatting.verdict(row, horizon_s)))
