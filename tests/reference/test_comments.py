"""Comments that are read from source code."""

from app.reference.comments import field_comments, group_headings

SOURCE = """
# not a heading: it follows no empty line
class Trade:
    price: float  # in quote currency  # noqa: X1
    size: float

    # Flags
    late: bool = False  # filled later


OTHER = 1  # a constant
"""


def test_only_fields_with_a_comment_are_explained() -> None:
    """A field without a comment is absent, `noqa` is cut off, constants of the module are not fields."""
    assert field_comments(SOURCE) == {("Trade", "price"): "in quote currency", ("Trade", "late"): "filled later"}


def test_a_heading_ends_at_the_next_one() -> None:
    """Names before the first heading have none; the last heading holds to the end of the file."""
    assert group_headings("A = 1\n\n# One\nB = 2\n\n# Two\nC = 3\n\nD = 4\n") == {"B": "One", "C": "Two", "D": "Two"}
