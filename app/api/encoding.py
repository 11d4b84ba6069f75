"""How views become JSON: arrays are lists, NaN is null."""

from typing import Any, TypeVar, get_args

import msgspec
import numpy as np

from app.board.views import Seconds

T = TypeVar("T")
SECONDS = get_args(Seconds)[0]  # the array type without its schema


def _as_list(value: object) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} is no answer")


def _as_array(kind: Any, value: Any) -> Any:
    if kind == SECONDS:
        return np.array(msgspec.convert(value, list[int]), np.int64)
    return np.array(msgspec.convert(value, list[float | None]), np.float64)  # null becomes NaN


ENCODER = msgspec.json.Encoder(enc_hook=_as_list)


def decode(body: bytes, view: type[T]) -> T:
    """Return an encoded view as what it was; raises msgspec.ValidationError where it has another shape."""
    return msgspec.json.decode(body, type=view, dec_hook=_as_array)


def schemas(views: tuple[type[msgspec.Struct], ...], ref_template: str) -> dict[str, Any]:
    """Return the JSON schema of every view and of its parts; columns carry theirs themselves."""
    _, components = msgspec.json.schema_components(views, ref_template=ref_template, schema_hook=lambda _kind: {})
    return dict(components)
