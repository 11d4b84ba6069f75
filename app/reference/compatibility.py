"""Compatibility of a record's JSON Schema with its committed version.

Old messages stay in Kafka for days and workers are replaced one by one, so old and new code must understand each other.
Allowed are a new field with a default, a default for a field that had none, and one more value of an enumeration.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
ANNOTATIONS = frozenset({"title", "description", "$defs", "$schema", "$id"})  # describe, but do not constrain
# compared by the functions below
COMPARED = frozenset({"properties", "required", "enum", "default", "items", "additionalProperties", "anyOf"})


def incompatible_changes(old: Schema, new: Schema) -> list[str]:
    """Return one line for each incompatible change; empty if there is none.

    >>> committed = {"properties": {"second": {"type": "integer"}}}
    >>> incompatible_changes(committed, {"properties": {"second": {"type": "number"}}})
    ['second: type was "integer", is "number"']
    """
    return list(_changes(old, new, (old.get("$defs", {}), new.get("$defs", {})), ""))


def _changes(old: Schema, new: Schema, names: tuple[Schema, Schema], path: str) -> Iterator[str]:
    old, new = _resolved(old, names[0]), _resolved(new, names[1])
    yield from _fields(old, new, names, path)
    yield from _values(old, new, path)
    for keyword in ("items", "additionalProperties"):
        inner = old.get(keyword), new.get(keyword)
        if isinstance(inner[0], dict) and isinstance(inner[1], dict):
            yield from _changes(inner[0], inner[1], names, f"{path}[]")
        elif inner[0] != inner[1]:
            yield _difference(path, keyword, *inner)
    options = old.get("anyOf", []), new.get("anyOf", [])
    if len(options[0]) != len(options[1]):
        yield _difference(path, "anyOf", *options)
    for one, other in zip(*options, strict=False):
        yield from _changes(one, other, names, path)
    for keyword in sorted((old.keys() | new.keys()) - ANNOTATIONS - COMPARED):
        if old.get(keyword) != new.get(keyword):
            yield _difference(path, keyword, old.get(keyword), new.get(keyword))


def _fields(old: Schema, new: Schema, names: tuple[Schema, Schema], path: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    required = set(new.get("required", ()))
    for name in before:
        field_path = f"{path}.{name}".lstrip(".")
        if name not in after:
            yield f"{field_path}: the field was removed or renamed; old readers need it"
            continue
        if name in required - set(old.get("required", ())):
            yield f"{field_path}: the field lost its default; old messages may lack it"
        yield from _changes(before[name], after[name], names, field_path)
    for name in sorted(required - before.keys()):
        yield f"{path}.{name}".lstrip(".") + ": a new field needs a default; old messages lack it"


def _values(old: Schema, new: Schema, path: str) -> Iterator[str]:
    lost = [value for value in old.get("enum", ()) if value not in new.get("enum", ())]
    if lost or ("enum" in new and "enum" not in old):
        yield f"{path}: the enumeration lost {lost}" if lost else f"{path}: became an enumeration"
    if "default" in old and "default" in new and not _holds(new["default"], old["default"]):
        yield _difference(path, "default", old["default"], new["default"])


def _holds(new: Any, old: Any) -> bool:
    # The default of a record may grow with the record: {"id": []} → {"id": [], "venue": []}
    if isinstance(new, dict) and isinstance(old, dict):
        return all(name in new and _holds(new[name], old[name]) for name in old)
    return bool(new == old)


def _resolved(schema: Schema, names: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    target: Schema = names[schema["$ref"].rpartition("/")[2]]
    return {**target, **{keyword: value for keyword, value in schema.items() if keyword != "$ref"}}


def _difference(path: str, keyword: str, old: Any, new: Any) -> str:
    def shown(value: Any) -> str:
        return f'"{value}"' if isinstance(value, str) else str(value)

    return f"{path or 'record'}: {keyword} was {shown(old)}, is {shown(new)}"
