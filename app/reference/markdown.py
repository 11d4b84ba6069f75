"""Markdown pages, tables and inline code."""

from collections.abc import Iterable, Sequence

GENERATED_BY = "<!-- Written by `python -m app.reference`; change the code, not this file. -->"


def page(title: str, *parts: str) -> str:
    """Return a whole page; empty parts are left out."""
    return "\n\n".join([f"# {title}", GENERATED_BY, *(part.strip() for part in parts if part.strip())]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    r"""Return a table; a vertical bar inside a cell is escaped.

    >>> print(table(["name", "meaning"], [["`a`", "this|that"]]))
    | name | meaning |
    |---|---|
    | `a` | this\|that |
    """
    lines = [head, *rows]
    cells = ["| " + " | ".join(cell.replace("|", r"\|").replace("\n", " ") for cell in line) + " |" for line in lines]
    return "\n".join([cells[0], "|" + "---|" * len(head), *cells[1:]])


def code(text: str) -> str:
    """Return text as inline code, nothing for nothing.

    >>> code("BTC_SPEED"), code("")
    ('`BTC_SPEED`', '')
    """
    return f"`{text}`" if text else ""
