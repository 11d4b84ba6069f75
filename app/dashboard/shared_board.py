"""The one board of this process. What enters: the launcher's board; what leaves: the same one for every visitor.

Streamlit runs its scripts once per visitor and refresh; an imported module like this one lives as long as the process.
"""

from app.board.board import Board

_held: list[Board] = []


def hold(board: Board) -> None:
    """Let every page read this board from now on."""
    _held[:] = [board]


def board() -> Board:
    """Return the board the launcher holds.

    Raises:
        RuntimeError: the script was started without `btc dashboard`.

    """
    if not _held:
        raise RuntimeError("the dashboard has no board: start it with `btc dashboard`, not with `streamlit run`")
    return _held[0]
