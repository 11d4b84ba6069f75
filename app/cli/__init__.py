"""`btc`: one door for the command line. What enters: a person's words; what leaves: a process, or an answer."""

import signal
import sys
from typing import Annotated

import typer

from app.cli import up, processes, kafka, machine  # isort: skip – in the order of --help
from app.cli.shared import EXAMPLES, cli, console

__all__ = ["EXAMPLES", "cli", "kafka", "machine", "main", "processes", "up"]


def _version(wanted: bool) -> None:
    if wanted:
        from app.service.heartbeat import release_version

        console.print(release_version())
        raise typer.Exit


@cli.callback()
def _btc(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Say it.")] = False,
) -> None:
    """Real-time Bitcoin forecasts that prove their feed, their skill, their intervals and their speed."""


def main() -> None:
    """Run the command line; an error a person can mend is one line and exit code 1."""
    # As the first process of a container Python ignores SIGTERM until somebody handles it; commands set their own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    cli()
