"""Statistics of overlapping outcomes: long-run variance, and shrinkage of forecasts by their significance.

Outcomes of horizon h share up to h − 1 of their seconds with their neighbours, and symbols move together: n rows are
far fewer than n independent observations.
"""

import numpy as np

from app.domain.forecast import Floats, Mask, Seconds


def mean_by_second(values: Floats, second: Seconds) -> Floats:
    """Return the mean [T] of values [N] over the rows of each second, in order of time."""
    _, position = np.unique(second, return_inverse=True)
    mean: Floats = np.bincount(position, values) / np.bincount(position)
    return mean


def overlap_rows(horizon_s: int, second: Seconds) -> int:
    """Return how many of the distinct seconds [N] an outcome of `horizon_s` spans."""
    spacing_s = np.diff(np.unique(second))
    return -(-horizon_s // int(np.median(spacing_s))) if len(spacing_s) else horizon_s


def long_run_variance(values: Floats, bandwidth: int) -> float:
    """Return Newey & West's (1987) long-run variance, Bartlett weights 1 − k ÷ (bandwidth + 1), of values [T]."""
    centred = values - values.mean()
    spectrum = np.fft.rfft(centred, 2 * len(values))
    covariance = np.fft.irfft(np.abs(spectrum) ** 2)[: bandwidth + 1] / len(values)
    weights = 1 - np.arange(1, len(covariance)) / (bandwidth + 1)
    return float(covariance[0] + 2 * (weights * covariance[1:]).sum())


def shrinkage(forecast: Floats, z: Floats, mask: Mask, second: Seconds, horizon_s: int) -> float:
    """Return the factor 0 … 1 by which to shrink a forecast [N], from outcomes z [N] it was not fitted on.

    The least-squares slope of z on the forecast (1: take it as it is; Mincer & Zarnowitz 1969), less one standard
    error under overlap; 0 where the slope is within two standard errors of zero. Insignificant forecasts vanish,
    significant ones stay nearly unchanged.
    """
    if not mask.any():
        return 0.0
    forecast, z, second = forecast[mask], z[mask], second[mask]
    product, square = mean_by_second(forecast * z, second), mean_by_second(forecast * forecast, second)
    if square.mean() <= 0:
        return 0.0
    slope = product.mean() / square.mean()
    bandwidth = min(2 * overlap_rows(horizon_s, second), len(square) - 1)
    variance = max(long_run_variance(product - slope * square, bandwidth), 0.0)
    error = np.sqrt(variance / len(square)) / square.mean()
    # Fewer than thirty independent outcomes are never significant, whatever their variance.
    is_significant = len(square) >= 15 * bandwidth and slope > 2 * error
    return float(np.clip(slope - error, 0.0, 1.0)) if is_significant else 0.0
