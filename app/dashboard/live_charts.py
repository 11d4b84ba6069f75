"""The figure of price and forecast: the last minutes, and the newest forecast as a fan."""

from typing import Any

import numpy as np

from app.board.views import PastBars, PastPredictions, Prediction
from app.dashboard.charts import TIME, Figure, Floats, Trace, band, downsample, epoch_ms, figure, line, with_gaps
from app.dashboard.theme import BLUE, GREEN, GREY, ORANGE

STEPS = 32  # points of the fan
INTERVALS = (("90 %", "0.05", "0.95", 0.16), ("50 %", "0.25", "0.75", 0.28))


def price_figure(
    bars: PastBars, prediction: Prediction | None, past: list[Trace], horizon_s: int, height: int = 430
) -> Figure:
    """Return the last minutes of mid, bid and ask with the newest forecast growing out of it.

    `horizon_s` is how far ahead the time axis reaches, so that it moves evenly.
    """
    traces = past + market(bars) + (fan(prediction) if prediction else [])
    seconds = bars.second
    layout: dict[str, Any] = {"yaxis": {"tickformat": ",.7~g", "side": "right"}}
    if len(seconds):
        layout["xaxis"] = TIME | {"range": epoch_ms([seconds[0], seconds[-1] + 1 + horizon_s]).tolist()}
        layout["shapes"] = [_now(float(seconds[-1]) + 1)]
    return figure(traces, height=height, **layout)


def _now(second: float) -> dict[str, Any]:
    at = epoch_ms([second]).tolist()[0]
    return {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper",
            "line": {"color": GREY, "width": 1, "dash": "dot"}}  # fmt: skip


def market(bars: PastBars) -> list[Trace]:
    """Return mid, bid and ask; the last trade where there are no quotes. A bar stands at its second's end."""
    channels = bars.channels
    if not channels:
        return []
    rows = downsample({"second": bars.second, **{name: channels[name] for name in ("mid", "bid", "ask", "price")}})
    seconds, mid, bid, ask, price = with_gaps(*(rows[name] for name in ("second", "mid", "bid", "ask", "price")))
    x = epoch_ms(seconds + 1.0)
    if np.isnan(mid).all():
        return [line("last trade", x, price, GREEN)]
    return [
        line("bid", x, bid, GREY, width=0.8, hoverinfo="skip"),
        line("ask", x, ask, GREY, width=0.8, hoverinfo="skip"),
        line("mid", x, mid, GREEN, width=2.2),
    ]


def fan(prediction: Prediction) -> list[Trace]:
    """Return the newest forecast as bands around its mean, growing out of the mid at the second's end.

    Between the horizons the returns are interpolated over the square root of time, as a random walk spreads.
    """
    forecasts, mid = prediction.forecasts, prediction.mid
    if mid is None or not forecasts:
        return []
    horizons = np.array([0, *(forecast.horizon_s for forecast in forecasts)], np.float64)
    ahead = np.linspace(0.0, np.sqrt(horizons[-1]), STEPS) ** 2
    x = epoch_ms(prediction.second + 1 + ahead)

    def path(values: list[float]) -> Floats:
        return np.asarray(mid * np.exp(np.interp(np.sqrt(ahead), np.sqrt(horizons), [0.0, *values])))

    traces: list[Trace] = []
    for name, low, high, opacity in INTERVALS:
        edges = tuple(path([forecast.quantiles[level] for forecast in forecasts]) for level in (low, high))
        traces += band(f"{name} interval", x, (edges[0], edges[1]), BLUE, opacity)
    return [*traces, line("forecast", x, path([forecast.mean for forecast in forecasts]), BLUE, width=2.2)]


def past_band(history: PastPredictions, horizon_s: int) -> list[Trace]:
    """Return what was forecast `horizon_s` ahead, drawn where it fell due: the 90 % interval."""
    column = history.horizons.get(str(horizon_s))
    if column is None or not len(history.second):
        return []
    rows = downsample({"second": history.second, "mid": history.mid, "low": column.quantiles["0.05"],
                 "high": column.quantiles["0.95"]})  # fmt: skip
    seconds, mid, low, high = with_gaps(rows["second"], rows["mid"], rows["low"], rows["high"])
    edges = (mid * np.exp(low), mid * np.exp(high))
    return band(f"forecast {horizon_s} s before, 90 %", epoch_ms(seconds + 1.0 + horizon_s), edges, ORANGE, 0.22)
