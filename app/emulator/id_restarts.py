"""Trade ids that begin again: which numbering a symbol has from when on, the same for streams and REST."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from app.emulator.columns import Ints
from app.emulator.market_source import AGG_TRADE


class _Restart(NamedTuple):
    first_key: int  # first id of the market that is counted anew
    offset: int  # new id − id of the market


class IdRestarts:
    """Restarts of ids by symbol and kind of stream; REST shows those of `aggTrade`."""

    def __init__(self) -> None:
        self._by_stream: dict[tuple[str, str], _Restart] = {}

    def offset(self, symbol: str, kind: str, key: int, first_id: int) -> int:
        """Return what to add to this id; the first id asked for becomes `first_id`."""
        restart = self._by_stream.setdefault((symbol, kind), _Restart(key, first_id - key))
        return restart.offset

    def shown(self, symbol: str, ids: Ints) -> Ints:
        """Return the ids of trades as REST shows them."""
        restart = self._by_stream.get((symbol, AGG_TRADE))
        return ids if restart is None else np.where(ids >= restart.first_key, ids + restart.offset, ids)

    def asked(self, symbol: str, trade_id: int) -> tuple[int, ...]:
        """Return the market's ids that an id asked for may mean, that of the new numbering first."""
        restart = self._by_stream.get((symbol, AGG_TRADE))
        if restart is None:
            return (trade_id,)
        new = (trade_id - restart.offset,) if trade_id - restart.offset >= restart.first_key else ()
        old = (trade_id,) if trade_id < restart.first_key else ()
        return new + old

    def clear(self) -> None:
        """Show the market's own ids again."""
        self._by_stream.clear()
