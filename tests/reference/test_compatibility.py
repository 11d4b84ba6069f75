"""Which changes of a record are compatible with old readers and old messages."""

import inspect
from typing import Any, Literal

import msgspec
import pytest

from app.records import Record
from app.reference.compatibility import incompatible_changes


class Inner(Record, frozen=True, kw_only=True):
    """A nested record."""

    id: list[int] = []  # noqa: RUF012 – msgspec copies it


class Before(Record, frozen=True, kw_only=True):
    """A record as committed."""

    second: int
    kind: Literal["naive", "ridge"]
    symbols: dict[str, Inner]
    inner: Inner = Inner()
    note: str = ""


def changed(**fields: Any) -> list[str]:
    """Return the incompatible changes if fields of `Before` get another type, a (type, default), or None: removed."""
    hints = inspect.get_annotations(Before)
    kept: dict[str, Any] = {name: (hints[name],) for name in hints}
    kept["inner"], kept["note"] = (Inner, Inner()), (str, "")
    kept |= {name: each if isinstance(each, tuple) else (each,) for name, each in fields.items()}
    spec = [(name, *each) for name, each in kept.items() if each != (None,)]
    after = msgspec.defstruct("After", spec, kw_only=True)
    return incompatible_changes(msgspec.json.schema(Before), msgspec.json.schema(after))


def test_an_unchanged_record_is_compatible() -> None:
    """Another class of the same shape is the same on the wire."""
    assert changed() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"venue": (str, "binance")},
        {"kind": Literal["naive", "ridge", "tensorflow"]},
        {"second": (int, 0)},
        {"more": (dict[str, Inner], {})},
    ],
    ids=[
        "a field with a default",
        "one more value",
        "a default for a field that had none",
        "a nested record",
    ],
)
def test_additions_with_a_default_are_compatible(fields: dict[str, Any]) -> None:
    """New fields with a default, new values of an enumeration, new defaults."""
    assert changed(**fields) == []


def test_a_nested_record_may_get_new_fields() -> None:
    """A field added to a nested record, with a default, also shows in the default of the field that holds it."""
    grown = msgspec.defstruct("Inner", [("id", list[int], []), ("venue", list[str], [])], frozen=True)
    assert changed(inner=(grown, grown()), symbols=dict[str, grown]) == []  # type: ignore[valid-type]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"note": None}, "note: the field was removed or renamed; old readers need it"),
        ({"note": None, "remark": (str, "")}, "note: the field was removed or renamed; old readers need it"),
        ({"venue": str}, "venue: a new field needs a default; old messages lack it"),
        ({"note": str}, "note: the field lost its default; old messages may lack it"),
        ({"second": float}, 'second: type was "integer", is "number"'),
        ({"second": int | None}, 'second: type was "integer", is None'),
        ({"kind": Literal["naive"]}, "kind: the enumeration lost ['ridge']"),
        ({"note": (Literal["", "late"], "")}, "note: became an enumeration"),
        ({"note": (str, "none")}, 'note: default was "", is "none"'),
        ({"symbols": dict[str, int]}, "symbols[].id: the field was removed or renamed; old readers need it"),
        ({"symbols": list[Inner]}, 'symbols: type was "object", is "array"'),
    ],
)
def test_an_incompatible_change_is_named(fields: dict[str, Any], line: str) -> None:
    """A field removed, renamed, of another type, new without a default, a value removed: each has its line."""
    assert line in changed(**fields)


def test_a_change_inside_a_nested_record_is_found() -> None:
    """Nested records are compared field by field too."""
    other = msgspec.defstruct("Inner", [("id", list[str], [])], frozen=True)
    found = changed(symbols=dict[str, other], inner=(other, other()))  # type: ignore[valid-type]
    assert found == ['symbols[].id[]: type was "integer", is "string"', 'inner.id[]: type was "integer", is "string"']
