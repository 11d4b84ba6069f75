"""The symbols beside what `exchangeInfo` says of them: unknown, delisted and halted ones are named, others go on."""

import asyncio
from collections.abc import Callable, Mapping

from app.collector.rest_client import REST_ERRORS, RestClient
from app.logs import logger
from app.metrics import TICKS_NOT_TRADING
from app.retry import error_reason

CHECK_EVERY_S = 45.0  # weight 20 per hundred symbols, of 6,000 a minute; a dead symbol is named within a minute
CHECK_UNKNOWN_EVERY = 10  # checks
MOST_PER_REQUEST = 100  # symbols: a URL has about 2 kB then
UNKNOWN, TRADING = "unknown", "TRADING"
log = logger("collector")


class SymbolCheck:
    """Which symbols do not trade, and why: `not_trading` = {"XYZUSDT": "unknown", "ETHUSDT": "HALT"}."""

    def __init__(
        self, symbols: tuple[str, ...], rest: RestClient, on_change: Callable[[Mapping[str, str]], None]
    ) -> None:
        self.not_trading: dict[str, str] = {}
        self._symbols, self._rest, self._on_change = symbols, rest, on_change
        self._checks = 0

    @property
    def note(self) -> str:
        """One line for people, "" while every symbol trades."""
        return "not trading: " + ", ".join(_texts(self.not_trading)) if self.not_trading else ""

    async def run(self) -> None:
        """Check every 45 s until cancelled; what REST does not answer leaves everything as it was."""
        for symbol in self._symbols:
            TICKS_NOT_TRADING.labels(symbol).set(0)
        while True:
            try:
                await self.check()
            except REST_ERRORS as error:
                log.warning("the symbols cannot be checked now", reason=error_reason(error))
            await asyncio.sleep(CHECK_EVERY_S)

    async def check(self) -> None:
        """Check once; raises one of `REST_ERRORS`."""
        names_unknown = self._checks % CHECK_UNKNOWN_EVERY == 0
        unknown = () if names_unknown else tuple(name for name, why in self.not_trading.items() if why == UNKNOWN)
        asked = tuple(name for name in self._symbols if name not in unknown)
        found = dict.fromkeys(unknown, UNKNOWN) | (await self._statuses(asked) if asked else {})
        self._checks += 1
        self._update({name: status for name, status in found.items() if status != TRADING})

    async def _statuses(self, symbols: tuple[str, ...]) -> dict[str, str]:
        """Return the status of each; one unknown symbol refuses the whole request, so it is looked for by halves."""
        statuses = await self._rest.get_statuses(symbols) if len(symbols) <= MOST_PER_REQUEST else None
        if statuses is not None:
            return {name: statuses.get(name, UNKNOWN) for name in symbols}
        if len(symbols) == 1:
            return {symbols[0]: UNKNOWN}
        half = len(symbols) // 2
        return await self._statuses(symbols[:half]) | await self._statuses(symbols[half:])

    def _update(self, not_trading: dict[str, str]) -> None:
        if not_trading == self.not_trading:
            return
        for symbol in self.not_trading.keys() | not_trading.keys():
            TICKS_NOT_TRADING.labels(symbol).set(symbol in not_trading)
        log.warning("symbols that do not trade have changed", now=_texts(not_trading), before=_texts(self.not_trading))
        self.not_trading = not_trading
        self._on_change(not_trading)


def _texts(not_trading: Mapping[str, str]) -> list[str]:
    return [f"{symbol} ({why})" for symbol, why in sorted(not_trading.items())]
