"""The stochastic process of the synthetic market's log mid price, hour by hour.

Per second s, with log mid m, volatility σ and a latent order-flow signal x of unit variance:

    x[s] = φ x[s−1] + sqrt(1 − φ²) η[s]            φ = exp(−1 / signal_decay_s)
    m[s] = m[s−1] + drift · σ_hour · x[s] + σ[s] ε[s]        η, ε independent standard normal

x shows in trades (their side) and quotes (queue imbalance), see `order_flow`; so the future is partly predictable:

    E[m[t+h] − m[t] | x[t]] = drift · σ_hour · x[t] · Σ_{k=1..h} φ^k

With `martingale` the drift is zero: trades and quotes look the same and say nothing about the future.
σ follows the hour of the week, an AR(1) over hours and an AR(1) over minutes (volatility clusters).

Any hour can be simulated without those before it. The values of m and x at full hours, and their changes between,
are drawn first, from one vector per symbol; the seconds are then drawn freely and conditioned on them. Gaussian
bridges have exactly the distribution above (Doob; for x and its sum: conditioning of a Gaussian vector, Rasmussen &
Williams 2006, A.2), so a martingale stays one. Hours start 2024-01-01, a Monday.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from app.emulator.columns import Floats, Ints
from app.emulator.instruments import Instrument
from app.emulator.market_source import MarketSourceError

EPOCH_S = 1_704_067_200  # 2024-01-01T00:00:00Z
HOUR_S = 3600
WEEK_HOURS = 168
YEAR_HOURS = 8760
ANCHORS, SECONDS, FLOW, QUOTES, BOOK = range(5)  # purposes, each with a random generator of its own


@dataclass(frozen=True, slots=True)
class PriceProcess:
    """The parameters of the process; two equal values make the same market to the last digit."""

    seed: int
    martingale: bool = False
    ticks_per_s: float = 30.0  # trades and quotes of one symbol, weekly mean
    volatility: float = 3e-5  # of one second's log return, weekly median
    signal_decay_s: float = 8.0
    signal_strength: float = 0.12  # drift of the log mid per second, in units of σ_hour · x

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**63:
            raise MarketSourceError(f"seed {self.seed} is out of range; choose 0 to 2^63 − 1")
        if not 0.3 <= self.ticks_per_s <= 10_000:
            raise MarketSourceError(f"ticks per second {self.ticks_per_s} is out of range; choose 0.3 to 10000")

    @property
    def drift(self) -> float:
        """`signal_strength`, or zero in a martingale."""
        return 0.0 if self.martingale else self.signal_strength

    @property
    def decay(self) -> float:
        """φ, the autocorrelation of the signal after one second."""
        return float(np.exp(-1 / self.signal_decay_s))

    @property
    def hourly_trades(self) -> Ints:
        """Exact number of trades in each hour of the week, shape [168]; it makes ids consecutive in all hours."""
        return np.rint(self.ticks_per_s / 3 * HOUR_S * week_profile()).astype(np.int64)

    def generator(self, symbol: str, purpose: int, index: int) -> np.random.Generator:
        """Return the random generator for one purpose, one symbol and one span of time."""
        return np.random.default_rng([self.seed, zlib.crc32(symbol.encode()), purpose, index])


@dataclass(frozen=True, slots=True)
class SimulatedHour:
    """One hour of one symbol, by second."""

    index: int  # hours since EPOCH_S
    log_mid: Floats  # [3601] at the full seconds, both ends included
    sigma: Floats  # [3600] of each second
    sigma_hour: float
    signal: Floats  # [3600] x during each second
    first_ids: Ints  # [61] first trade id of each minute, and of the next hour

    @property
    def start_s(self) -> int:
        """First epoch second."""
        return EPOCH_S + self.index * HOUR_S


class Anchors(NamedTuple):
    """Values drawn for all hours before their seconds, which the seconds are conditioned on; every array by hour."""

    log_mid: Floats  # at the start of the hour
    sigma: Floats
    noise: Floats  # Σ σ ε over the hour
    signal: Floats  # x at the start of the hour, one longer
    signal_sum: Floats  # Σ x over the hour


@lru_cache(maxsize=1)
def week_profile() -> Floats:
    """Return activity by hour of the week, [168], mean 1: highest when Europe and America trade, lower at weekends."""
    hour = np.arange(WEEK_HOURS)
    day = 1 + 0.45 * np.cos((hour - 14.5) * 2 * np.pi / 24) + 0.12 * np.cos((hour - 1.5) * 4 * np.pi / 24)
    week = np.where(hour < 120, day, 0.65 * day)
    return np.asarray(week / week.mean())


def ar1_path(innovations: Floats, decay: float) -> Floats:
    """Return the AR(1) path y[i] = decay · y[i−1] + innovations[i].

    By a doubling scan (Hillis & Steele 1986): log2(n) array steps.
    """
    y, step = innovations.copy(), 1
    while step < len(y) and decay**step > 1e-18:
        y[step:] = y[step:] + decay**step * y[:-step]
        step *= 2
    return y


def simulate_hour(process: PriceProcess, instrument: Instrument, index: int) -> SimulatedHour:
    """Return the hour with this index (hours since EPOCH_S, not negative): prices, volatility and signal by second."""
    years = -(-(index + 2) // YEAR_HOURS)
    anchors = _anchors(process, instrument, years * YEAR_HOURS)
    random = process.generator(instrument.symbol, SECONDS, index)
    sigma_hour = float(anchors.sigma[index])
    minutes = np.exp(0.25 * ar1_path(random.standard_normal(60) * np.sqrt(1 - 0.9**2), 0.9))
    sigma = np.repeat(sigma_hour * minutes / np.sqrt(np.mean(minutes**2)), 60)
    noise = sigma * random.standard_normal(HOUR_S)
    noise += sigma**2 / np.sum(sigma**2) * (anchors.noise[index] - noise.sum())
    signal = _signal(process.decay, anchors, index, random.standard_normal(HOUR_S))
    path = anchors.log_mid[index] + np.cumsum(noise + process.drift * sigma_hour * signal)
    log_mid = np.concatenate((anchors.log_mid[index : index + 1], path[:-1], anchors.log_mid[index + 1 : index + 2]))
    return SimulatedHour(index, log_mid, sigma, sigma_hour, signal, _first_ids(process, instrument, index, minutes))


def trades_before(process: PriceProcess, index: int) -> int:
    """Return how many trades a symbol had in all hours before this one."""
    weeks, hour = divmod(index, WEEK_HOURS)
    per_hour = process.hourly_trades
    return int(weeks * per_hour.sum() + per_hour[:hour].sum())


def hour_of_trade(process: PriceProcess, instrument: Instrument, trade_id: int) -> int:
    """Return the index of the hour that holds this trade."""
    ends = np.cumsum(process.hourly_trades)
    weeks, in_week = divmod(max(0, trade_id - instrument.first_trade_id), int(ends[-1]))
    return weeks * WEEK_HOURS + int(np.searchsorted(ends, in_week, side="right"))


def _first_ids(process: PriceProcess, instrument: Instrument, index: int, activity: Floats) -> Ints:
    """Return the first trade id of each minute, trades shared out by activity: shape [61]."""
    share = np.concatenate(([0.0], np.cumsum(activity))) / activity.sum()
    count = process.hourly_trades[index % WEEK_HOURS]
    first_id = instrument.first_trade_id + trades_before(process, index)
    return np.asarray(first_id + np.rint(share * count), np.int64)


@lru_cache(maxsize=64)
def _anchors(process: PriceProcess, instrument: Instrument, hours: int) -> Anchors:
    """Return the anchors of the first so many hours; more hours change none of them."""
    normal = process.generator(instrument.symbol, ANCHORS, 0).standard_normal((hours + 1, 4))
    slow = ar1_path(normal[:-1, 0] * np.sqrt(1 - 0.95**2), 0.95)
    profile = np.sqrt(np.resize(week_profile(), hours))
    sigma = np.clip(process.volatility * profile * np.exp(0.25 * slow), 1e-5, 6e-5)
    noise = sigma * np.sqrt(HOUR_S) * normal[:-1, 1]
    signal = normal[:, 2]
    bridge = _bridge(process.decay)
    total = bridge.from_start * signal[:-1] + bridge.from_end * signal[1:] + bridge.deviation * normal[:-1, 3]
    moves = noise + process.drift * sigma * total
    log_mid = np.log(instrument.first_price) + np.concatenate(([0.0], np.cumsum(moves)[:-1]))
    return Anchors(log_mid, sigma, noise, signal, total)


class _Bridge(NamedTuple):
    """Distribution of an AR(1) path over an hour given both its ends and its sum."""

    from_start: float  # E[Σx | ends] = from_start · x[0] + from_end · x[T]
    from_end: float
    deviation: float  # of Σx given the ends
    gain: Floats  # [3600, 2] correction of each second per error in (x[T], Σx)


@lru_cache(maxsize=4)
def _bridge(decay: float) -> _Bridge:
    """Gaussian conditioning; x has unit variance, covariances are given x[0]: φ^|s−u| − φ^(s+u)."""
    s = np.arange(1, HOUR_S + 1)
    with_end = decay ** (HOUR_S - s) * (1 - decay ** (2.0 * s))
    before, after = (1 - decay**s) / (1 - decay), decay * (1 - decay ** (HOUR_S - s)) / (1 - decay)
    geometric = float(decay * (1 - decay**HOUR_S) / (1 - decay))
    with_sum = before + after - decay**s * geometric
    variance = np.array([[with_end[-1], with_sum[-1]], [with_sum[-1], with_sum.sum()]])
    gain = np.stack((with_end, with_sum), axis=1) @ np.linalg.inv(variance)
    slope = float(variance[0, 1] / variance[0, 0])
    deviation = float(np.sqrt(variance[1, 1] - variance[0, 1] * slope))
    return _Bridge(geometric - slope * float(decay**HOUR_S), slope, deviation, gain)


def _signal(decay: float, anchors: Anchors, index: int, normal: Floats) -> Floats:
    """Return x during the hour's seconds, between the anchored ends and with the anchored sum."""
    innovations = normal * np.sqrt(1 - decay**2)
    innovations[0] += decay * anchors.signal[index]
    free = ar1_path(innovations, decay)
    error = np.array([anchors.signal[index + 1] - free[-1], anchors.signal_sum[index] - free.sum()])
    return np.asarray(free + _bridge(decay).gain @ error)
