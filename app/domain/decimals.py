"""Exact decimals beside floats: which decimal numbers a float keeps, and the exact values of a column.

A float keeps every decimal number of up to 15 significant digits: its shortest text is that number again (IEEE 754,
DBL_DIG). Columns of prices and sizes are floats, and `exact` lists the rare numbers that a float does not keep. Texts
are plain decimals such as "0.00208000", without an exponent.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

Exact = list[tuple[str, int, str]]  # column, row, number as sent
LONGEST_SAFE = 16  # characters: 15 digits and a point


def is_exact(text: str, value: float) -> bool:
    """Return whether the shortest text of a float is the number in `text`, of which it was made.

    >>> is_exact("97900.88000000", 97900.88), is_exact("12345678.90123456789", float("12345678.90123456789"))
    (True, False)
    """
    return len(text) <= LONGEST_SAFE or Decimal(text) == Decimal(repr(value))


def inexact(column: str, texts: Iterable[str], values: Iterable[float]) -> Exact:
    """Return what a column of floats does not keep."""
    numbers = enumerate(zip(texts, values, strict=True))
    return [(column, row, text) for row, (text, value) in numbers if not is_exact(text, value)]


def decimals(column: str, values: Sequence[float], exact: Exact) -> list[Decimal]:
    """Return the numbers of a column as the exchange sent them, up to zeros at their end.

    >>> decimals("price", [97900.88, 0.1], [("price", 1, "0.10000000000000000001")])
    [Decimal('97900.88'), Decimal('0.10000000000000000001')]
    """
    numbers = [Decimal(repr(value)) for value in values]
    for name, row, text in exact:
        if name == column:
            numbers[row] = Decimal(text)
    return numbers
