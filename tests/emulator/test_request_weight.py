"""The rate limit of REST requests."""

from app.emulator.request_weight import LIMIT_PER_MINUTE, RequestWeight


def test_the_limit_holds_for_a_minute() -> None:
    """The weight beyond the limit has to wait for the next minute, in which nothing is used yet."""
    now = [120.0 + 45.0]
    weight = RequestWeight(lambda: now[0])
    assert weight.spend(LIMIT_PER_MINUTE) is None
    assert weight.spend(1) == 15
    now[0] += 15
    assert weight.spend(2) is None
    assert weight.used == 2
