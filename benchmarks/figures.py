"""Figures of benchmarks, with targets and baselines, as a table and as JSON."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number and its target; `bound` says which side of the target is good."""

    benchmark: str
    what: str
    value: float
    unit: str  # ms, s, MiB, symbols, "×"
    target: float | None = None  # None: no target
    bound: Literal["most", "least"] = "most"
    baseline: str = ""  # what it is compared with, and how it was measured
    load: float = 0.0  # mean of the machine's load average before and after
    quick: bool = False
    measured: str = ""  # day, UTC

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.bound == "most" else self.value >= self.target

    @property
    def target_text(self) -> str:
        """The target with its bound and unit.

        >>> Figure(benchmark="b", what="w", value=1, unit="ms", target=15).target_text
        '≤ 15 ms'
        """
        if self.target is None:
            return ""
        return f"{'≤' if self.bound == 'most' else '≥'} {number_text(self.target)} {self.unit}"


def number_text(value: float) -> str:
    """Return a number rounded to about three digits.

    >>> number_text(12345.6), number_text(14.26), number_text(0.0123)
    ('12,346', '14.3', '0.012')
    """
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def load_now() -> float:
    """Return the machine's load average of the last minute; 0 where the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def percentile(values: Sequence[float] | Iterable[float], share: float) -> float:
    """Return a percentile of a sample.

    Raises:
        ValueError: the sample is empty.

    """
    sample = np.fromiter(values, float)
    if not sample.size:
        raise ValueError("nothing was measured")
    return float(np.percentile(sample, share))


HEAD = ("what", "measured", "target", "", "load", "compared with")


def rows(figures: Iterable[Figure]) -> list[tuple[str, ...]]:
    """Return the table's rows: what, measured, target, whether it is met, load average, baseline."""
    marks = {True: "met", False: "short", None: ""}
    return [
        (
            f"{figure.benchmark}: {figure.what}" + (" (quick)" if figure.quick else ""),
            f"{number_text(figure.value)} {figure.unit}",
            figure.target_text,
            marks[figure.met],
            f"{figure.load:.1f}",
            figure.baseline,
        )
        for figure in figures
    ]


def markdown(figures: Iterable[Figure]) -> str:
    """Return the figures as a Markdown table."""
    lines = [HEAD, tuple("---" for _ in HEAD), *rows(figures)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def merged(before: Iterable[Figure], after: Sequence[Figure], order: Sequence[str]) -> list[Figure]:
    """Return all figures in the benchmarks' order; those measured again replace the earlier ones."""
    again = {figure.benchmark for figure in after}
    kept = [figure for figure in before if figure.benchmark not in again and figure.benchmark in order]
    return sorted([*kept, *after], key=lambda figure: order.index(figure.benchmark))


def read(file: Path) -> list[Figure]:
    """Return the figures of a results file; none where there is no file."""
    return msgspec.json.decode(file.read_bytes(), type=list[Figure]) if file.exists() else []


def write(file: Path, figures: Sequence[Figure]) -> None:
    """Write a results file."""
    file.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1) + b"\n")
