"""`python -m benchmarks.chaos.stepped_clock FILE ARGUMENTS`: `btc ARGUMENTS` with a wall clock that FILE makes wrong.

FILE holds seconds to add. Only the wall clock as Python programs ask for it is wrong; the monotonic clock is right, as
after a step of a machine's clock.
"""

import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

READ_EVERY_S = 0.05
_true_s, _true_ns = time.time, time.time_ns


class SteppedClock:
    """The wall clock plus the seconds in a file."""

    def __init__(self, file: Path) -> None:
        self._file, self._by_s = file, 0.0

    def follow(self) -> None:
        """Read the file for ever."""
        while True:
            with suppress(OSError, ValueError):  # it is being written
                self._by_s = float(self._file.read_text())
            time.sleep(READ_EVERY_S)

    def time_s(self) -> float:
        """Return the wrong wall clock, epoch seconds."""
        return _true_s() + self._by_s

    def time_ns(self) -> int:
        """Return the wrong wall clock, epoch nanoseconds."""
        return _true_ns() + int(self._by_s * 1e9)


def main() -> None:
    """Run `btc` with the wrong clock."""
    clock = SteppedClock(Path(sys.argv[1]))
    threading.Thread(target=clock.follow, daemon=True).start()
    time.time, time.time_ns = clock.time_s, clock.time_ns
    from app.cli import main as btc

    sys.argv = ["btc", *sys.argv[2:]]
    btc()


if __name__ == "__main__":
    main()
