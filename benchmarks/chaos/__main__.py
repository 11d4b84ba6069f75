"""`python -m benchmarks.chaos`: breaks the feed in every way the emulator knows, judges it, writes docs/feed.md."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer
from rich.console import Console

from app.broker.broker import Broker
from app.service import ports
from benchmarks.bench import BROKER_TIME
from benchmarks.chaos import cases, page
from benchmarks.chaos.away import Away
from benchmarks.chaos.away import run as measure_absence
from benchmarks.chaos.cases import MIXTURE, Case
from benchmarks.chaos.owners import owners_case
from benchmarks.chaos.results import HOME, ROOT, Results, commit_now
from benchmarks.chaos.schedule import Schedule

EXAMPLES = (
    "**Examples**\n\n`python -m benchmarks.chaos` · `--only skip` · `--only mixture --seed 3` · "
    "`--mixtures 20 --jobs 4` · `--clock` · `--owners` · `--away 48 --symbols 300`"
)
app = typer.Typer(add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False)
console = Console(highlight=False, soft_wrap=True)
_started_s = time.monotonic()
T = TypeVar("T")


@app.command(epilog=EXAMPLES)
def main(
    only: Annotated[str, typer.Option(help="One case by name, or mixture with --seed; verbose, not recorded.")] = "",
    mixtures: Annotated[int, typer.Option(min=0, help="How many seeded mixtures.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first mixture.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 2,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget earlier results; default: go on after them.")] = False,
    clock: Annotated[bool, typer.Option("--clock", help="Also steps of clocks and a ban at the start.")] = False,
    owners: Annotated[bool, typer.Option("--owners", help="Only two collectors, one killed every 20 s.")] = False,
    owner_seconds: Annotated[float, typer.Option(min=40, help="Length of --owners.")] = 300.0,
    away: Annotated[float, typer.Option(min=0, help="Only an absence of so many hours; 0: none.")] = 0.0,
    symbols: Annotated[int, typer.Option(min=1, help="Symbols of --away.")] = 300,
    ticks_per_s: Annotated[float, typer.Option(min=0.3, help="Trades and quotes per symbol of --away.")] = 0.3,
    limit: Annotated[float, typer.Option(min=10, help="Wall seconds in which --away must have filled all.")] = 1800.0,
    results: Annotated[Path, typer.Option(help="Folder of the results.")] = HOME,
    write: Annotated[bool, typer.Option(help="Write docs/feed.md.")] = True,
    list_cases: Annotated[bool, typer.Option("--list", help="Show the names of all cases and end.")] = False,
) -> None:
    """Prove the feed: every fault singly, then seeded mixtures, against the real collector on an embedded Kafka.

    A run that is ended goes on where it was, as long as the commit is the same. It takes about 40 minutes.
    """
    os.environ.setdefault("BTC_LOG_LEVEL", "WARNING")
    if list_cases:
        console.print("\n".join(one.name for one in [*cases.singles(), *cases.clock_cases()]))
        return
    found = Results(results, commit_now())
    if away:
        _run_away(Away(hours=away, symbols=symbols, ticks_per_s=ticks_per_s, limit_s=limit), found)
    else:
        chosen = [owners_case(owner_seconds, seed)] if owners else _chosen(only, mixtures, seed, clock=clock)
        _run_cases(chosen, found, jobs=jobs, fresh=fresh, is_verbose=bool(only) or owners, is_kept=not only)
    if write and not only:
        page.write(found)
        _say(f"wrote {page.PAGE.relative_to(ROOT)}")


def _run_cases(chosen: list[Case], found: Results, *, jobs: int, fresh: bool, is_verbose: bool, is_kept: bool) -> None:
    if fresh:
        found.file.unlink(missing_ok=True)
    done = found.read() if is_kept else {}
    todo = [case for case in chosen if case.key not in done]
    _say(f"{len(chosen)} cases, {len(chosen) - len(todo)} done before, commit {found.commit}")
    if todo:
        kept = found if is_kept else Results(found.file.parent / "only", found.commit)
        with _broker() as (broker, folder):
            schedule = Schedule(
                broker.bootstrap, folder, kept, jobs, _say, broker.pid, is_verbose, keeps_folders=is_verbose
            )
            run_until_stopped(schedule.run(todo))


def _chosen(only: str, mixtures: int, seed: int, *, clock: bool) -> list[Case]:
    if only == MIXTURE:
        return [cases.mixture(seed)]
    everything = [*cases.singles(), *cases.clock_cases()]
    if only:
        found = [case for case in everything if case.name == only]
        if not found:
            raise typer.BadParameter(f"no case {only!r}; --list shows all", param_hint="--only")
        return found
    return [*(everything if clock else cases.singles()), *cases.mixtures(mixtures, seed)]


def _run_away(absence: Away, found: Results) -> None:
    with _broker() as (broker, folder):
        work = measure_absence(absence, broker.bootstrap, folder, found.commit, _say)
        result = run_until_stopped(work)
    found.add_absence(result)
    console.print(msgspec.json.format(msgspec.json.encode(result)).decode())


@contextmanager
def _broker() -> Iterator[tuple[Broker, Path]]:
    """Run a broker in a folder of this process; its data goes, what runs keep beside it stays."""
    folder = HOME / "runs" / str(os.getpid())
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with Broker(folder / "kafka", ports.free_port(), say=_say, properties=BROKER_TIME) as broker:
            yield broker, folder
    finally:
        shutil.rmtree(folder / "kafka", ignore_errors=True)


def run_until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; Ctrl-C and SIGTERM end every process it started, then this one with 130."""

    async def run() -> T:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        _say("stopped; the same command goes on from here")
        raise typer.Exit(130) from None


def _say(text: str) -> None:
    console.print(f"[dim]{time.monotonic() - _started_s:6.0f} s[/]  {text}")


if __name__ == "__main__":
    app()
