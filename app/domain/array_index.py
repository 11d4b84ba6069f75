"""Array positions of the models and symbols of one partition, as models and symbols appear and disappear.

A model or symbol that has not been seen for `patience_s` seconds loses its position.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from app.domain.arrays import ABSENT, Ints
from app.domain.calibration import predecessor_position

Models = Sequence[tuple[str, str]]  # id, kind


@dataclass(frozen=True, slots=True)
class Reindexing:
    """Where each position was before, ABSENT if new; for models also where their predecessor of the same kind was."""

    models: list[int]
    predecessors: list[int]
    symbols: list[int]


@dataclass(slots=True)
class ArrayIndex:
    """The models (id, kind, last second seen), the symbols, and the last second each symbol was seen [S]."""

    patience_s: int
    models: list[tuple[str, str, int]] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)
    symbols_seen: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    row: dict[str, int] = field(init=False, default_factory=dict)  # symbol → its position

    def __post_init__(self) -> None:
        self.row = {symbol: row for row, symbol in enumerate(self.symbols)}

    def symbol_positions(self, symbols: Sequence[str]) -> Ints:
        """Return the positions of symbols [S']."""
        return np.fromiter((self.row[symbol] for symbol in symbols), np.int64, len(symbols))

    def model_positions(self, models: Sequence[str]) -> list[int]:
        """Return the positions of models."""
        position = self._model_position()
        return [position[model] for model in models]

    def update(self, second: int, models: Models, symbols: Sequence[str]) -> Reindexing | None:
        """Add one second's models and symbols; return how positions changed, None if they did not."""
        oldest = second - self.patience_s
        present = self._present(second, models, oldest)
        same = [model[0] for model in present] == [model[0] for model in self.models]
        if same and self.row.keys() >= set(symbols):
            self.symbols_seen[self.symbol_positions(symbols)] = second
            if (self.symbols_seen >= oldest).all():
                self.models = present
                return None
        return self._reindex(second, present, symbols, oldest)

    def _present(self, second: int, models: Models, oldest: int) -> list[tuple[str, str, int]]:
        kinds, known = dict(models), {model for model, _, _ in self.models}
        kept = [(m, kinds.get(m, kind), second if m in kinds else seen) for m, kind, seen in self.models]
        kept = [model for model in kept if model[2] >= oldest]
        return kept + [(model, kind, second) for model, kind in models if model not in known]

    def _model_position(self) -> dict[str, int]:
        return {model: position for position, (model, _, _) in enumerate(self.models)}

    def _reindex(
        self, second: int, models: list[tuple[str, str, int]], symbols: Sequence[str], oldest: int
    ) -> Reindexing:
        present = set(symbols)
        kept = [row for row, name in enumerate(self.symbols) if name in present or self.symbols_seen[row] >= oldest]
        new = [symbol for symbol in symbols if symbol not in self.row]
        position = self._model_position()
        reindexing = Reindexing(
            models=[position.get(model, ABSENT) for model, _, _ in models],
            predecessors=[predecessor_position(self.models, model, kind) for model, kind, _ in models],
            symbols=kept + [ABSENT] * len(new),
        )
        self.symbols_seen = np.concatenate([self.symbols_seen[kept], np.full(len(new), second, np.int64)])
        self.models, self.symbols = models, [self.symbols[row] for row in kept] + new
        self.row = {symbol: row for row, symbol in enumerate(self.symbols)}
        self.symbols_seen[self.symbol_positions(symbols)] = second
        return reindexing
