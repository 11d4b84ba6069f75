"""Targets: log returns over each horizon on a grid of seconds, and their standardisation by volatility."""

from collections.abc import Sequence

import numpy as np

from app.domain.forecast import Floats, Mask, horizon_volatility


def forward_returns(mid: Floats, present: Mask, horizons_s: Sequence[int]) -> tuple[Floats, Mask]:
    """Return log returns [T, H] from each second to `h` seconds later, and the mask [T, H] of those that exist.

    `mid` [T] and `present` [T] lie on a grid of consecutive seconds. A return exists where both mids do and every
    second between them is present: nothing is measured across a gap. Elsewhere it is 0.
    """
    seconds = len(mid)
    priced = present & np.isfinite(mid) & (mid > 0)
    log_mid = np.log(np.where(priced, mid, 1.0))
    absent = np.concatenate([[0], np.cumsum(~present)])
    returns = np.zeros((seconds, len(horizons_s)))
    mask = np.zeros((seconds, len(horizons_s)), bool)
    for column, horizon in enumerate(horizons_s):
        if horizon >= seconds:
            continue
        now, then = slice(0, seconds - horizon), slice(horizon, seconds)
        whole = absent[horizon + 1 :] == absent[: seconds - horizon]
        mask[now, column] = priced[now] & priced[then] & whole
        returns[now, column] = np.where(mask[now, column], log_mid[then] - log_mid[now], 0.0)
    return returns, mask


def standardise(returns: Floats, volatility: Floats, horizons_s: Sequence[int]) -> tuple[Floats, Mask]:
    """Return targets [T, H], returns over volatility·√h, and the mask [T, H] of those with a volatility above 0."""
    scale = horizon_volatility(volatility, horizons_s)
    known = scale > 0
    return np.where(known, returns / np.where(known, scale, 1.0), 0.0), known
