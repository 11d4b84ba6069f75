"""The exchange's clock."""

import pytest

from app import clock
from app.emulator import emulator_clock
from app.emulator.emulator_clock import EmulatorClock


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the wall time, epoch ms, as a list of one value that a test may set."""
    now = [1_000_000.0]
    for module in (clock, emulator_clock):
        monkeypatch.setattr(module, "wall_ms", lambda: now[0])
    return now


def test_a_held_clock_stands_until_it_is_started(wall: list[float]) -> None:
    """Before `start` it shows its start, afterwards it runs at its speed; a second start changes nothing."""
    held = EmulatorClock(5_000_000, 10.0, hold=True)
    wall[0] += 1000
    assert (held.now_us(), held.anchored) == (5_000_000, None)
    held.start()
    wall[0] += 1000
    held.start()
    assert held.now_us() == 15_000_000
    assert held.anchored is not None


def test_without_a_start_it_shows_the_wall_time(wall: list[float]) -> None:
    """A clock without a start begins at the wall's time, held or not."""
    assert (
        EmulatorClock(None, 2.0, hold=True).now_us() == EmulatorClock(None, 2.0, hold=False).now_us() == 1_000_000_000
    )


def test_waiting_times_are_wall_seconds(wall: list[float]) -> None:
    """At speed 10, ten exchange seconds are one wall second; past times are zero."""
    running = EmulatorClock(0, 10.0, hold=False)
    assert running.wall_s_until(10_000_000) == pytest.approx(1.0)
    assert running.wall_s_until(-10_000_000) == 0.0
