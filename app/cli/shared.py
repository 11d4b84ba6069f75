"""What every command shares. What enters: the environment, a reason; what leaves: settings, one line and exit 1."""

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
    """Say what is wrong in one line; raise what this returns."""
    print(f"btc: {message}", file=sys.stderr)
    return typer.Exit(1)


def settings() -> "Settings":
    """Return the settings; what is wrong with one is told by its name.

    Raises:
        typer.Exit: a setting is wrong.

    """
    from app.settings import settings as read

    try:
        return read()
    except ValidationError as error:
        first = error.errors()[0]
        name = "BTC_" + "_".join(str(part) for part in first["loc"]).upper() if first["loc"] else "settings"
        raise fail(f"{name}: {first['msg'].removeprefix('Value error, ')} (it is {first['input']!r})") from error
