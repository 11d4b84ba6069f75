"""The forward pass of the network in numpy, for evaluations during training.

Compiling each candidate would cost more than running it; `model` is what serves, and a test proves the two equal.
"""

import numpy as np

from app.domain.artifact import Parameters
from app.domain.forecast import Floats, Rows


def forward_pass(parameters: Parameters, features: Rows) -> Floats:
    """Return mean and quantiles [N, H, 1 + Q] in units of volatility·√h, for rows [N, F]."""
    weights, levels = parameters.arrays, len(parameters.header.levels)
    rows, middle = parameters.scaler(features), levels // 2
    hidden = _swish(_swish(rows @ weights["hidden1"] + weights["bias1"]) @ weights["hidden2"] + weights["bias2"])
    raw = (hidden @ weights["head"] + rows @ weights["skip"] + weights["bias"]).astype(np.float64)
    raw = raw.reshape(len(rows), -1, levels + 1)
    median, gaps = raw[:, :, 1:2], np.logaddexp(0.0, raw[:, :, 2:])
    below = median - np.cumsum(gaps[:, :, :middle], axis=-1)
    above = median + np.cumsum(gaps[:, :, middle:], axis=-1)
    return np.concatenate([raw[:, :, :1], below[:, :, ::-1], median, above], axis=-1)


def _swish(values: Rows) -> Rows:
    return np.asarray(values * np.exp(-np.logaddexp(0.0, -values)), np.float32)
