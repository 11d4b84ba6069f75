"""`docs/features.md`. What enters: `features.describe()` and the bar's channels; what leaves: formulas and sources."""

import inspect

from app.domain import bars, features
from app.reference import comments, markdown

ABOUT = f"""\
{len(features.NAMES)} features, computed for every symbol at once from its last 300 one-second bars, by one function
(`app/domain/features.py`) for training, replay and live. All are finite, bounded as shown, and free of scale: the same
numbers whatever the price level, tick or lot.

r is the log return of the reference price (mid, or last trade where nothing is quoted), Σₖ the sum over the newest k
seconds (k is the number at the end of a feature's name), σ the symbol's volatility: the standard deviation of the log
mid per square root of a second. The fingerprint of names and order is `{features.SCHEMA}`; a release trained on
another is refused."""
BARS = """\
## The bar behind them

What a second of one symbol leaves behind, in `btc.features` under `bars`, before any feature is computed. A value that
does not exist is 0 beside its mask (`traded`, `quoted`, `present`), never NaN."""


def page() -> str:
    """Return the page."""
    rows = [[f"`{name}`", *_split(formula), f"{low:g} … {high:g}"] for name, formula, low, high in features.describe()]
    told = comments.of_fields(inspect.getsource(bars))
    channels = [[f"`{one.name.lower()}`", told.get(("Channel", one.name), "")] for one in bars.Channel]
    return markdown.page(
        "Features", ABOUT, markdown.table(["feature", "formula", "source", "bounds"], rows), BARS,
        markdown.table(["channel", "meaning"], channels),
    )  # fmt: skip


def _split(formula: str) -> tuple[str, str]:
    text, _, source = formula.partition(" Source: ")
    return text, source.rstrip(".")
