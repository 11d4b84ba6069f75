"""Training history on mids, collected from the batches of `btc.features`."""

from collections import deque
from collections.abc import Sequence

import numpy as np

from app.domain import feature_history
from app.domain.acceptance import refusal_reason
from app.domain.bars import ADDED, CHANNELS, Channel, Floats
from app.domain.symbol_series import SymbolSeries
from app.records import FeatureBatch


class LiveHistory:
    """The newest `seconds` of bars of some symbols, mids included."""

    def __init__(self, symbols: Sequence[str], seconds: int) -> None:
        self._bars: dict[str, deque[tuple[int, Floats]]] = {name: deque(maxlen=seconds) for name in symbols}
        self._generations: dict[int, int] = {}

    def update(self, batch: FeatureBatch) -> None:
        """Append one batch; repeats, lower generations and batches without all channels are ignored."""
        generation = self._generations.get(batch.partition, 0)
        if refusal_reason(batch, last_generation=generation) or not batch.bars.keys() >= set(CHANNELS) - ADDED:
            return
        self._generations[batch.partition] = batch.generation
        for symbol in self._bars.keys() & set(batch.symbols):
            kept, row = self._bars[symbol], batch.symbols.index(symbol)
            if not refusal_reason(batch, last_second=kept[-1][0] if kept else None):
                kept.append((batch.second, _bar(batch, row)))

    def quoted_s(self) -> int:
        """Return the number of seconds with a mid of the symbol that has most of them."""
        return max((sum(bar[Channel.QUOTED] > 0 for _, bar in kept) for kept in self._bars.values()), default=0)

    def bars(self, symbol: str) -> Floats:
        """Return the bars of a symbol, float64 [T, C], from its first to its last second; zeros in missing seconds."""
        kept = self._bars[symbol]
        seconds = np.array([second for second, _ in kept], np.int64)
        return feature_history.on_second_grid(seconds, np.array([bar for _, bar in kept]).reshape(-1, len(CHANNELS)))

    def series(self, min_s: int) -> list[SymbolSeries]:
        """Return the symbols with at least `min_s` seconds, half of them usable; seconds without a quote are not."""
        found = [self._series(symbol) for symbol, kept in self._bars.items() if len(kept) >= min_s]
        return [series for series in found if series.usable.sum() >= min_s * 0.5]

    def _series(self, symbol: str) -> SymbolSeries:
        bars, start = self.bars(symbol), self._bars[symbol][0][0]
        known, quoted = feature_history.feature_matrix(bars), bars[:, Channel.QUOTED] > 0
        mid = np.where(quoted, known.mid, 0.0)
        present = bars[:, Channel.PRESENT] > 0
        return SymbolSeries(symbol, start, known.features, mid, known.volatility, present, known.valid & quoted)


def _bar(batch: FeatureBatch, row: int) -> Floats:
    return np.array([batch.bars[name][row] if name in batch.bars else 0.0 for name in CHANNELS])
