"""The receipt of a frame: when it came, and by which connection."""

from typing import NamedTuple


class Receipt(NamedTuple):
    """How a frame or an answer of REST came here."""

    ns: int = 0  # wall clock, epoch nanoseconds; 0: not known
    connection: int = 0  # number of the connection since this process started, from 1; 0: REST


UNKNOWN = Receipt()
