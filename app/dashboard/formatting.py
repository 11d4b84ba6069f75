"""Numbers and states as short texts in plain language."""

import math
from datetime import UTC, datetime

from app.records import Score

DASH = "–"
FLAGS = {
    "gapped": ("warn", "gapped", "Trades or quotes of the last five minutes are missing: features are less certain."),
    "late": ("warn", "late", "This second arrived late, complete but after the fact."),
    "stale": ("bad", "stale", "No new quote for longer than is usual here: the price is an old one."),
    "unpriced": ("bad", "no price", "There is no valid bid and ask, so no price can be forecast."),
    "warming_up": ("warn", "warming up", "The five-minute window is not full yet; the naive forecast serves."),
    "fallback": ("warn", "fallback", "No trained model serves: the naive forecast stands in."),
    "model_expired": ("warn", "model expired", "The serving model is older than it should be; a training is due."),
}
LEAST_WEIGHT = 100.0  # effective outcomes before a sentence about skill means anything


def number(value: float | None, digits: int = 2, unit: str = "") -> str:
    """Return a number for people, a dash where there is none.

    >>> number(12345.678, 1, " $"), number(None)
    ('12,345.7 $', '–')
    """
    return DASH if value is None or not math.isfinite(value) else f"{value:,.{digits}f}{unit}"


def price(value: float | None) -> str:
    """Return a price with about seven significant digits, whatever the coin costs.

    >>> price(67123.456), price(0.1234567891)
    ('67,123.46', '0.1234568')
    """
    if value is None or not math.isfinite(value):
        return DASH
    digits = 2 if abs(value) < 1e-12 else max(2, 6 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 10)}f}"


def basis_points(log_return: float | None, digits: int = 2) -> str:
    """Return a log return in basis points, signed.

    >>> basis_points(0.00012), basis_points(-0.0)
    ('+1.20', '+0.00')
    """
    if log_return is None or not math.isfinite(log_return):
        return DASH
    return f"{round(log_return * 1e4, digits) + 0.0:+.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share as percent.

    >>> percent(0.999)
    '99.9 %'
    """
    return number(None if share is None else share * 100.0, digits, " %")


def span(seconds: float | None) -> str:
    """Return a duration in its two largest units.

    >>> span(42), span(3720), span(200000)
    ('42 s', '1 h 2 min', '2 d 7 h')
    """
    if seconds is None:
        return DASH
    whole = max(0, int(seconds))
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {name}" if rest else "")
    return f"{whole} s"


def clock(second: float | None, form: str = "%H:%M:%S") -> str:
    """Return an epoch second as UTC time of day.

    >>> clock(0)
    '00:00:00'
    """
    return DASH if second is None else datetime.fromtimestamp(second, UTC).strftime(form)


def source(name: str, speed: float) -> str:
    """Return where the data come from.

    >>> source("synthetic-7", 2.0)
    'emulator synthetic-7, 2× speed'
    """
    origin = "live Binance" if name == "live" else name.replace("-", " ", 1) if "replay" in name else f"emulator {name}"
    return origin + (f", {speed:g}× speed" if speed != 1 else "")


def model_line(tensorflow: str, champion: str | None) -> str:
    """Return which model serves and what TensorFlow's is, in one sentence."""
    if champion is None:
        return "No model serves yet."
    role = {
        "champion": "it is the TensorFlow model",
        "challenger": "the TensorFlow model runs as challenger and is scored on the same seconds",
        "none": "no TensorFlow model runs",
    }
    return f"{champion} serves; {role[tensorflow]}."


def verdict(score: Score | None, horizon_s: int) -> tuple[str, str]:
    """Return (good | warn | bad | dim, sentence) about one forecaster's skill against the naive forecast."""
    if score is None:
        return "dim", f"Nothing forecast {horizon_s} s ahead has been settled yet."
    if score.kind == "naive":
        return (
            "warn",
            f"No skill now: the naive forecast serves, for no model proved better {horizon_s} s ahead.",
        )
    model, skill, low, high, p_value = score.model, score.skill, score.skill_low, score.skill_high, score.p_value
    known = f"{percent(skill)} better than naive, 95 % interval {percent(low)} to {percent(high)}, p = {p_value:.3f}"
    if score.weight < LEAST_WEIGHT or high - low >= 1:
        return "dim", f"{model}, {horizon_s} s ahead: too early to tell after {score.n:,} outcomes."
    if low > 0 and p_value < 0.05:
        return "good", f"{model} has skill {horizon_s} s ahead: {known}."
    if high < 0:
        return "bad", f"{model} is worse than naive {horizon_s} s ahead: skill {percent(skill)}, p = {p_value:.3f}."
    return "warn", f"No skill now: {model} is not better than the naive forecast {horizon_s} s ahead ({known})."


def waiting(ready: bool, not_following_reason: str, collected: int, symbols: int) -> str:
    """Return what is missing before there is a forecast to show, as one sentence."""
    if not_following_reason:
        return f"Waiting for Kafka: {not_following_reason}."
    if not ready:
        return "Filling the board from the topics' tails; this takes a few seconds."
    if collected == 0:
        return "Waiting for the first second: the collector has not delivered anything yet."
    return f"Waiting for the first prediction: the collector has delivered {collected} seconds of {symbols} symbol(s)."
