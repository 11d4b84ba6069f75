"""The archive's rows as columns."""

from app.api.archive_history import bars_of, level_of, predictions_of


def test_a_columns_name_is_a_level() -> None:
    """Fractions of a percent follow an underscore."""
    assert level_of("q97_5") == "0.975"


def test_no_rows_are_no_columns() -> None:
    """An empty archive has no channels and no horizons."""
    assert bars_of("X", []).channels == {}
    assert predictions_of("X", [], []).horizons == {}
