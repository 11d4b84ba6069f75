"""A token bucket: a rate limit that allows a burst. Pure: the time is an argument."""


class TokenBucket:
    """`burst` tokens at first, `per_s` more each second, never above `burst`.

    In any t seconds at most burst + per_s · t tokens are taken.

    >>> bucket = TokenBucket(burst=2, per_s=0.1, now_s=0.0)
    >>> [bucket.take(0.0), bucket.take(0.0), bucket.take(0.0)], bucket.wait_s(0.0)
    ([True, True, False], 10.0)
    """

    def __init__(self, burst: float, per_s: float, now_s: float) -> None:
        self._burst, self._per_s = burst, per_s
        self._tokens, self._at_s = burst, now_s

    def wait_s(self, now_s: float, count: float = 1, reserve: float = 0) -> float:
        """Return the seconds until `count` tokens can be taken with `reserve` left over, 0 if that is now.

        `count` + `reserve` must not be above `burst`.
        """
        self._refill(now_s)
        return max((count + reserve - self._tokens) / self._per_s, 0.0)

    def take(self, now_s: float, count: float = 1, reserve: float = 0) -> bool:
        """Take `count` tokens if `reserve` is left over; say whether they were taken."""
        if self.wait_s(now_s, count, reserve) > 0:
            return False
        self._tokens -= count
        return True

    def _refill(self, now_s: float) -> None:
        self._tokens = min(self._tokens + max(now_s - self._at_s, 0.0) * self._per_s, self._burst)
        self._at_s = now_s
