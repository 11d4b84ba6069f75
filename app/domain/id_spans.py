"""Sets of trade ids as rising spans [start, stop): `union`, `subtract`, `intersect`, `count`."""

from collections.abc import Iterable

Span = tuple[int, int]
Spans = list[Span]


def spans_of(ids: Iterable[int]) -> Spans:
    """Return the spans of some ids.

    >>> spans_of([9, 4, 5, 4])
    [(4, 6), (9, 10)]
    """
    return union([(one, one + 1) for one in ids])


def union(spans: Iterable[Span]) -> Spans:
    """Return spans in any order as rising ones that neither overlap nor touch.

    >>> union([(5, 7), (1, 3), (3, 4), (6, 9)])
    [(1, 4), (5, 9)]
    """
    merged: Spans = []
    for start, stop in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        elif start < stop:
            merged.append((start, stop))
    return merged


def subtract(spans: Spans, others: Spans) -> Spans:
    """Return what of rising spans is in none of other rising spans.

    >>> subtract([(1, 10), (20, 30)], [(3, 5), (8, 22)])
    [(1, 3), (5, 8), (22, 30)]
    """
    left, at = Spans(), 0
    for start, stop in spans:
        while at < len(others) and others[at][1] <= start:
            at += 1
        one, low = at, start
        while one < len(others) and others[one][0] < stop:
            if low < others[one][0]:
                left.append((low, others[one][0]))
            low = max(low, others[one][1])
            one += 1
        if low < stop:
            left.append((low, stop))
    return left


def intersect(spans: Spans, others: Spans) -> Spans:
    """Return what rising spans have in common.

    >>> intersect([(1, 10), (20, 30)], [(3, 5), (8, 22)])
    [(3, 5), (8, 10), (20, 22)]
    """
    return subtract(spans, subtract(spans, others))


def count(spans: Iterable[Span]) -> int:
    """Return how many ids spans hold."""
    return sum(stop - start for start, stop in spans)


def inclusive(spans: Iterable[Span]) -> list[Span]:
    """Return spans as the wire has them, both ends included.

    >>> inclusive([(4, 6)])
    [(4, 5)]
    """
    return [(start, stop - 1) for start, stop in spans]


def from_inclusive(spans: Iterable[Span]) -> Spans:
    """Return spans of the wire as [start, stop), rising.

    >>> from_inclusive([(4, 5)])
    [(4, 6)]
    """
    return union((first, last + 1) for first, last in spans)
