"""Trades and quotes as columns of integers."""

import numpy as np

from app.emulator.columns import Scale, TradeColumns, concatenate, empty_trades, format_decimal


def test_numbers_are_written_with_eight_decimals() -> None:
    """Integers become Binance's decimals, exactly; digits beyond the eighth are cut."""
    assert format_decimal(6_000_012, 2) == "60000.12000000"
    assert format_decimal(177, 0) == "177.00000000"
    assert format_decimal(638, 8) == "0.00000638"
    assert format_decimal(123_456_789_012, 10) == "12.34567890"
    assert Scale(2, 5).turnover(2_816_547 * 56) == "15.77266320"


def trades(*ids: int) -> TradeColumns:
    column = np.array(ids, np.int64)
    return TradeColumns(column, column, column, column, column, column > 1, column)


def test_a_selection_applies_to_every_column() -> None:
    """A slice and a mask give the same rows in all columns."""
    rows = trades(1, 2, 3)
    for part in (rows.select(slice(1, None)), rows.select(rows.ids > 1)):
        assert len(part) == 2
        assert part.ids.tolist() == part.lots.tolist() == [2, 3]
        assert part.buyer_maker.all()


def test_parts_are_concatenated_in_order() -> None:
    """Parts may be empty, and no part gives no rows."""
    assert concatenate([trades(2, 3), empty_trades(), trades(1)]).ids.tolist() == [2, 3, 1]
    assert len(concatenate([])) == 0
