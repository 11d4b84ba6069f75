"""Who has a place in the arrays of one partition: models and symbols, as they come and go.

What enters: the models and symbols of each second. What leaves: their places, and how places moved. Who has not been
seen for `patience_s` seconds loses the place.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from app.domain.axes import NEW, Ints
from app.domain.calibration import predecessor

Models = Sequence[tuple[str, str]]  # id, kind


@dataclass(frozen=True, slots=True)
class Move:
    """Where each place was before, NEW if nowhere; `inherited`: a new model's predecessor of its kind."""

    models: list[int]
    inherited: list[int]
    symbols: list[int]


@dataclass(slots=True)
class ArrayIndex:
    """The models (id, kind, newest second seen), the symbols, and the newest second each symbol was seen [S]."""

    patience_s: int
    models: list[tuple[str, str, int]] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)
    seen: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    _row: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._row = {symbol: row for row, symbol in enumerate(self.symbols)}

    def rows(self, symbols: Sequence[str]) -> Ints:
        """Return the places of symbols."""
        return np.fromiter((self._row[symbol] for symbol in symbols), np.int64, len(symbols))

    def slots(self, models: Sequence[str]) -> list[int]:
        """Return the places of models."""
        place = {model: slot for slot, (model, _, _) in enumerate(self.models)}
        return [place[model] for model in models]

    def arrange(self, second: int, models: Models, symbols: Sequence[str]) -> Move | None:
        """Take note of one second's models and symbols; return how places moved, None if they did not."""
        oldest = second - self.patience_s
        present = self._present(second, models, oldest)
        same = [model[0] for model in present] == [model[0] for model in self.models]
        if same and self._row.keys() >= set(symbols):
            self.seen[self.rows(symbols)] = second
            if (self.seen >= oldest).all():
                self.models = present
                return None
        return self._move(second, present, symbols, oldest)

    def _present(self, second: int, models: Models, oldest: int) -> list[tuple[str, str, int]]:
        kinds, known = dict(models), {model for model, _, _ in self.models}
        kept = [(m, kinds.get(m, kind), second if m in kinds else seen) for m, kind, seen in self.models]
        kept = [model for model in kept if model[2] >= oldest]
        return kept + [(model, kind, second) for model, kind in models if model not in known]

    def _move(self, second: int, models: list[tuple[str, str, int]], symbols: Sequence[str], oldest: int) -> Move:
        here = set(symbols)
        kept = [row for row, name in enumerate(self.symbols) if name in here or self.seen[row] >= oldest]
        fresh = [symbol for symbol in symbols if symbol not in self._row]
        place = {model: slot for slot, (model, _, _) in enumerate(self.models)}
        move = Move(
            models=[place.get(model, NEW) for model, _, _ in models],
            inherited=[predecessor(self.models, model, kind) for model, kind, _ in models],
            symbols=kept + [NEW] * len(fresh),
        )
        self.seen = np.concatenate([self.seen[kept], np.full(len(fresh), second, np.int64)])
        self.models, self.symbols = models, [self.symbols[row] for row in kept] + fresh
        self._row = {symbol: row for row, symbol in enumerate(self.symbols)}
        self.seen[self.rows(symbols)] = second
        return move
