"""The numbers, ids and times in Binance's messages, checked."""

from math import isfinite

from app.domain.decimals import is_exact

FIRST_MICROSECOND = 10**14  # a greater time is in µs: in ms it would be after the year 5138


class MalformedError(ValueError):
    """A frame or row that is not what Binance documents; its message is the reason."""


def time(value: int) -> tuple[int, int]:
    """Return epoch milliseconds and microseconds of a time in ms or µs."""
    return divmod(value, 1000) if value >= FIRST_MICROSECOND else (value, 0)


def lost(*numbers: tuple[str, str, float]) -> tuple[tuple[str, str], ...]:
    """Return column and text of the numbers that their floats do not keep."""
    return tuple((column, text) for column, text, value in numbers if not is_exact(text, value))


def positive(text: str) -> float:
    """Return a number above zero; raises MalformedError."""
    value = number(text)
    if value <= 0:
        raise MalformedError(f"{text[:40]!r} is not above zero")
    return value


def size(text: str) -> float:
    """Return a number that may be zero; raises MalformedError."""
    value = number(text)
    if value < 0:
        raise MalformedError(f"{text[:40]!r} is negative")
    return value


def number(text: str) -> float:
    """Return a finite number; raises MalformedError."""
    try:
        value = float(text)
    except ValueError:
        raise MalformedError(f"{text[:40]!r} is not a number") from None
    if not isfinite(value):
        raise MalformedError(f"{text[:40]!r} is not finite")
    return value


def count(value: int) -> int:
    """Return an integer from 0 to 2**63 − 1; raises MalformedError."""
    if not 0 <= value < 2**63:
        raise MalformedError(f"{value} is out of range")
    return value


def trade_id(value: int) -> int:
    """Return an id, or −1 where there is none; raises MalformedError."""
    return value if value == -1 else count(value)
