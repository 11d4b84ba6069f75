"""Which source a command reads: `--source NAME`, the one that runs, or the only one there is."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.typer_app import fail
from app.cli.typer_app import settings as read_settings

if TYPE_CHECKING:
    from app.settings import Settings
    from app.up.local_sources import LocalSource

Source = Annotated[
    str,
    typer.Option(
        "--source",
        help="Source, such as live or synthetic-7; default: the one that runs, or the only one stored.",
    ),
]


class SourceChoiceError(ValueError):
    """It is not clear which source is meant; the message lists them."""


def archive_settings(source: str) -> "Settings":
    """Return the settings of the source whose folder is read; BTC_DATA_DIR wins."""
    return _settings(source, "data_dir", running_only=False)


def kafka_settings(source: str) -> "Settings":
    """Return the settings of the source whose Kafka is used; BTC_KAFKA_URL wins."""
    return _settings(source, "kafka_url", running_only=True)


def _settings(name: str, needed: str, *, running_only: bool) -> "Settings":
    from app.up.local_sources import local_sources

    base = read_settings()
    if needed in base.model_fields_set:
        if name:
            print(f"btc: BTC_{needed.upper()} is set, so --source {name} is not used", file=sys.stderr)
        return base
    try:
        chosen = choose(local_sources(), name, running_only=running_only)
    except SourceChoiceError as error:
        raise fail(str(error)) from error
    return with_source(base, chosen) if chosen else base


def with_source(base: "Settings", source: "LocalSource") -> "Settings":
    """Return the settings of a source; what the environment sets stays."""
    changes = {"source": source.source, "data_dir": source.folder}
    if source.running:
        changes["kafka_url"] = source.kafka_url
    return base.model_copy(update={name: value for name, value in changes.items() if name not in base.model_fields_set})


def choose(sources: "list[LocalSource]", name: str = "", *, running_only: bool) -> "LocalSource | None":
    """Return the source of that name, or the one that runs, or the only one; None where there is none.

    Raises:
        SourceChoiceError: there is no source of that name, or several may be meant.

    """
    name = name.replace(":", "-")  # as typed after `btc up --exchange`
    possible = [one for one in sources if one.running or not running_only]
    found = [one for one in possible if name in {"", one.name, one.source}]
    found = [one for one in found if one.name == name] or [one for one in found if one.running] or found
    if len(found) > 1:
        raise SourceChoiceError(_several(found))
    if name and not found:
        raise SourceChoiceError(_none(name, possible, running_only=running_only))
    return found[0] if found else None


def _several(found: "list[LocalSource]") -> str:
    are = "run" if found[0].running else "are stored"
    return f"{len(found)} sources {are} here: {_names(found)}; choose one with --source NAME"


def _none(name: str, possible: "list[LocalSource]", *, running_only: bool) -> str:
    verb = "runs" if running_only else "is stored"
    return f"no source {name!r} {verb} here ({verb}: {_names(possible) or 'none'}): start it with `btc up`"


def _names(sources: "list[LocalSource]") -> str:
    return ", ".join(one.name for one in sources)
