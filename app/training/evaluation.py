"""Evaluation of forecasters on unseen rows: skill against naive, its significance, and error measures per horizon.

Errors are log returns in units of the symbol's mean volatility·√h: quiet seconds of a symbol count for little, and a
volatile symbol counts no more than a calm one. They are averaged over the symbols of a second first, so that symbols
that move together do not count as independent evidence. Outcomes of horizon h overlap for h seconds; both tests
account for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from scipy.stats import t as student

from app.domain.examples import Examples
from app.domain.forecast import LEVELS, Floats, Forecaster, horizon_volatility, pinball_loss
from app.domain.long_run_variance import long_run_variance, mean_by_second, overlap_rows

RESAMPLES = 1000
ROUNDING = 1e-5  # of naive's loss: a float32 model that equals naive must not look significantly better
LEAK_DIRECTION, LEAK_HORIZON_S = 0.57, 60  # a higher hit rate that far ahead means that the future leaked in


@dataclass(frozen=True)
class Evaluation:
    """One forecaster at one horizon against naive, on unseen rows; errors in mean volatility·√h of the symbol."""

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
    direction: float  # share of non-zero moves whose sign the mean had right; 0.5 where it is always 0
    coverage_90: float
    coverage_50: float

    @property
    def is_suspicious(self) -> bool:
        """Whether the direction is too good: the future probably leaked into the features."""
        return self.horizon_s >= LEAK_HORIZON_S and self.direction > LEAK_DIRECTION


def evaluate(
    forecasters: Mapping[str, Forecaster], rows: Examples, horizons_s: Sequence[int],
    levels: Sequence[float] = LEVELS, reference: str = "naive",
) -> dict[str, list[Evaluation]]:  # fmt: skip
    """Return an evaluation per forecaster and horizon; `reference` names the forecaster they are compared with."""
    scale, moved = (
        horizon_volatility(rows.mean_volatility, horizons_s),
        rows.z * horizon_volatility(rows.volatility, horizons_s),
    )
    safe = np.where(scale > 0, scale, 1.0)
    forecasts: dict[str, tuple[Floats, Floats]] = {}
    for name, forecaster in forecasters.items():
        mean, quantiles = forecaster(rows.features, rows.volatility)
        forecasts[name] = np.asarray(mean / safe, np.float64), np.asarray(quantiles / safe[:, :, None], np.float64)
    rows = replace(rows, z=moved / safe, mask=rows.mask & (scale > 0))
    naive = pinball_loss(rows.z, forecasts[reference][1], levels)
    return {
        name: [
            _evaluation(rows, h, horizon, mean[:, h], quantiles[:, h], naive[:, h], levels)
            for h, horizon in enumerate(horizons_s)
        ]
        for name, (mean, quantiles) in forecasts.items()
    }


def _evaluation(
    rows: Examples, h: int, horizon: int, mean: Floats, quantiles: Floats, naive: Floats,
    levels: Sequence[float],
) -> Evaluation:  # fmt: skip
    mask = rows.mask[:, h]
    if not mask.any():
        return Evaluation(horizon, 0, 0.0, 0.0, -1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0)
    z, second = rows.z[mask, h], rows.second[mask]
    mean, quantiles, naive = mean[mask], quantiles[mask], naive[mask]
    loss = pinball_loss(z, quantiles, levels)
    gain, base = mean_by_second(naive - loss, second), mean_by_second(naive, second)
    gain = np.where(np.abs(gain) < ROUNDING * base.mean(), 0.0, gain)
    lags = overlap_rows(horizon, second)
    low, high = bootstrap_skill(gain, base, lags)
    error, moved = z - mean, (z != 0) & (mean != 0)
    return Evaluation(
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
    overlapping outcomes are never significant. Too few rows, or no variation: 1.
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

    With fewer than ten such blocks it is (−1, 1).
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


def release_metrics(evaluations: Sequence[Evaluation], prefix: str = "") -> dict[str, float]:
    """Return evaluations as the flat figures of a release: {"skill_5s": 0.021, …, "suspicious": 0.0}."""
    flat = {
        f"{prefix}{name}_{evaluation.horizon_s}s": round(value, 6)
        for evaluation in evaluations
        for name, value in asdict(evaluation).items()
        if name != "horizon_s"
    }
    return flat | {f"{prefix}suspicious": float(any(evaluation.is_suspicious for evaluation in evaluations))}
