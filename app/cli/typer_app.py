"""The typer application of `btc`: its console, how a command reads the settings, and how it fails."""

import logging
import sys
from typing import TYPE_CHECKING

import typer
from pydantic import ValidationError
from rich.console import Console

if TYPE_CHECKING:
    from app.settings import Settings

cli = typer.Typer(
    name="btc",
    help="Real-time Bitcoin forecasts that prove their feed, their skill, their intervals and their speed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
console = Console(highlight=False, soft_wrap=True)
EXAMPLES = "**Examples**\n\n"


def fail(message: str) -> typer.Exit:
    """Print an error in one line; the caller raises what this returns."""
    print(f"btc: {message}", file=sys.stderr)
    return typer.Exit(1)


def settings() -> "Settings":
    """Return the settings.

    Raises:
        typer.Exit: a setting is wrong; its name and the reason are printed.

    """
    from app.settings import settings as read

    try:
        return read()
    except ValidationError as error:
        first = error.errors()[0]
        name = "BTC_" + "_".join(str(part) for part in first["loc"]).upper() if first["loc"] else "settings"
        raise fail(f"{name}: {first['msg'].removeprefix('Value error, ')} (it is {first['input']!r})") from error


def silence_kafka_client() -> None:
    """Leave out aiokafka's own log lines: the command's error is one line."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
