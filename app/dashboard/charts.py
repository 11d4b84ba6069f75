"""What all charts share: bounded columns, lines, bands, and one look.

A figure is the plain `{data, layout}` of plotly.js: what `plotly_chart.draw` sends each second needs no validation.

`uirevision` is constant, so a refresh keeps what the visitor zoomed or hid; sizes are fixed, so nothing jumps.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.dashboard.theme import GREY, faded

POINTS = 600  # of one series on a screen
Trace = dict[str, Any]
Figure = dict[str, Any]  # data: traces, layout
Floats = NDArray[np.float64]
TIME = {
    "type": "date",
    "tickformatstops": [
        {"dtickrange": [None, 59_999], "value": "%H:%M:%S"},
        {"dtickrange": [60_000, None], "value": "%H:%M"},
    ],
    "nticks": 8,
    "hoverformat": "%H:%M:%S",
}


def figure(traces: Sequence[Trace], *, height: int = 320, **layout: Any) -> Figure:
    """Return traces as a figure in the common look; `layout` wins over it."""
    look: dict[str, Any] = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 30, "b": 8},
        "uirevision": "constant",
        "hovermode": "x unified",
        "dragmode": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "legend": {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "font": {"size": 11}},
        "xaxis": {"fixedrange": True, "automargin": True, "showgrid": False, "zeroline": False},
        "yaxis": {
            "fixedrange": True,
            "automargin": True,
            "gridcolor": faded(GREY, 0.22),
            "zeroline": False,
            "ticklabelstandoff": 4,
        },
    }
    for axis in ("xaxis", "yaxis"):
        look[axis] = look[axis] | layout.pop(axis, {})
    return {"data": list(traces), "layout": look | layout}


def epoch_ms(seconds: ArrayLike) -> Floats:
    """Return epoch seconds [T] as plotly.js wants times: epoch milliseconds, on an axis of `TIME`."""
    return np.asarray(seconds, np.float64) * 1000.0


def downsample(columns: Mapping[str, ArrayLike], limit: int = POINTS) -> dict[str, Any]:
    """Return every n-th row of equally long columns, at most `limit`, the newest always among them.

    >>> downsample({"second": np.arange(10)}, 4)["second"].tolist()
    [0, 3, 6, 9]
    """
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    rows = max((len(values) for values in arrays.values()), default=0)
    step = -(-rows // limit) if limit else 1
    return {name: values[(rows - 1) % step :: step] if step > 1 else values for name, values in arrays.items()}


def with_gaps(seconds: ArrayLike, *columns: ArrayLike) -> tuple[Floats, ...]:
    """Return seconds and columns with a NaN row in every gap, so that no line bridges what is missing.

    A gap is a distance of more than three times the usual one.

    >>> [part.tolist() for part in with_gaps([1, 2, 9], [5.0, 6.0, 7.0])]
    [[1.0, 2.0, 3.0, 9.0], [5.0, 6.0, nan, 7.0]]
    """
    times = np.asarray(seconds, np.float64)
    values = [np.asarray(column, np.float64) for column in columns]
    distances = np.diff(times)
    usual = float(np.median(distances)) if len(distances) > 2 else 1.0
    gaps = np.flatnonzero(distances > 3 * max(usual, 1.0))
    seconds_with_gaps = np.insert(times, gaps + 1, times[gaps] + 1.0)
    return (seconds_with_gaps, *(np.insert(value, gaps + 1, np.nan) for value in values))


def line(name: str, x: ArrayLike, y: ArrayLike, colour: str, **more: Any) -> Trace:
    """Return a line."""
    look = {"color": colour, "width": more.pop("width", 1.8), "dash": more.pop("dash", "solid")}
    return {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": y, "line": look, **more}


def band(name: str, x: ArrayLike, edges: tuple[ArrayLike, ArrayLike], colour: str, opacity: float) -> list[Trace]:
    """Return the area between a lower and an upper edge [T]."""
    invisible = {"type": "scatter", "mode": "lines", "x": x, "line": {"width": 0}, "hoverinfo": "skip"}
    return [
        {**invisible, "y": edges[0], "showlegend": False, "legendgroup": name, "name": name},
        {**invisible, "y": edges[1], "name": name, "legendgroup": name, "fill": "tonexty",
         "fillcolor": faded(colour, opacity)},
    ]  # fmt: skip
