"""The one board of this process, shared by every visitor.

Streamlit runs its scripts once per visitor and refresh; an imported module like this one lasts as long as the process.
"""

from app.board.board import Board

_shared: list[Board] = []


def share(board: Board) -> None:
    """Let every page read this board from now on."""
    _shared[:] = [board]


def board() -> Board:
    """Return the board the launcher shared.

    Raises:
        RuntimeError: the script was started without `btc dashboard`.

    """
    if not _shared:
        raise RuntimeError("the dashboard has no board: start it with `btc dashboard`, not with `streamlit run`")
    return _shared[0]
