"""Markdown that stays valid whatever the text."""

from app.reference import markdown


def test_a_page_leaves_empty_parts_out() -> None:
    """Parts are separated by one empty line, and the page ends with one line break."""
    assert markdown.page("Title", "one\n", "", "two") == f"# Title\n\n{markdown.GENERATED_BY}\n\none\n\ntwo\n"


def test_a_line_break_does_not_end_a_table_row() -> None:
    """A line break inside a cell becomes a space."""
    assert markdown.table(["a"], [["x\ny"]]).splitlines() == ["| a |", "|---|", "| x y |"]
