"""The page `docs/features.md`: every feature with its formula, source and bounds, and the channels of the bars."""

import inspect

from app.domain import bars, features
from app.reference import comments, markdown

ABOUT = f"""\
{len(features.NAMES)} features, computed for every symbol at once from its last 300 one-second bars, by one function
(`app/domain/features.py`) for training, replay and live. All are finite, bounded as shown, and free of scale: they
do not depend on price level, tick or lot.

r is the log return of the reference price (mid, or last trade where nothing is quoted), Σₖ the sum over the newest k
seconds (k is the number at the end of a feature's name), σ the symbol's volatility: the standard deviation of the log
mid per square root of a second. The fingerprint of names and order is `{features.SCHEMA}`; a release trained on
another is refused."""
BARS = """\
## Bars

The features are computed from bars: one second of one symbol, in `btc.features` under `bars`. A missing value is 0 and
its mask (`traded`, `quoted`, `present`) is 0; it is never NaN."""


def page() -> str:
    """Return the page."""
    rows = [[f"`{name}`", *_split(formula), f"{low:g} … {high:g}"] for name, formula, low, high in features.describe()]
    meanings = comments.field_comments(inspect.getsource(bars))
    channels = [[f"`{one.name.lower()}`", meanings.get(("Channel", one.name), "")] for one in bars.Channel]
    return markdown.page(
        "Features", ABOUT, markdown.table(["feature", "formula", "source", "bounds"], rows), BARS,
        markdown.table(["channel", "meaning"], channels),
    )  # fmt: skip


def _split(formula: str) -> tuple[str, str]:
    text, _, source = formula.partition(" Source: ")
    return text, source.rstrip(".")
