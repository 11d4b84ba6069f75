"""The TensorFlow model. One small model is compiled for all tests."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.domain.artifact import Header, Parameters, pack
from app.domain.baselines import empirical_quantiles, fit_linear, fit_scaler, ridge
from app.domain.examples import Examples
from app.domain.forecast import LEVELS, horizon_volatility
from app.domain.forward_pass import forward_pass
from app.domain.model import Model, compile_release, compiled_model, fit, initial_parameters

HORIZONS = (5, 10, 30)
FEATURES = 6


def made_up(rows: int = 4000, *, seed: int = 1, strength: float = 0.3) -> Examples:
    """Return rows in which the first feature moves the mean, and the second the width."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, FEATURES)).astype(np.float32)
    noise = random.normal(size=(rows, len(HORIZONS))) * np.exp(0.3 * features[:, 1:2])
    z = noise + strength * features[:, :1]
    second = np.arange(rows, dtype=np.int64)
    return Examples(features, np.full(rows, 1e-4), z, np.ones(z.shape, bool), second, np.zeros(rows, np.int64))


def untrained(rows: Examples, seed: int = 3) -> Parameters:
    """Return parameters as they are before the first step."""
    scaler = fit_scaler(rows.features)
    line = fit_linear(scaler, rows, HORIZONS, LEVELS)
    header = Header(
        feature_schema="made-up", feature_names=tuple(f"f{i}" for i in range(FEATURES)), horizons_s=HORIZONS,
        levels=LEVELS, hidden=(8, 4), created_ms=1.0, origin="made up",
    )  # fmt: skip
    fixed = {
        "centre": scaler.centre, "scale": scaler.scale, "naive": empirical_quantiles(rows.z, rows.mask),
        "ridge": line.coefficients, "ridge_share": line.quantile_slope, "ridge_quantiles": line.z_quantiles,
    }  # fmt: skip
    return initial_parameters(header, fixed, seed)


def scrambled(parameters: Parameters, seed: int = 4) -> Parameters:
    """Return parameters whose network differs from ridge, as after training."""
    random = np.random.default_rng(seed)
    return parameters.replaced(
        {
            name: (parameters.arrays[name] + random.normal(0, 0.3, parameters.arrays[name].shape)).astype(np.float32)
            for name in ("hidden1", "bias1", "hidden2", "bias2", "head", "skip", "bias")
        }
    )


def by_hand(parameters: Parameters, rows: Examples) -> Any:
    """Return mean and quantiles [N, H, 1 + Q], the network written out in numpy."""
    w = {name: array.astype(np.float64) for name, array in parameters.arrays.items()}
    x = np.nan_to_num(np.clip((rows.features - w["centre"]) / w["scale"], -6, 6), nan=0.0)

    def swish(values: Any) -> Any:
        return values / (1 + np.exp(-values))

    hidden = swish(swish(x @ w["hidden1"] + w["bias1"]) @ w["hidden2"] + w["bias2"])
    raw = (hidden @ w["head"] + x @ w["skip"] + w["bias"]).reshape(len(x), 3, 6)
    gaps, median = np.log1p(np.exp(raw[..., 2:])), raw[..., 1]
    outputs = [raw[..., 0], median - gaps[..., 0] - gaps[..., 1], median - gaps[..., 0], median]
    outputs += [median + gaps[..., 2], median + gaps[..., 2] + gaps[..., 3]]
    return np.stack(outputs, axis=-1) * (rows.volatility[:, None] * np.sqrt(HORIZONS))[..., None]


@pytest.fixture(scope="session")
def parameters() -> Parameters:
    """Parameters before the first step."""
    return untrained(made_up())


@pytest.fixture(scope="session")
def model(parameters: Parameters) -> Model:
    """One compiled model for all tests of this file: compiling takes a second."""
    return compile_release(pack(scrambled(parameters)), buckets=(1, 4, 16, 64))


def test_before_the_first_step_the_network_forecasts_what_ridge_does(parameters: Parameters) -> None:
    """Mean and quantiles of the untrained network are those of the linear forecaster."""
    rows = made_up(200, seed=9)
    mean, quantiles = compiled_model(parameters, (256,))(rows.features, rows.volatility)
    linear, linear_quantiles = ridge(parameters.scaler, *parameters.ridge, HORIZONS)(rows.features, rows.volatility)
    assert np.abs(linear).max() > 1e-5
    assert mean == pytest.approx(linear, rel=1e-5, abs=1e-10)
    assert quantiles == pytest.approx(linear_quantiles, rel=1e-4, abs=1e-9)


def test_the_compiled_model_equals_the_same_network_in_numpy(model: Model) -> None:
    """XLA's numbers are those of the formulas in the documentation, to 1e-5."""
    rows = made_up(64, seed=10)
    rows.features[0, 0], rows.features[1, 1] = np.nan, 1e9  # unknown counts as the mean, extremes are cut
    mean, quantiles = model(rows.features, rows.volatility)
    expected = by_hand(model.parameters, rows)
    assert mean == pytest.approx(expected[..., 0], rel=1e-5, abs=1e-9)
    assert quantiles == pytest.approx(expected[..., 1:], rel=1e-5, abs=1e-9)
    twin = forward_pass(model.parameters, rows.features) * horizon_volatility(rows.volatility, HORIZONS)[..., None]
    assert twin == pytest.approx(expected, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("count", [1, 2, 4, 5, 17, 64, 65, 200])
def test_a_row_gets_the_same_forecast_in_a_batch_of_any_size(model: Model, count: int) -> None:
    """Padding and chunks change nothing: each row is as if alone."""
    rows = made_up(count, seed=11)
    mean, quantiles = model(rows.features, rows.volatility)
    assert mean.shape == (count, 3)
    assert quantiles.shape == (count, 3, 5)
    for row in {0, count // 2, count - 1}:
        alone, alone_quantiles = model(rows.features[row : row + 1], rows.volatility[row : row + 1])
        assert mean[row] == pytest.approx(alone[0], rel=1e-5, abs=1e-10)
        assert quantiles[row] == pytest.approx(alone_quantiles[0], rel=1e-5, abs=1e-10)


def test_a_model_compiled_for_one_size_serves_every_size_before_and_after_the_rest_is(parameters: Parameters) -> None:
    """A worker begins with the sizes it expects; others are padded up or cut, until theirs are compiled."""
    rows, made = made_up(9, seed=12), compiled_model(parameters, (4,))
    before, before_quantiles = made(rows.features, rows.volatility)
    assert made.missing_sizes == {12}
    made.compile(made.missing_sizes)
    assert (made.missing_sizes, made.compiled_sizes) == (set(), {4, 12})
    after, after_quantiles = made(rows.features, rows.volatility)
    assert before == pytest.approx(after, rel=1e-5, abs=1e-10)
    assert before_quantiles == pytest.approx(after_quantiles, rel=1e-5, abs=1e-10)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    features=arrays(np.float32, (4, FEATURES), elements=st.floats(allow_nan=True, allow_infinity=True, width=32)),
    volatility=arrays(np.float64, 4, elements=st.floats(allow_nan=True, allow_infinity=True)),
)
def test_quantiles_never_cross_whatever_the_features_are(model: Model, features: Any, volatility: Any) -> None:
    """Not even for NaN, infinity or a volatility that cannot be; and the forecast is finite."""
    with np.errstate(all="ignore"):
        _mean, quantiles = model(features, volatility)
    assert (np.diff(quantiles, axis=-1) >= 0).all()
    assert np.isfinite(quantiles).all()


def test_training_learns_the_width_that_ridge_cannot_see(parameters: Parameters) -> None:
    """The validation loss falls clearly below the start's, and the start is not touched."""
    losses: dict[int, float] = {}
    before = parameters.arrays["skip"].copy()
    best = fit(
        parameters, made_up(seed=1), made_up(seed=2), epochs=3, seed=5, batch=64, on_epoch=losses.__setitem__,
    )  # fmt: skip
    assert losses[3] < losses[0] * 0.99
    assert (parameters.arrays["skip"] == before).all()
    assert not (best.arrays["skip"] == before).all()


def test_training_is_the_same_twice_with_the_same_seed(parameters: Parameters) -> None:
    """Fixed seeds, one thread: the artifacts are equal byte for byte."""
    rows = made_up(1200, seed=1)
    twice = [pack(fit(parameters, rows, made_up(300, seed=2), epochs=1, seed=5)) for _ in range(2)]
    assert twice[0] == twice[1]
