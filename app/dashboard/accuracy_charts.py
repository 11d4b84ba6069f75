"""Figures of skill, calibration and errors."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.board.views import PastOutcomes
from app.dashboard.charts import TIME, Figure, Floats, Trace, downsample, epoch_ms, figure, line, with_gaps
from app.dashboard.theme import BLUE, GREEN, GREY, OF_KIND, SERIES, faded
from app.records import Score

TARGETS = {"0.9": (0.88, 0.92), "0.5": (0.48, 0.52)}  # coverage, the promise of DESIGN §9
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
MIDDLE = ("below 5 %", "5–25 %", "25–50 %", "50–75 %", "75–95 %", "above 95 %")


def colours(rows: Sequence[Score]) -> dict[str, str]:
    """Return model → colour: each kind has its own, further models of a kind take the next ones."""
    found: dict[str, str] = {}
    for row in rows:
        if row.model not in found:
            own = OF_KIND.get(row.kind, GREY)
            spare = [colour for colour in SERIES if colour not in found.values()] or [GREY]
            found[row.model] = own if own not in found.values() else spare[0]
    return found


def skill_figure(rows: Sequence[Score]) -> Figure:
    """Return each model's skill per horizon with its 95 % interval; zero is the naive forecast."""
    horizons = sorted({row.horizon_s for row in rows})
    shown = {model: colour for model, colour in colours(rows).items() if _kind(rows, model) != "naive"}
    traces = [
        _whiskers(model, colour, [row for row in rows if row.model == model], horizons, at, len(shown))
        for at, (model, colour) in enumerate(shown.items())
    ]
    bound = max([0.02, *(min(abs(edge), 0.3) for trace in traces for edge in trace["reach"])])
    for trace in traces:
        del trace["reach"]
    return figure(
        traces, height=300, hovermode="closest", shapes=[_level(0.0)],
        xaxis=_horizon_axis(horizons), yaxis={"tickformat": ".1%", "range": [-bound * 1.15, bound * 1.15]},
    )  # fmt: skip


def _kind(rows: Sequence[Score], model: str) -> str:
    return next(str(row.kind) for row in rows if row.model == model)


def _positions(rows: Sequence[Score], horizons: Sequence[int], at: int, count: int) -> list[float]:
    # Models stand side by side at each horizon.
    return [horizons.index(row.horizon_s) + (at - (count - 1) / 2) * 0.16 for row in rows]


def _whiskers(model: str, colour: str, rows: Sequence[Score], horizons: Sequence[int], at: int, count: int) -> Trace:
    known = sorted(rows, key=lambda row: row.horizon_s)
    skill = [row.skill for row in known]
    up = [row.skill_high - row.skill for row in known]
    down = [row.skill - row.skill_low for row in known]
    certain = [row for row in known if row.skill_high - row.skill_low < 1] or []
    return {
        "type": "scatter", "mode": "markers", "name": model, "x": _positions(known, horizons, at, count), "y": skill,
        "marker": {"color": colour, "size": 10},
        "error_y": {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "color": colour,
                    "thickness": 1.6},
        "customdata": [[row.horizon_s, row.p_value, row.n] for row in known],
        "hovertemplate": "%{customdata[0]} s: %{y:.2%}, p = %{customdata[1]:.3f}, n = %{customdata[2]:,}",
        "reach": [edge for row in certain for edge in (row.skill_low, row.skill_high)] + skill,
    }  # fmt: skip


def _horizon_axis(horizons: Sequence[int]) -> dict[str, Any]:
    return {"tickvals": list(range(len(horizons))), "ticktext": [f"{horizon} s" for horizon in horizons],
            "range": [-0.5, len(horizons) - 0.5]}  # fmt: skip


def _level(y: float) -> dict[str, Any]:
    return {"type": "line", "x0": 0, "x1": 1, "xref": "paper", "y0": y, "y1": y,
            "line": {"color": GREY, "width": 1.4, "dash": "dash"}}  # fmt: skip


def coverage_figure(rows: Sequence[Score]) -> Figure:
    """Return the share of outcomes inside the 90 % (filled) and 50 % (open) intervals, with their target bands."""
    horizons = sorted({row.horizon_s for row in rows})
    models = colours(rows)
    traces = [
        _coverage(model, width, colour, [row for row in rows if row.model == model], horizons, (at, len(models)))
        for at, (model, colour) in enumerate(models.items())
        for width in TARGETS
    ]
    bands = [
        {"type": "rect", "x0": 0, "x1": 1, "xref": "paper", "y0": low, "y1": high, "line": {"width": 0},
         "fillcolor": faded(GREEN, 0.22), "layer": "below"}
        for low, high in TARGETS.values()
    ]  # fmt: skip
    lowest = min((share for row in rows for width, share in row.coverage.items() if width in TARGETS), default=1.0)
    axis = {"tickformat": ".0%", "range": [max(-0.02, min(0.3, lowest - 0.05)), 1.02]}
    return figure(traces, height=300, hovermode="closest", shapes=bands, xaxis=_horizon_axis(horizons), yaxis=axis)


def _coverage(
    model: str, width: str, colour: str, rows: Sequence[Score], horizons: Sequence[int], slot: tuple[int, int]
) -> Trace:
    known = sorted((row for row in rows if width in row.coverage), key=lambda row: row.horizon_s)
    filled = width == "0.9"
    return {
        "type": "scatter", "mode": "markers", "name": model, "legendgroup": model, "showlegend": filled,
        "x": _positions(known, horizons, *slot), "y": [row.coverage[width] for row in known],
        "marker": {"color": colour, "size": 10, "symbol": "circle" if filled else "circle-open", "line": {"width": 2}},
        "hovertemplate": f"{model}: %{{y:.1%}} inside its {float(width):.0%} interval<extra></extra>",
    }  # fmt: skip


def pit_figure(row: Score) -> Figure:
    """Return the PIT histogram of one forecaster: observed share ÷ expected share of each quantile bin; 1 is right."""
    expected = np.diff([0.0, *LEVELS, 1.0])
    ratio = np.asarray(row.pit, np.float64) / expected
    trace = {"type": "bar", "x": list(MIDDLE), "y": ratio, "marker": {"color": BLUE, "opacity": 0.85},
             "name": row.model, "customdata": np.column_stack([row.pit, expected]),
             "hovertemplate": "%{customdata[0]:.1%} of outcomes, %{customdata[1]:.0%} expected<extra></extra>",
             }  # fmt: skip
    return figure([trace], height=300, hovermode="closest", shapes=[_level(1.0)], showlegend=False,
                  yaxis={"range": [0, max(2.0, float(ratio.max()) * 1.1)]})  # fmt: skip


def errors_figure(outcomes: PastOutcomes, window_s: int = 60) -> Figure:
    """Return the absolute error over time, mean of `window_s` outcomes, in basis points: served and naive."""
    served = np.abs(outcomes.realised - outcomes.mean) * 1e4
    naive = np.abs(outcomes.realised) * 1e4
    columns = {"second": outcomes.second, "served": rolling(served, window_s), "naive": rolling(naive, window_s)}
    rows = downsample(columns)
    seconds, served, naive = with_gaps(rows["second"], rows["served"], rows["naive"])
    x = epoch_ms(seconds)
    return figure(
        [line("no change (naive)", x, naive, GREY, dash="dash"), line("served", x, served, BLUE, width=2.2)],
        height=300, yaxis={"rangemode": "tozero", "ticksuffix": " bp"}, xaxis=TIME,
    )  # fmt: skip


def rolling(values: Floats, window: int) -> Floats:
    """Return the mean of the last `window` values at each position; of fewer at the beginning.

    >>> rolling(np.array([1.0, 3.0, 5.0]), 2).tolist()
    [1.0, 2.0, 4.0]
    """
    total = np.cumsum(np.concatenate([[0.0], values]))
    counts = np.arange(1, len(values) + 1)
    starts = np.maximum(counts - window, 0)
    return np.asarray((total[counts] - total[starts]) / np.maximum(counts - starts, 1))
