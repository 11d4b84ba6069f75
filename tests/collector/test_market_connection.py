"""How long a line may be silent."""

from app.collector.market_connection import LONGEST_SILENCE_S, SHORTEST_SILENCE_S, Silence


def heard_every(gap_s: float, times: int = 200) -> Silence:
    """Return a line that spoke at a steady rate from second 0 on."""
    silence = Silence(0.0)
    for at in range(1, times + 1):
        silence.heard(at * gap_s)
    return silence


def test_a_busy_line_is_dead_after_five_silent_seconds() -> None:
    """Thirty messages a second."""
    silence = heard_every(1 / 30)
    assert silence.limit_s == SHORTEST_SILENCE_S
    assert silence.left_s(silence.last_s + 4.0) == 1.0
    assert silence.left_s(silence.last_s + 5.1) == 0.0


def test_a_thin_market_may_be_silent_for_fifty_of_its_usual_gaps() -> None:
    """Two messages in three seconds."""
    assert round(heard_every(0.5).limit_s, 6) == 25.0


def test_no_line_may_be_silent_for_more_than_a_minute() -> None:
    """A new connection costs little."""
    assert heard_every(30.0).limit_s == LONGEST_SILENCE_S


def test_a_line_that_never_spoke_has_five_seconds() -> None:
    """Its first message is overdue."""
    assert Silence(100.0).left_s(103.0) == 2.0
