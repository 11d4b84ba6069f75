"""Quote outages: how long a symbol is usually without a quote, and when that is too long.

A quote is sent only when the best bid or ask changes, so a silent book is usually an unchanged one. Only a silence far
longer than the symbol's own makes the carried mid an old one: a coin quoted every second is judged after 5 s, one
quoted every 40 s after minutes. An outage the collector knows of counts at once.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_S = 5.0
USUAL_SILENCES = 10.0
LEARNING_RATE = 0.125  # per second with quotes
MOST_LEARNED_S = 20.0  # of one silence, or the limit where that is more: an outage does not become usual


def limit_s(usual_s: Floats) -> Floats:
    """Return from how many whole seconds on a silence is an outage, float64 [N]; `usual_s` [N] is the usual one.

    >>> limit_s(np.array([0.0, 39.0])).tolist()
    [5.0, 390.0]
    """
    return np.maximum(LEAST_S, USUAL_SILENCES * usual_s)


def learned_silence_s(usual_s: Floats, silent_s: Floats) -> Floats:
    """Return the usual silence after one of `silent_s` whole seconds without a quote ended, float64 [N].

    >>> learned_silence_s(np.array([0.0]), np.array([300.0])).tolist()
    [2.5]
    """
    counted = np.minimum(silent_s, np.maximum(limit_s(usual_s), MOST_LEARNED_S))
    return np.asarray(usual_s + LEARNING_RATE * (counted - usual_s))


def is_outage(since_quote_s: Floats, usual_s: Floats) -> Mask:
    """Return where the quotes have been silent for too long, bool [N].

    >>> is_outage(np.array([5.0, 6.0, 6.0]), np.array([0.0, 0.0, 1.0])).tolist()
    [False, True, False]
    """
    return np.asarray(since_quote_s > limit_s(usual_s))
