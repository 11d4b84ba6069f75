"""Positions of models and symbols: kept while they are seen, lost after the patience."""

from app.domain.array_index import ArrayIndex, Reindexing
from app.domain.arrays import ABSENT

NAIVE, RIDGE = ("naive", "naive"), ("ridge-1", "ridge")


def test_the_same_models_and_symbols_change_no_position() -> None:
    """The first second makes positions, the next ones leave them, in whatever order the symbols come."""
    index = ArrayIndex(10)
    assert index.update(1, [NAIVE, RIDGE], ["A", "B"]) == Reindexing([ABSENT] * 2, [ABSENT] * 2, [ABSENT] * 2)
    assert index.update(2, [NAIVE, RIDGE], ["B", "A"]) is None
    assert index.symbol_positions(["B", "A"]).tolist() == [1, 0]
    assert index.model_positions(["ridge-1", "naive"]) == [1, 0]


def test_a_new_model_gets_its_predecessor_and_a_new_symbol_none() -> None:
    """A second release of a kind knows where the first one is."""
    index = ArrayIndex(10)
    index.update(1, [NAIVE, RIDGE], ["A"])
    reindexing = index.update(2, [NAIVE, RIDGE, ("ridge-2", "ridge")], ["A", "B"])
    assert reindexing == Reindexing([0, 1, ABSENT], [0, 1, 1], [0, ABSENT])


def test_what_is_not_seen_for_the_patience_loses_its_position() -> None:
    """Ten seconds are patience, eleven are too many; the others move up."""
    index = ArrayIndex(10)
    index.update(0, [RIDGE, NAIVE], ["A", "B"])
    for second in range(1, 11):
        assert index.update(second, [NAIVE], ["B"]) is None
    assert index.update(11, [NAIVE], ["B"]) == Reindexing([1], [1], [1])
    assert (index.symbols, [model for model, _, _ in index.models]) == (["B"], ["naive"])
