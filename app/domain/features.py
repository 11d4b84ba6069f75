"""Features, float32 [S, F], and volatility σ of a `BarWindow`: the same code live and in training.

Every group of features is declared below, once: names, bounds, formula and source. All are finite and bounded, and
free of scale: the same numbers whatever the price level, tick or lot. r is the log return of the reference price
(mid, or last trade where nothing is quoted), Σₖ the sum over the newest k seconds, σ the symbol's volatility. The
hour of the day is left out on purpose: a model trained on a few hours would memorise them. So is the level of the
trade count: klines count single trades, the live stream aggregate trades, and only ratios mean the same in both.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.domain.bar_window import WINDOW_S, BarWindow, Plane, queue_imbalance
from app.domain.bars import Channel, Floats
from app.domain.volatility import half_spread, ratio, volatility

VERSION = 1  # raise it when a formula changes under the same name
VOLATILITY = "volatility"  # the name σ has among the bars of `FeatureRows` and `FeatureBatch`
SCALES = (1, 2, 5, 10, 30, 60, 300)


class FeatureValues(NamedTuple):
    """Features and volatility of each row."""

    features: NDArray[np.float32]  # [S, F], columns in the order of `NAMES`
    volatility: Floats  # [S], of the log mid, per square root of a second


@dataclass(frozen=True, slots=True)
class FeatureInput:
    """The quantities the formulas are written in."""

    view: BarWindow
    sums: dict[int, Floats]  # seconds → planes summed over them [P, S]
    sigma: Floats  # [S]

    def over(self, plane: Plane, scales: tuple[int, ...]) -> Floats:
        """Return one plane summed over each scale, float64 [len(scales), S]."""
        return np.array([self.sums[scale][plane] for scale in scales])

    def mean(self, plane: Plane, per: Plane, scales: tuple[int, ...]) -> Floats:
        """Return Σₖ plane ÷ Σₖ per for each scale, 0 where there is nothing, float64 [len(scales), S]."""
        return ratio(self.over(plane, scales), self.over(per, scales))

    def bar(self, channel: Channel) -> Floats:
        """Return a column of the newest bars, float64 [S]."""
        return np.asarray(self.view.last[:, channel])


Formula = Callable[[FeatureInput, tuple[int, ...]], Floats]


@dataclass(frozen=True, slots=True)
class FeatureGroup:
    """Features of one kind, on one or more scales."""

    name: str
    scales: tuple[int, ...]
    low: float
    high: float
    formula: Formula

    @property
    def names(self) -> tuple[str, ...]:
        """Return the features' names.

        >>> FeatureGroup("queue", (5, 10), -1, 1, _queue).names
        ('queue_5', 'queue_10')
        """
        return tuple(f"{self.name}_{scale}" for scale in self.scales) or (self.name,)


def compute(view: BarWindow) -> FeatureValues:
    """Return the features of every row of `view`, each row by itself: no row changes another's numbers by one bit."""
    given = FeatureInput(view, {scale: view.sums(scale) for scale in SCALES}, volatility(view))
    rows = np.concatenate([np.atleast_2d(group.formula(given, group.scales)) for group in FEATURE_GROUPS])
    features = np.ascontiguousarray(np.clip(rows, _LOW, _HIGH).T.astype(np.float32))
    return FeatureValues(features, given.sigma)


def describe() -> list[tuple[str, str, float, float]]:
    """Return name, formula with source, least and greatest value of each feature, for the docs."""
    return [
        (name, " ".join((group.formula.__doc__ or "").split()), group.low, group.high)
        for group in FEATURE_GROUPS
        for name in group.names
    ]


def _return(given: FeatureInput, scales: tuple[int, ...]) -> Floats:
    """Σₖ r ÷ (σ·√k), k the seconds those returns cover. Source: time-series momentum, Moskowitz, Ooi, Pedersen 2012."""
    covered = np.maximum(given.over(Plane.SPAN, scales), _column(scales))
    return given.over(Plane.RETURN, scales) / (given.sigma * np.sqrt(covered))


def _volatility(given: FeatureInput, scales: tuple[int, ...]) -> Floats:
    """½·ln(RVₖ ÷ σ² + 0.01), RVₖ = Σₖ r² ÷ Σₖ span. Source: HAR, Corsi 2009."""
    relative = given.mean(Plane.SQUARE, Plane.SPAN, scales) / (given.sigma * given.sigma)
    return np.asarray(0.5 * np.log(relative + 0.01))


def _autocorrelation(given: FeatureInput, scales: tuple[int, ...]) -> Floats:
    """Σₖ r(t)·r(t − 1) ÷ Σₖ r²: bid–ask bounce is below 0. Source: Roll 1984."""
    returns = [given.view.window[Plane.RETURN][:, -scale:] for scale in scales]
    products = np.array([np.add.reduce(r[:, 1:] * r[:, :-1], axis=-1) for r in returns])
    return ratio(products, given.over(Plane.SQUARE, scales))


def _trade_flow(given: FeatureInput, scales: tuple[int, ...]) -> Floats:
    """Σₖ (bought − sold) ÷ Σₖ volume, by the taker. Source: Chordia, Roll, Subrahmanyam 2002."""
    return given.mean(Plane.FLOW, Plane.VOLUME, scales)


def _order_flow(given: FeatureInput, scales: tuple[int, ...]) -> Floats:
    """± ln(1 + |x|), x = Σₖ OFI ÷ (mean depth of 30 s · √k). Source: Cont, Kukanov, Stoikov 2014."""
    depth = given.mean(Plane.DEPTH, Plane.QUOTED, (30,))
    flow = ratio(given.over(Plane.OFI, scales), depth * np.sqrt(_column(scales)))
    return np.asarray(np.sign(flow) * np.log1p(np.abs(flow)))


def _queue_now(given: FeatureInput, _scales: tuple[int, ...]) -> Floats:
    """(bid size − ask size) ÷ (bid size + ask size), now. Source: Gould, Bonart 2016."""
    return queue_imbalance(given.view.last)


def _queue(given: FeatureInput, scales: tuple[int, ...]) -> Floats:
    """Mean over k seconds of the queue imbalance at each second's end. Source: Gould, Bonart 2016."""
    return given.mean(Plane.QUEUE, Plane.QUOTED, scales)


def _microprice(given: FeatureInput, _scales: tuple[int, ...]) -> Floats:
    """(size-weighted mid − mid) ÷ mid ÷ σ. Source: Stoikov, "The micro-price", 2018."""
    return half_spread(given.view.last) * queue_imbalance(given.view.last) / given.sigma


def _spread(given: FeatureInput, _scales: tuple[int, ...]) -> Floats:
    """ln(1 + (ask − bid) ÷ mid ÷ σ). Source: Wyart, Bouchaud, Kockelkoren, Potters, Vettorazzo 2008."""
    return np.asarray(np.log1p(2.0 * half_spread(given.view.last) / given.sigma))


def _last_trade(given: FeatureInput, _scales: tuple[int, ...]) -> Floats:
    """ln(last trade ÷ mid) ÷ σ, 0 unless both are known. Source: Glosten, Harris 1988."""
    relative = ratio(given.bar(Channel.PRICE), given.bar(Channel.MID))
    return np.asarray(np.log(np.where(relative > 0, relative, 1.0)) / given.sigma)


def _trade_burst(given: FeatureInput, scales: tuple[int, ...]) -> Floats:
    """ln(1 + trade rate over k seconds ÷ that over 300). Source: Hawkes clustering, Bacry, Mastromatteo, Muzy 2015."""
    return _burst(given, Plane.TRADES, scales)


def _volume_burst(given: FeatureInput, scales: tuple[int, ...]) -> Floats:
    """ln(1 + volume a second over k seconds ÷ that over 300). Source: Karpoff 1987."""
    return _burst(given, Plane.VOLUME, scales)


def _range(given: FeatureInput, scales: tuple[int, ...]) -> Floats:
    """ln(1 + ρ ÷ σ), ρ² = Σₖ ln(high ÷ low)² ÷ (4·ln 2·Σₖ present). Source: Parkinson 1980."""
    square = given.mean(Plane.RANGE, Plane.PRESENT, scales) / (4.0 * np.log(2.0))
    return np.asarray(np.log1p(np.sqrt(square) / given.sigma))


def _since_trade(given: FeatureInput, _scales: tuple[int, ...]) -> Floats:
    """ln(1 + seconds since the last trade), at most 300 and 300 before the first. Source: Engle, Russell 1998."""
    age = np.where(given.bar(Channel.TRADED) > 0, given.bar(Channel.SINCE_TRADE_S), WINDOW_S)
    return np.asarray(np.log1p(np.minimum(age, WINDOW_S)))


def _quoted(given: FeatureInput, _scales: tuple[int, ...]) -> Floats:
    """1 where a quote is known: the features of quotes are 0 without. Source: mask."""
    return given.bar(Channel.QUOTED)


def _present(given: FeatureInput, _scales: tuple[int, ...]) -> Floats:
    """Share of the window's seconds that are present. Source: mask."""
    return np.asarray(given.sums[WINDOW_S][Plane.PRESENT] / given.view.window.shape[-1])


def _burst(given: FeatureInput, plane: Plane, scales: tuple[int, ...]) -> Floats:
    usual = given.mean(plane, Plane.PRESENT, (WINDOW_S,))
    return np.asarray(np.log1p(ratio(given.mean(plane, Plane.PRESENT, scales), usual)))


def _column(scales: tuple[int, ...]) -> Floats:
    return np.array(scales, dtype=np.float64)[:, None]


FEATURE_GROUPS = (
    FeatureGroup("return", SCALES, -6, 6, _return),
    FeatureGroup("volatility", (10, 30, 60, 300), -3, 3, _volatility),
    FeatureGroup("autocorrelation", (60,), -1, 1, _autocorrelation),
    FeatureGroup("trade_flow", (1, 5, 10, 30, 60), -1, 1, _trade_flow),
    FeatureGroup("order_flow", (1, 5, 10, 30), -6, 6, _order_flow),
    FeatureGroup("queue_now", (), -1, 1, _queue_now),
    FeatureGroup("queue", (5, 10), -1, 1, _queue),
    FeatureGroup("microprice", (), -6, 6, _microprice),
    FeatureGroup("spread", (), 0, 6, _spread),
    FeatureGroup("last_trade", (), -6, 6, _last_trade),
    FeatureGroup("trade_burst", (5, 60), 0, 5, _trade_burst),
    FeatureGroup("volume_burst", (5,), 0, 5, _volume_burst),
    FeatureGroup("range", (10, 60), 0, 4, _range),
    FeatureGroup("since_trade", (), 0, 6, _since_trade),
    FeatureGroup("quoted", (), 0, 1, _quoted),
    FeatureGroup("present", (), 0, 1, _present),
)
NAMES: tuple[str, ...] = tuple(name for group in FEATURE_GROUPS for name in group.names)
SCHEMA = hashlib.sha256(f"{VERSION}:{','.join(NAMES)}".encode()).hexdigest()[:12]
_LOW = np.array([[group.low] for group in FEATURE_GROUPS for _name in group.names], dtype=np.float64)
_HIGH = np.array([[group.high] for group in FEATURE_GROUPS for _name in group.names], dtype=np.float64)
