"""`btc`: the command line."""

import signal
import sys
from typing import Annotated

import typer

from app.cli import up, processes, topics, diagnostics, models  # isort: skip – in the order of --help
from app.cli.typer_app import EXAMPLES, cli, console

__all__ = ["EXAMPLES", "cli", "diagnostics", "main", "models", "processes", "topics", "up"]


def _version(wanted: bool) -> None:
    if wanted:
        from app.service.heartbeat import release_version

        console.print(release_version())
        raise typer.Exit


@cli.callback()
def _btc(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Real-time Bitcoin forecasts that prove their feed, their skill, their intervals and their speed."""


def main() -> None:
    """Run the command line; an error the user can correct is one line and exit code 1."""
    # As the first process of a container Python ignores SIGTERM unless it is handled; commands set their own handler.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    cli()
