"""May a record change so? What enters: its committed JSON Schema and the present one; what leaves: what would break.

Old messages lie in Kafka for days and workers are replaced one by one, so each side must understand the other. Allowed:
a new field with a default, a default for a field that had none, one more value of an enumeration. Nothing else.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
WORDS = frozenset({"title", "description", "$defs", "$schema", "$id"})  # say something, demand nothing
OWN = frozenset(
    {"properties", "required", "enum", "default", "items", "additionalProperties", "anyOf"}
)  # have rules here


def breaks(old: Schema, new: Schema) -> list[str]:
    """Return one line for each incompatible change, the empty list if there is none.

    >>> breaks({"properties": {"second": {"type": "integer"}}}, {"properties": {"second": {"type": "number"}}})
    ['second: type was "integer", is "number"']
    """
    return list(_breaks(old, new, (old.get("$defs", {}), new.get("$defs", {})), ""))


def _breaks(old: Schema, new: Schema, names: tuple[Schema, Schema], at: str) -> Iterator[str]:
    old, new = _meant(old, names[0]), _meant(new, names[1])
    yield from _fields(old, new, names, at)
    yield from _values(old, new, at)
    for word in ("items", "additionalProperties"):
        inner = old.get(word), new.get(word)
        if isinstance(inner[0], dict) and isinstance(inner[1], dict):
            yield from _breaks(inner[0], inner[1], names, f"{at}[]")
        elif inner[0] != inner[1]:
            yield _was(at, word, *inner)
    options = old.get("anyOf", []), new.get("anyOf", [])
    if len(options[0]) != len(options[1]):
        yield _was(at, "anyOf", *options)
    for one, other in zip(*options, strict=False):
        yield from _breaks(one, other, names, at)
    for word in sorted((old.keys() | new.keys()) - WORDS - OWN):
        if old.get(word) != new.get(word):
            yield _was(at, word, old.get(word), new.get(word))


def _fields(old: Schema, new: Schema, names: tuple[Schema, Schema], at: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    required = set(new.get("required", ()))
    for name in before:
        place = f"{at}.{name}".lstrip(".")
        if name not in after:
            yield f"{place}: the field was removed or renamed; old readers need it"
            continue
        if name in required - set(old.get("required", ())):
            yield f"{place}: the field lost its default; old messages may lack it"
        yield from _breaks(before[name], after[name], names, place)
    for name in sorted(required - before.keys()):
        yield f"{at}.{name}".lstrip(".") + ": a new field needs a default; old messages lack it"


def _values(old: Schema, new: Schema, at: str) -> Iterator[str]:
    lost = [value for value in old.get("enum", ()) if value not in new.get("enum", ())]
    if lost or ("enum" in new and "enum" not in old):
        yield f"{at}: the enumeration lost {lost}" if lost else f"{at}: became an enumeration"
    if "default" in old and "default" in new and not _holds(new["default"], old["default"]):
        yield _was(at, "default", old["default"], new["default"])


def _holds(new: Any, old: Any) -> bool:
    # The default of a record may grow with the record: {"id": []} → {"id": [], "venue": []}
    if isinstance(new, dict) and isinstance(old, dict):
        return all(name in new and _holds(new[name], old[name]) for name in old)
    return bool(new == old)


def _meant(schema: Schema, names: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    meant: Schema = names[schema["$ref"].rpartition("/")[2]]
    return {**meant, **{word: value for word, value in schema.items() if word != "$ref"}}


def _was(at: str, word: str, old: Any, new: Any) -> str:
    def said(value: Any) -> str:
        return f'"{value}"' if isinstance(value, str) else str(value)

    return f"{at or 'record'}: {word} was {said(old)}, is {said(new)}"
