"""Figures of the feed and of the processes: activity, latency per stage, resources."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.board.views import Latency, PastBars
from app.dashboard.charts import TIME, Figure, Trace, downsample, epoch_ms, figure, line, with_gaps
from app.dashboard.theme import BLUE, GREY, ORANGE, SERIES

STAGES = {  # stage → the stage it starts from, and its label
    "close": ("", "second closed"),
    "features": ("", "features"),
    "predictions": ("features", "prediction"),
    "board": ("predictions", "on the board"),
    "outcomes": ("predictions", "settled"),
}


def activity_figure(bars: PastBars) -> Figure:
    """Return trades and quotes per second of one symbol."""
    channels = bars.channels
    if not channels:
        return figure([], height=260)
    rows = downsample({"second": bars.second, "trades": channels["trades"], "quotes": channels["quotes"]})
    seconds, trades, quotes = with_gaps(rows["second"], rows["trades"], rows["quotes"])
    x = epoch_ms(seconds)
    return figure(
        [line("quotes/s", x, quotes, BLUE, width=1.2), line("trades/s", x, trades, ORANGE, width=1.6)],
        height=260, yaxis={"rangemode": "tozero"}, xaxis=TIME,
    )  # fmt: skip


def latency_figure(latency: Mapping[str, Latency]) -> Figure:
    """Return the waterfall: how long each stage takes after the second's close, p50 as bars, p99 as marks.

    The close itself counts from the second's end on the exchange's clock.
    """
    known = [stage for stage in STAGES if stage in latency and latency[stage].n]
    names = [STAGES[stage][1] for stage in known]
    base = [_p50_ms(latency, STAGES[stage][0]) for stage in known]
    p50 = [latency[stage].p50_ms for stage in known]
    p99 = [latency[stage].p99_ms for stage in known]
    steps = [max(end - start, 0.0) for end, start in zip(p50, base, strict=True)]
    traces: list[Trace] = [
        {"type": "bar", "orientation": "h", "name": "p50", "y": names, "x": steps, "base": base,
         "marker": {"color": [GREY if stage == "close" else BLUE for stage in known]}, "customdata": p50,
         "hovertemplate": "p50 %{customdata:.1f} ms<extra></extra>"},
        {"type": "scatter", "mode": "markers", "name": "p99", "y": names, "x": p99,
         "marker": {"symbol": "line-ns", "size": 18, "line": {"width": 3, "color": ORANGE}},
         "hovertemplate": "p99 %{x:.1f} ms<extra></extra>"},
    ]  # fmt: skip
    return figure(
        traces, height=260, hovermode="closest", bargap=0.35,
        xaxis={"ticksuffix": " ms", "rangemode": "tozero", "showgrid": True}, yaxis={"autorange": "reversed"},
    )  # fmt: skip


def _p50_ms(latency: Mapping[str, Latency], stage: str) -> float:
    return latency[stage].p50_ms if stage in latency else 0.0


def resources_figure(resources: Mapping[str, Mapping[str, Any]], column: str, unit: str) -> Figure:
    """Return one resource of every process over the last hour; `resources` is process → columns."""
    traces = []
    for at, (process, columns) in enumerate(resources.items()):
        rows = downsample({"second": np.asarray(columns["at_ms"]) / 1000.0, "value": columns[column]}, 240)
        seconds, values = with_gaps(rows["second"], rows["value"])
        traces.append(line(process, epoch_ms(seconds), values, SERIES[at % len(SERIES)]))
    return figure(traces, height=280, yaxis={"rangemode": "tozero", "ticksuffix": unit}, xaxis=TIME)


def rate_per_s(columns: Mapping[str, Any], name: str, samples: int = 6) -> float | None:
    """Return how fast a counter has grown over its newest samples, per second; None when there are too few."""
    times, values = np.asarray(columns["at_ms"])[-samples:], np.asarray(columns[name])[-samples:]
    if len(times) < 2 or times[-1] <= times[0]:
        return None
    return float(max(values[-1] - values[0], 0.0) / (times[-1] - times[0]) * 1000.0)


def serving_spans(seconds: Sequence[int], models: Sequence[str | None]) -> list[tuple[str, int, int]]:
    """Return which model served from when to when, oldest first.

    >>> serving_spans([1, 2, 3], ["naive", "naive", "tf-1"])
    [('naive', 1, 2), ('tf-1', 3, 3)]
    """
    spans: list[tuple[str, int, int]] = []
    for second, model in zip(seconds, models, strict=True):
        name = model or "none"
        if spans and spans[-1][0] == name:
            spans[-1] = (name, spans[-1][1], int(second))
        else:
            spans.append((name, int(second), int(second)))
    return spans
