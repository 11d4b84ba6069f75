"""Live: price, forecast fan, the last prediction."""

import streamlit as st

from app.board.board import Board
from app.board.views import PastBars, Prediction, SystemStatus
from app.dashboard import formatting, markup, page_layout, shared_board, table_rows
from app.dashboard.charts import Figure
from app.dashboard.live_charts import past_band, price_figure

BACK_S = {"2 min": 120, "5 min": 300, "15 min": 900}
NO_PAST = "no past forecasts"


def page() -> None:
    """Draw the page."""
    choices = [NO_PAST, *(f"forecast {horizon} s before" for horizon in shared_board.board().horizons_s)]
    with page_layout.controls():
        st.segmented_control("Show the last", list(BACK_S), default="5 min", key="back", bind="query-params",
                             required=True, label_visibility="collapsed", width="content")  # fmt: skip
        st.selectbox("Past forecasts", choices, key="past", bind="query-params", width=230,
                     label_visibility="collapsed",
                     help="what was forecast for each second, so long before: 90 % interval")  # fmt: skip
    page_layout.live(draw)


def draw(board: Board, symbol: str, status: SystemStatus) -> None:
    """Draw one second."""
    found = board.latest(symbol).predictions
    prediction = found[0] if found else None
    if prediction is None or not prediction.forecasts:
        page_layout.message(page_layout.waiting(board, status))
        return
    back_s = BACK_S[st.session_state.get("back") or "5 min"]
    bars = board.bars(symbol, back_s)
    stale = bool(prediction.stale)
    st.html(markup.tiles(table_rows.price_tiles(prediction, bars), stale=stale))
    page_layout.chart(_figure(board, symbol, prediction, bars, back_s), "price")
    if prediction.flags:
        st.html(markup.row(["<span>Flags</span>", markup.flags(prediction.flags)]))
        st.html(markup.meanings(prediction.flags))
    st.subheader(f"Forecast of {symbol}, made at {formatting.clock(prediction.second + 1)} UTC", anchor=False)
    st.html(markup.table(table_rows.FORECAST, table_rows.forecast(prediction), stale=stale))
    st.subheader("Forecasts by model", anchor=False)
    models = board.models()
    st.html(markup.verdict("dim", formatting.model_line(models.tensorflow, models.champion)))
    st.html(markup.table(table_rows.opinion_columns(prediction), table_rows.opinions(prediction), stale=stale))


def _figure(board: Board, symbol: str, prediction: Prediction, bars: PastBars, back_s: int) -> Figure:
    horizon_s = next((int(word) for word in str(st.session_state.get("past")).split() if word.isdigit()), None)
    past = past_band(board.history(symbol, back_s + horizon_s), horizon_s) if horizon_s else []
    shown = None if prediction.stale else prediction
    return price_figure(bars, shown, past, max(board.horizons_s))
