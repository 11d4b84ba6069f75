"""Small pieces of escaped HTML for `st.html`."""

from collections.abc import Iterable, Sequence
from html import escape

from app.dashboard import formatting


class Html(str):
    """Text that is escaped already."""

    __slots__ = ()


def pill(text: str, tone: str = "", title: str = "") -> Html:
    """Return a badge; tone is good, warn, bad or "".

    >>> pill("late", "warn", "arrived late")
    '<span class="b-pill b-warn" title="arrived late">late</span>'
    """
    tooltip = f' title="{escape(title)}"' if title else ""
    return Html(f'<span class="b-pill{f" b-{tone}" if tone else ""}"{tooltip}>{escape(text)}</span>')


def strong(text: str) -> Html:
    """Return text that stands out."""
    return Html(f"<b>{escape(text)}</b>")


def row(pieces: Iterable[str]) -> str:
    """Return pieces of HTML in one row that wraps."""
    return f'<div class="b-line">{"".join(pieces)}</div>'


def tiles(figures: Sequence[tuple[str, str, str]], *, stale: bool = False) -> str:
    """Return (label, value, tooltip) as tiles, grey when stale."""
    shown = "".join(
        f'<div class="b-tile" title="{escape(tooltip)}"><small>{escape(label)}</small>'
        f"<strong>{escape(value)}</strong></div>"
        for label, value, tooltip in figures
    )
    return f'<div class="b-tiles{" b-stale" if stale else ""}">{shown}</div>'


def table(columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]], *, stale: bool = False) -> str:
    """Return a table; columns are (title, classes): n right-aligned number, wide hidden on phones.

    Cells are escaped unless they are Html.
    """
    styles = [classes.replace("wide", "b-wide") for _, classes in columns]
    head = "".join(
        f'<th class="{style}">{escape(title)}</th>' for (title, _), style in zip(columns, styles, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(_cell(cell, style) for cell, style in zip(row, styles, strict=True)) + "</tr>" for row in rows
    )
    faded = " b-stale" if stale else ""
    return f'<table class="b-table{faded}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(cell: str, style: str) -> str:
    return f'<td class="{style}">{cell if isinstance(cell, Html) else escape(cell)}</td>'


def flags(names: Sequence[str]) -> Html:
    """Return flags as badges; an unknown one under its own name."""
    known = [formatting.FLAGS.get(name, ("warn", name, name)) for name in names]
    return Html("".join(pill(label, tone, meaning) for tone, label, meaning in known))


def meanings(names: Sequence[str]) -> str:
    """Return what the flags mean, for those who cannot hover; "" without flags."""
    known = [formatting.FLAGS.get(name, ("warn", name, name)) for name in names]
    items = "".join(f"<li><b>{escape(label)}</b>: {escape(meaning)}</li>" for _, label, meaning in known)
    return f'<ul class="b-notes">{items}</ul>' if items else ""


def notes(sentences: Iterable[str]) -> str:
    """Return sentences as a small list."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="b-notes">{items}</ul>'


def verdict(tone: str, sentence: str) -> str:
    """Return a sentence with a coloured edge."""
    return f'<div class="b-verdict b-{tone}"><span>{escape(sentence)}</span></div>'
