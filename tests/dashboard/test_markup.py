"""HTML of the dashboard."""

from app.dashboard import markup


def test_texts_are_escaped_everywhere() -> None:
    """A model called like a script stays a text."""
    evil = "<script>alert(1)</script>"
    pieces = [
        markup.pill(evil, "", evil), markup.strong(evil), markup.tiles([(evil, evil, evil)]),
        markup.table([(evil, "")], [[evil]]), markup.flags([evil]), markup.meanings([evil]),
        markup.verdict("dim", evil),
    ]  # fmt: skip
    assert all("<script>" not in piece for piece in pieces)


def test_html_cells_pass_and_others_are_escaped() -> None:
    """Only what was built here counts as HTML."""
    found = markup.table([("A", "n wide")], [[markup.pill("x")], ["<b>"]])
    assert '<td class="n b-wide"><span class="b-pill">x</span></td>' in found
    assert '<td class="n b-wide">&lt;b&gt;</td>' in found


def test_stale_tables_and_tiles_are_marked() -> None:
    """Old figures are greyed by their class."""
    assert "b-stale" in markup.table([("A", "")], [], stale=True)
    assert "b-stale" in markup.tiles([("A", "1", "")], stale=True)
    assert "b-stale" not in markup.tiles([("A", "1", "")])


def test_flags_have_tooltips_and_words() -> None:
    """A flag is explained on hover and for those who cannot hover."""
    assert 'title="This second arrived late' in markup.flags(["late"])
    assert "<b>late</b>: This second arrived late" in markup.meanings(["late"])
    assert markup.meanings([]) == ""
