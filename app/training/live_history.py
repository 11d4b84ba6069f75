"""History out of `btc.features`. What enters: FeatureBatches; what leaves: series on mids."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from app.domain import history
from app.domain.bars import CHANNELS, Channel, Floats
from app.domain.series import Series
from app.records import FeatureBatch


class LiveHistory:
    """The newest `seconds` of bars of a few symbols, mids included."""

    def __init__(self, symbols: Sequence[str], seconds: int) -> None:
        self._bars: dict[str, deque[tuple[int, Floats]]] = {name: deque(maxlen=seconds) for name in symbols}
        self._generations: dict[int, int] = {}

    def take(self, batch: FeatureBatch) -> None:
        """Follow one batch; repeats, older generations and batches without all channels are left out."""
        if batch.generation < self._generations.get(batch.partition, 0) or not batch.bars.keys() >= set(CHANNELS):
            return
        self._generations[batch.partition] = batch.generation
        for symbol in self._bars.keys() & set(batch.symbols):
            kept, row = self._bars[symbol], batch.symbols.index(symbol)
            if not kept or batch.second > kept[-1][0]:
                kept.append((batch.second, np.array([batch.bars[name][row] for name in CHANNELS])))

    def quoted_s(self) -> int:
        """Return how many seconds with a mid the best known symbol has."""
        return max((sum(bar[Channel.QUOTED] > 0 for _, bar in kept) for kept in self._bars.values()), default=0)

    def series(self, least_s: int) -> list[Series]:
        """Return the symbols that have `least_s` quoted seconds or more; other seconds may not be learnt from."""
        found = [self._series(symbol) for symbol, kept in self._bars.items() if len(kept) >= least_s]
        return [series for series in found if series.usable.sum() >= least_s * 0.5]

    def _series(self, symbol: str) -> Series:
        kept = list(self._bars[symbol])
        start, end = kept[0][0], kept[-1][0] + 1
        bars = np.zeros((end - start, len(CHANNELS)))
        for second, bar in kept:
            bars[second - start] = bar
        known, quoted = history.feature_matrix(bars), bars[:, Channel.QUOTED] > 0
        mid = np.where(quoted, known.mid, 0.0)
        present = bars[:, Channel.PRESENT] > 0
        return Series(symbol, start, known.features, mid, known.volatility, present, known.valid & quoted)
