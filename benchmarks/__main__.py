"""`python -m benchmarks`: runs the benchmarks in turn, prints a table, writes `results.json` and `results.md`."""

import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from benchmarks import figures
from benchmarks.bench import SkippedError, bench
from benchmarks.figures import Figure
from benchmarks.processes import NotReadyError

HERE = Path(__file__).parent
NAMES = (
    "latency",
    "worker",
    "throughput",
    "stages",
    "capacity",
    "model",
    "api",
    "websockets",
    "memory",
    "recovery",
    "feed",
)
console = Console(highlight=False, soft_wrap=True)


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"One of: {', '.join(NAMES)}. May be given again.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Shorter runs, rougher figures.")] = False,
    keep: Annotated[
        bool | None, typer.Option("--keep/--no-keep", help="Write results.json and results.md; default: not if quick.")
    ] = None,
) -> None:
    """Measure the speed targets again: an hour and three quarters, of which `memory` takes one; quick: 15 minutes."""
    unknown = sorted(set(only or ()) - set(NAMES))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: known are {', '.join(NAMES)}", param_hint="--only")
    os.environ["BTC_LOG_LEVEL"] = "WARNING"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds, so that child processes are ended
    found: list[Figure] = []
    for name in only or NAMES:
        found += _measured(name, quick=quick)
        if keep if keep is not None else not quick:
            _write(found)
    _show(found)


def _write(found: list[Figure]) -> None:
    """Write what is measured so far: a run that is interrupted loses nothing."""
    everything = figures.merged(figures.read(HERE / "results.json"), found, NAMES)
    figures.write(HERE / "results.json", everything)
    (HERE / "results.md").write_text(_page(everything))


def _measured(name: str, *, quick: bool) -> list[Figure]:
    """Run one benchmark; return its figures with day and load. One that cannot run here prints why."""
    before, day = figures.load_now(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    with bench(name, quick=quick, say=_sayer(name)) as running:
        try:
            import_module(f"benchmarks.{name}").run(running)
        except (SkippedError, NotReadyError) as reason:
            running.say(f"skipped: {reason}")
    load = (before + figures.load_now()) / 2.0
    return [msgspec.structs.replace(figure, load=round(load, 2), measured=day) for figure in running.figures]


def _sayer(name: str) -> Callable[[str], None]:
    started_s = time.monotonic()
    return lambda text: console.print(f"[dim]{time.monotonic() - started_s:6.0f} s  {name}[/]  {text}", markup=True)


def _show(found: list[Figure]) -> None:
    table = Table(*figures.HEAD)
    colours = {"met": "[green]met[/]", "short": "[red]short[/]", "": ""}
    for what, value, aim, verdict, load, baseline in figures.rows(found):
        table.add_row(what, value, aim, colours[verdict], load, baseline)
    console.print(table)


def _page(everything: list[Figure]) -> str:
    with_target = [figure for figure in everything if figure.met is not None]
    met = sum(figure.met is True for figure in with_target)
    lines = [
        "# Measured",
        "",
        f"Written by `make bench`; {met} of {len(with_target)} targets met, on {os.cpu_count()} cores.",
        "How each is measured: [README.md](README.md). `load` is the machine's load average around the run: other",
        "processes slow a figure down, so read a tail together with it.",
        "",
        figures.markdown(everything),
        "",
        *(f"- {name}: {day}" for name, day in dict.fromkeys((f.benchmark, f.measured) for f in everything)),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
