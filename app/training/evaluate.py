"""Is it better than naive, or lucky? What enters: forecasters and unseen rows; what leaves: a verdict per horizon.

Errors are log returns in units of the symbol's usual move (its mean volatility·√h): a symbol's quiet seconds count for
little, and a wild symbol for no more than a calm one. They are averaged over the symbols of a second first, so that
symbols moving together do not count as independent evidence. Outcomes of horizon h overlap for h seconds; both tests
know it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy.stats import t as student

from app.domain.forecast import LEVELS, Floats, Forecaster, pinball, unit
from app.domain.labels import Examples
from app.domain.long_run_variance import by_second, long_run_variance, rows_of

RESAMPLES = 1000
ROUNDING = 1e-5  # of naive's loss: a float32 model that says the same as naive must not look surely better
LEAK_DIRECTION, LEAK_HORIZON_S = 0.57, 60  # nobody honest is right more often that far ahead (FACTS.md)


@dataclass(frozen=True)
class Verdict:
    """One forecaster at one horizon against naive, on rows it never saw; errors in units of the symbol's usual move."""

    horizon_s: int
    n: int  # outcomes
    pinball: float  # mean over the levels
    skill: float  # 1 − pinball ÷ naive's
    skill_low: float  # 95 % confidence, moving block bootstrap
    skill_high: float
    p_value: float  # one-sided Diebold–Mariano: gains as large if it were no better than naive
    r2: float  # 1 − squared error ÷ that of "no change"
    mae: float
    rmse: float
    direction: float  # share of non-zero moves whose sign the mean had right; 0.5 where it never said one
    coverage_90: float
    coverage_50: float

    @property
    def suspicious(self) -> bool:
        """Too good to be true: the future probably leaked into the features."""
        return self.horizon_s >= LEAK_HORIZON_S and self.direction > LEAK_DIRECTION


def evaluate(
    forecasters: Mapping[str, Forecaster], rows: Examples, horizons_s: Sequence[int],
    levels: Sequence[float] = LEVELS, reference: str = "naive",
) -> dict[str, list[Verdict]]:  # fmt: skip
    """Return a verdict per forecaster and horizon; `reference` names the forecaster they are compared with."""
    scale, moved = unit(rows.usual, horizons_s), rows.z * unit(rows.volatility, horizons_s)
    safe = np.where(scale > 0, scale, 1.0)
    said: dict[str, tuple[Floats, Floats]] = {}
    for name, forecaster in forecasters.items():
        mean, quantiles = forecaster(rows.features, rows.volatility)
        said[name] = np.asarray(mean / safe, np.float64), np.asarray(quantiles / safe[:, :, None], np.float64)
    rows = replace(rows, z=moved / safe, mask=rows.mask & (scale > 0))
    naive = pinball(rows.z, said[reference][1], levels)
    return {
        name: [
            _verdict(rows, h, horizon, mean[:, h], quantiles[:, h], naive[:, h], levels)
            for h, horizon in enumerate(horizons_s)
        ]
        for name, (mean, quantiles) in said.items()
    }


def _verdict(
    rows: Examples, h: int, horizon: int, mean: Floats, quantiles: Floats, naive: Floats,
    levels: Sequence[float],
) -> Verdict:  # fmt: skip
    mask = rows.mask[:, h]
    if not mask.any():
        return Verdict(horizon, 0, 0.0, 0.0, -1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0)
    z, second = rows.z[mask, h], rows.second[mask]
    mean, quantiles, naive = mean[mask], quantiles[mask], naive[mask]
    loss = pinball(z, quantiles, levels)
    gain, base = by_second(naive - loss, second), by_second(naive, second)
    gain = np.where(np.abs(gain) < ROUNDING * base.mean(), 0.0, gain)
    lags = rows_of(horizon, second)
    low, high = bootstrap_skill(gain, base, lags)
    error, moved = z - mean, (z != 0) & (mean != 0)
    return Verdict(
        horizon_s=horizon, n=len(z), pinball=float(loss.mean()), skill=float(1 - loss.sum() / naive.sum()),
        skill_low=low, skill_high=high, p_value=diebold_mariano(gain, lags),
        r2=float(1 - (error**2).sum() / max((z**2).sum(), 1e-300)),
        mae=float(np.abs(error).mean()), rmse=float(np.sqrt((error**2).mean())),
        direction=float((np.sign(z) == np.sign(mean))[moved].mean()) if moved.any() else 0.5,
        coverage_90=_covered(z, quantiles, 0), coverage_50=_covered(z, quantiles, 1),
    )  # fmt: skip


def _covered(z: Floats, quantiles: Floats, inward: int) -> float:
    """Share of outcomes between a pair of quantiles: the outermost (0), the next (1), …"""
    return float(((z >= quantiles[:, inward]) & (z <= quantiles[:, -1 - inward])).mean())


def diebold_mariano(gain: Floats, lags: int) -> float:
    """Return the one-sided p-value that the mean gain [T] is not positive, for outcomes that overlap for `lags` rows.

    Diebold & Mariano 1995 with the correction of Harvey, Leybourne & Newbold 1997. The long-run variance is Newey &
    West's (1987) with twice the overlap as bandwidth: at exactly the overlap its weights would miss a third of it.
    The statistic is compared with Student's t of 1.5·T ÷ bandwidth degrees (the estimate's own), so a few
    overlapping outcomes never look like proof. Too few rows, or no variation: 1.
    """
    count, bandwidth = len(gain), 2 * lags
    shrink = (count + 1 - 2 * lags + lags * (lags - 1) / max(count, 1)) / max(count, 1)
    if count < 2 * bandwidth or shrink <= 0:
        return 1.0
    variance = long_run_variance(gain, bandwidth)
    if variance <= 0:
        return 1.0
    statistic = gain.mean() / np.sqrt(variance / count) * np.sqrt(shrink)
    return float(student.sf(statistic, df=max(1.0, min(count - 1, 1.5 * count / bandwidth))))


def bootstrap_skill(gain: Floats, base: Floats, lags: int, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of Σgain ÷ Σbase from moving blocks (Künsch 1989) of twice the overlap or more.

    With fewer than ten such blocks nothing can be said: (−1, 1).
    """
    length = max(2 * lags, 30)
    if len(gain) < 10 * length:
        return -1.0, 1.0
    pairs = np.stack([gain, base])
    sums = np.cumsum(np.pad(pairs, ((0, 0), (1, 0))), axis=1)
    blocks = sums[:, length:] - sums[:, :-length]
    drawn = np.random.default_rng(seed).integers(0, blocks.shape[1], (RESAMPLES, -(-len(gain) // length)))
    skills = blocks[0][drawn].sum(axis=1) / blocks[1][drawn].sum(axis=1)
    low, high = np.quantile(skills, (0.025, 0.975))
    return float(low), float(high)


def metrics(verdicts: Sequence[Verdict], prefix: str = "") -> dict[str, float]:
    """Return verdicts as the flat figures of a release: {"skill_5s": 0.021, …, "suspicious": 0.0}."""
    flat = {
        f"{prefix}{name}_{verdict.horizon_s}s": round(value, 6)
        for verdict in verdicts
        for name, value in asdict(verdict).items()
        if name != "horizon_s"
    }
    return flat | {f"{prefix}suspicious": float(any(verdict.suspicious for verdict in verdicts))}
