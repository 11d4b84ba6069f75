"""The content of every generated file."""

from functools import lru_cache
from typing import Any

import msgspec

from app.reference import api, commands, features, metrics, settings, wire


@lru_cache(maxsize=1)
def generated_files() -> dict[str, str]:
    """Return path from the root → text; the same code gives the same bytes, whatever `BTC_…` variables are set."""
    return {
        "docs/settings.md": settings.page(),
        "docs/metrics.md": metrics.page(),
        "docs/features.md": features.page(),
        "docs/api.md": api.page(),
        "docs/cli.md": commands.page(),
        **{name: _json(schema) for name, schema in wire.schemas().items()},
        wire.ASYNCAPI: _json(wire.asyncapi()),
    }


def _json(document: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
