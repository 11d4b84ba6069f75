"""Evidence in outcomes that overlap. What enters: values by second; what leaves: their long-run variance, safe shares.

Outcomes of horizon h share up to h − 1 of their seconds with their neighbours, and symbols move together: n rows are
far from n observations.
"""

import numpy as np

from app.domain.forecast import Floats, Mask, Seconds


def by_second(values: Floats, second: Seconds) -> Floats:
    """Return the mean [T] of values [N] over the rows of each second, in order of time."""
    _, place = np.unique(second, return_inverse=True)
    mean: Floats = np.bincount(place, values) / np.bincount(place)
    return mean


def rows_of(horizon_s: int, second: Seconds) -> int:
    """Return over how many of the distinct seconds [N] an outcome of `horizon_s` reaches."""
    apart = np.diff(np.unique(second))
    return -(-horizon_s // int(np.median(apart))) if len(apart) else horizon_s


def long_run_variance(values: Floats, bandwidth: int) -> float:
    """Return Newey & West's (1987) long-run variance, Bartlett weights 1 − k ÷ (bandwidth + 1), of values [T]."""
    centred = values - values.mean()
    spectrum = np.fft.rfft(centred, 2 * len(values))
    covariance = np.fft.irfft(np.abs(spectrum) ** 2)[: bandwidth + 1] / len(values)
    weights = 1 - np.arange(1, len(covariance)) / (bandwidth + 1)
    return float(covariance[0] + 2 * (weights * covariance[1:]).sum())


def kept_share(said: Floats, z: Floats, mask: Mask, second: Seconds, horizon_s: int) -> float:
    """Return what share of a forecast [N] to keep, 0 … 1, judged by outcomes z [N] it was not fitted on.

    The least-squares slope of z on the forecast (1: take it as it is; Mincer & Zarnowitz 1969), less one standard
    error under overlap; nothing where the slope is within two of zero. What cannot be told from luck goes, what is
    certain stays nearly whole.
    """
    if not mask.any():
        return 0.0
    said, z, second = said[mask], z[mask], second[mask]
    product, square = by_second(said * z, second), by_second(said * said, second)
    if square.mean() <= 0:
        return 0.0
    slope = product.mean() / square.mean()
    bandwidth = min(2 * rows_of(horizon_s, second), len(square) - 1)
    variance = max(long_run_variance(product - slope * square, bandwidth), 0.0)
    error = np.sqrt(variance / len(square)) / square.mean()
    # Fewer than thirty independent outcomes say nothing at all, whatever their variance looks like.
    certain = len(square) >= 15 * bandwidth and slope > 2 * error
    return float(np.clip(slope - error, 0.0, 1.0)) if certain else 0.0
