"""When and where connections to the exchange are opened: one budget and one view of the endpoints for all of them.

Binance allows 300 attempts per 5 minutes and address. One process uses 30 of them at most, so that three replicas
behind one address stay below 100: a burst of 20 and one more each 30 s.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from websockets.exceptions import InvalidStatus

from app.clock import wall_ms
from app.collector.endpoints import Endpoints
from app.collector.token_bucket import TokenBucket
from app.logs import logger
from app.metrics import TICKS_CONNECTION_ATTEMPTS

BURST, PER_S = 20.0, 1 / 30
PROBE_EVERY_S = 60.0
LOOK_AGAIN_S = 0.1  # while another connection finds out whether an endpoint works
BLOCKED_STATUS = {418: 120.0, 429: 60.0}  # → seconds without Retry-After; they concern the address, not the endpoint
LONGEST_BLOCK_S = 3 * 86_400.0  # Binance's longest ban
log = logger("collector")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A connection attempt that was admitted; `started_s` is monotonic."""

    url: str
    started_s: float


class ConnectionGovernor:
    """Admits the connection attempts of one process: `admit`, then `opened`, `worked` or `failed`.

    The first attempts find out which endpoint works, one at a time and endpoint. They leave tokens for the others:
    once an endpoint works, every connection can be opened at once. One such probe a minute may use those tokens too.
    """

    def __init__(self, urls: str, connections: int, now: Callable[[], float] = time.monotonic) -> None:
        self._endpoints, self._now = Endpoints(urls), now
        # Enough to open every connection and to move them all to another endpoint right after.
        self._reserve = connections - 1
        self._bucket = TokenBucket(max(BURST, 2.0 * connections), PER_S, now())
        self._blocked_until_s = 0.0
        self._probed_s = -math.inf

    async def admit(self) -> Attempt:
        """Wait until an attempt is allowed and return where it goes."""
        while (attempt := self.try_admit()) is None:
            await asyncio.sleep(self.wait_s())
        return attempt

    def try_admit(self) -> Attempt | None:
        """Return an attempt that is allowed now, or None."""
        now_s = self._now()
        url = None if now_s < self._blocked_until_s else self._endpoints.choose(now_s)
        if url is None or not self._bucket.take(now_s, reserve=self._reserve_for(url)):
            return None
        if not self._endpoints.is_proven(url):
            self._probed_s = now_s
        self._endpoints.started(url, now_s)
        TICKS_CONNECTION_ATTEMPTS.inc()
        return Attempt(url, now_s)

    def wait_s(self) -> float:
        """Return when to ask again, in seconds: after a ban, a Retry-After, the next token, or soon."""
        now_s = self._now()
        url = self._endpoints.choose(now_s)
        token_s = self._bucket.wait_s(now_s, reserve=self._reserve_for(url)) if url else 0.0
        return max(self._blocked_until_s - now_s, self._endpoints.wait_s(now_s), min(token_s, 1.0), LOOK_AGAIN_S)

    def opened(self, attempt: Attempt) -> None:
        """Note that the handshake succeeded."""
        self._endpoints.opened(attempt.url)

    def worked(self, attempt: Attempt) -> None:
        """Note the first frame of a connection."""
        self._endpoints.worked(attempt.url)

    def failed(self, attempt: Attempt, error: Exception | None = None) -> None:
        """Note that an attempt failed or that a connection was lost; a refusal is obeyed as long as it says."""
        refuses_s = 0.0
        if isinstance(error, InvalidStatus):
            status, refuses_s = error.response.status_code, retry_after_s(error)
            if status in BLOCKED_STATUS:
                self._block(refuses_s or BLOCKED_STATUS[status], status)
        self._endpoints.failed(attempt.url, attempt.started_s, self._now(), refuses_s)

    def _block(self, wait_s: float, status: int) -> None:
        log.warning("the exchange blocks connections from this address", status=status, wait_s=wait_s)
        self._blocked_until_s = max(self._blocked_until_s, self._now() + wait_s)

    def _reserve_for(self, url: str) -> float:
        is_due = self._now() - self._probed_s >= PROBE_EVERY_S
        return 0 if is_due or self._endpoints.is_proven(url) else self._reserve


def retry_after_s(refusal: InvalidStatus) -> float:
    """Return the seconds of Retry-After, which may be a number or a date; 0 without a usable one."""
    text = refusal.response.headers.get("Retry-After", "")
    if text.isdecimal():
        return min(float(text), LONGEST_BLOCK_S)
    try:
        wait_s = parsedate_to_datetime(text).timestamp() - wall_ms() / 1000
    except ValueError:
        return 0.0
    return min(max(wait_s, 0.0), LONGEST_BLOCK_S)
