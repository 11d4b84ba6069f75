"""Symbols and ages as every view needs them."""

from app.board.state import BoardState


class UnknownSymbolError(LookupError):
    """A symbol that was in no batch; the message names the known ones."""


def partition_of(state: BoardState, symbol: str) -> int:
    """Return the partition of a symbol.

    Raises:
        UnknownSymbolError: it was in no batch.

    """
    try:
        return state.history.partition_of[symbol]
    except KeyError:
        known = sorted(state.history.partition_of)
        named = ", ".join(known[:20]) + (f" and {len(known) - 20} more" if len(known) > 20 else "")
        raise UnknownSymbolError(f"symbol {symbol} is not known; known are: {named or 'none yet'}") from None


def age_s(state: BoardState, second: int, wall_ms: float) -> float:
    """Return how long ago, in exchange time, a second ended; never negative."""
    return max(0.0, round(state.time.now_s(wall_ms) - (second + 1), 3))
