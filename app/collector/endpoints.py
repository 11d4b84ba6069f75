"""The exchange's endpoints in order of health, and the error of one that does not answer."""

from collections import deque
from dataclasses import dataclass

from app.retry import error_reason

HEDGE_S = 1.5  # an endpoint that may be dead is tried by one connection; after so long the next endpoint is tried too
FIRST_PUT_BACK_S, LONGEST_PUT_BACK_S = 15.0, 600.0


def endpoints(urls: str) -> deque[str]:
    """Return comma-separated endpoints, the one in use first; after a failure, rotate to the next.

    >>> endpoints("wss://a, wss://b")
    deque(['wss://a', 'wss://b'])
    """
    return deque(url.strip() for url in urls.split(",") if url.strip())


@dataclass(slots=True)
class _Health:
    """What all connections know of one endpoint; times are monotonic seconds."""

    is_proven: bool = False  # it sent a frame since its last failure
    failures: int = 0  # since its last frame
    failed_s: float = -1.0
    put_back_until_s: float = -1.0  # others go before it
    refuses_until_s: float = -1.0  # it said how long it must not be asked
    tried_s: float | None = None  # the attempt that finds out whether it works


class Endpoints:
    """The health of the endpoints, shared by all connections. Pure: the time is an argument.

    An endpoint that fails is put back behind the others, longer each time in a row. What one connection learns holds
    for all, so none tries again what another has just found dead.

    >>> shared = Endpoints("wss://a, wss://b")
    >>> shared.choose(0.0)
    'wss://a'
    >>> shared.failed("wss://a", started_s=0.0, now_s=1.0)
    >>> shared.choose(1.0)
    'wss://b'
    """

    def __init__(self, urls: str) -> None:
        self._health = {url: _Health() for url in endpoints(urls)}

    def choose(self, now_s: float) -> str | None:
        """Return the endpoint for the next attempt; None: an attempt that runs will tell, or all refuse."""
        for url in self._in_order(now_s):
            one = self._health[url]
            if one.is_proven or one.tried_s is None:
                return url
            if now_s - one.tried_s < HEDGE_S:
                return None
        return None

    def is_proven(self, url: str) -> bool:
        """Whether it sent a frame since its last failure."""
        return self._health[url].is_proven

    def started(self, url: str, now_s: float) -> None:
        """Note that a connection tries it."""
        one = self._health[url]
        if one.tried_s is None:
            one.tried_s = now_s

    def opened(self, url: str) -> None:
        """Note that it accepted a connection: others may follow, but a black hole accepts too."""
        self._health[url].tried_s = None

    def worked(self, url: str) -> None:
        """Note that it sent a frame."""
        one = self._health[url]
        one.is_proven, one.failures, one.tried_s = True, 0, None
        one.failed_s = one.put_back_until_s = -1.0

    def failed(self, url: str, started_s: float, now_s: float, refuses_s: float = 0.0) -> None:
        """Put it back, after an attempt or connection that started at `started_s`.

        Attempts that run side by side fail side by side: together they count once. `refuses_s`: its Retry-After.
        """
        one = self._health[url]
        one.is_proven, one.tried_s = False, None
        if started_s >= one.failed_s:
            one.failures += 1
            put_back_s = FIRST_PUT_BACK_S * 2.0 ** min(one.failures - 1, 10)
            one.put_back_until_s = now_s + min(put_back_s, LONGEST_PUT_BACK_S)
        one.failed_s = now_s
        one.refuses_until_s = max(one.refuses_until_s, now_s + refuses_s)

    def wait_s(self, now_s: float) -> float:
        """Return the seconds for which every endpoint refuses, as their Retry-After says."""
        return max(min(one.refuses_until_s for one in self._health.values()) - now_s, 0.0)

    def _in_order(self, now_s: float) -> list[str]:
        # Those put back come last, the one whose time ends first before the others; sorting keeps the given order.
        allowed = [url for url, one in self._health.items() if one.refuses_until_s <= now_s]
        return sorted(allowed, key=lambda url: max(self._health[url].put_back_until_s - now_s, 0.0))


class UnreachableError(Exception):
    """An endpoint of the exchange that does not answer; the message says what to do.

    >>> print(UnreachableError("wss://a", TimeoutError()))
    Binance at wss://a cannot be reached (TimeoutError): check the network, or run the emulator: \
btc up --exchange synthetic
    """

    def __init__(self, url: str, error: Exception) -> None:
        super().__init__(
            f"Binance at {url} cannot be reached ({error_reason(error)}): "
            "check the network, or run the emulator: btc up --exchange synthetic"
        )
