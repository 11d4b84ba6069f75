"""The exchange's endpoints in order of preference, and the error of one that does not answer."""

from collections import deque

from app.retry import error_reason


def endpoints(urls: str) -> deque[str]:
    """Return comma-separated endpoints, the one in use first; after a failure, rotate to the next.

    >>> endpoints("wss://a, wss://b")
    deque(['wss://a', 'wss://b'])
    """
    return deque(url.strip() for url in urls.split(",") if url.strip())


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
