"""The forward pass in numpy, worked out by hand on a network of one unit."""

import numpy as np
import pytest

from app.domain.artifact import Header, Parameters
from app.domain.forward_pass import forward_pass

HEADER = Header(feature_schema="x", feature_names=("f",), horizons_s=(5,), levels=(0.25, 0.5, 0.75), hidden=(1, 1))


def test_a_network_of_one_unit_gives_what_a_hand_computes() -> None:
    """Feature 2 of scale 2 is 1; swish(1) twice, then the mean, the median and a softplus gap on either side."""
    arrays = {name: np.zeros(shape, np.float32) for name, shape in HEADER.shapes().items()}
    arrays |= {
        "scale": np.array([2.0], np.float32),
        "hidden1": np.array([[1.0]], np.float32),
        "hidden2": np.array([[1.0]], np.float32),
    }
    arrays |= {
        "head": np.array([[1.0, 0.0, 0.0, 0.0]], np.float32),
        "skip": np.array([[0.0, 3.0, 0.0, 0.0]], np.float32),
    }
    (out,) = forward_pass(Parameters(header=HEADER, arrays=arrays), np.array([[2.0]], np.float32))[0]
    swish = 1.0 / (1.0 + np.exp(-1.0))
    mean, gap = swish / (1.0 + np.exp(-swish)), np.log(2.0)
    assert out == pytest.approx([mean, 3.0 - gap, 3.0, 3.0 + gap], rel=1e-6)
