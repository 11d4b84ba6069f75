"""The scale of a horizon and the pinball loss."""

import numpy as np
import pytest

from app.domain.forecast import LEVELS, horizon_volatility, pinball_loss


@pytest.mark.parametrize("unknown", [np.nan, np.inf, -1.0])
def test_an_unknown_volatility_gives_no_scale(unknown: float) -> None:
    """Not a number, infinite or negative counts as zero."""
    assert horizon_volatility(np.array([unknown]), (5, 60)).tolist() == [[0.0, 0.0]]


def test_the_scale_grows_with_the_root_of_the_horizon() -> None:
    """Four times the horizon is twice the volatility."""
    scale = horizon_volatility(np.array([1e-4]), (15, 60))
    assert scale[0, 1] == pytest.approx(2 * scale[0, 0])


def test_the_pinball_loss_is_least_at_the_true_quantiles() -> None:
    """Of a sample, moving all quantiles either way costs."""
    z = np.random.default_rng(3).normal(size=20_000)
    true = np.quantile(z, LEVELS)
    losses = [pinball_loss(z, true + move).mean() for move in (-0.1, 0.0, 0.1)]
    assert losses[1] < min(losses[0], losses[2])
