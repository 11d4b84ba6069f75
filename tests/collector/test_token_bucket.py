"""A rate limit that allows a burst."""

from app.collector.token_bucket import TokenBucket


def test_a_window_never_has_more_than_the_burst_and_what_comes_in() -> None:
    """Whoever asks every 100 ms for five minutes gets 20 + 10 tokens."""
    bucket = TokenBucket(burst=20, per_s=1 / 30, now_s=0.0)
    assert sum(bucket.take(at / 10) for at in range(3000)) == 29
    assert bucket.take(300.0)


def test_a_reserve_is_left_over() -> None:
    """For others who may take the last tokens."""
    bucket = TokenBucket(burst=3, per_s=1.0, now_s=0.0)
    assert [bucket.take(0.0, reserve=2), bucket.take(0.0, reserve=2)] == [True, False]
    assert bucket.wait_s(0.0, reserve=2) == 1.0
    assert bucket.take(0.0)


def test_time_that_goes_back_takes_nothing_away() -> None:
    """The tokens are those of the latest time seen."""
    bucket = TokenBucket(burst=1, per_s=1.0, now_s=5.0)
    assert bucket.take(4.0)
    assert bucket.wait_s(4.0) == 1.0
