"""The page `docs/settings.md`: every environment variable with its default and meaning."""

import inspect
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app import settings
from app.reference import comments, markdown

ABOUT = """\
Every setting is an environment variable, read once when a process starts. The command line sets a few of them for one
run (`btc up --symbols …`); the chart sets them from `helm/values.yaml`. An invalid value is refused with one line that
names the variable."""
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def page() -> str:
    """Return the page."""
    groups = comments.group_headings(inspect.getsource(settings))
    parts = []
    for heading in dict.fromkeys(groups[name] for name in settings.Settings.model_fields):
        rows = [_row(name, field) for name, field in settings.Settings.model_fields.items() if groups[name] == heading]
        title = heading[0].upper() + heading[1:]
        parts.append(f"## {title}\n\n" + markdown.table(["variable", "default", "meaning", "allowed"], rows))
    return markdown.page("Settings", ABOUT, *parts)


def _row(name: str, field: FieldInfo) -> list[str]:
    return [f"`BTC_{name.upper()}`", _default(field.default) or "empty", field.description or "", _allowed(field)]


def _default(value: Any) -> str:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    return "" if value is None else markdown.code(str(value))


def _allowed(field: FieldInfo) -> str:
    choices = [option for kind in _kinds(field.annotation) for option in _choices(kind)]
    bounds = [
        f"{word} {getattr(bound, key)}"
        for bound in field.metadata
        for key, word in BOUNDS.items()
        if hasattr(bound, key)
    ]
    return ", ".join([*(markdown.code(choice) for choice in choices), *bounds])


def _kinds(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) is Annotated:
        return _kinds(get_args(annotation)[0])
    return get_args(annotation) if get_origin(annotation) in {Union, types.UnionType} else (annotation,)


def _choices(kind: Any) -> tuple[str, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()
