"""`btc`: one door for the command line. What enters: a person's words; what leaves: a process, or an answer."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from app.heartbeat import Pulse
    from app.records import Role
    from app.settings import Settings
    from app.up.source import Source

T = TypeVar("T")

cli = typer.Typer(
    name="btc",
    help="Real-time Bitcoin forecasts that prove their feed, their skill, their intervals and their speed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
console = Console(highlight=False, soft_wrap=True)
EXAMPLES = "**Examples**\n\n"


def main() -> None:
    """Run the command line; an error a person can mend is one line and exit code 1."""
    # As the first process of a container Python ignores SIGTERM until somebody handles it; commands set their own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    cli()


def _fail(message: str) -> typer.Exit:
    print(f"btc: {message}", file=sys.stderr)
    return typer.Exit(1)


def _settings() -> "Settings":
    from app.settings import settings

    try:
        return settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "BTC_" + "_".join(str(part) for part in first["loc"]).upper() if first["loc"] else "settings"
        raise _fail(f"{name}: {first['msg'].removeprefix('Value error, ')} (it is {first['input']!r})") from error


@cli.command(epilog=EXAMPLES + "`btc up` · `btc up --exchange synthetic:7 --symbols BTCUSDT,ETHUSDT` · "
             "`btc up --exchange replay:day.dat.gz --speed 20 --until-end --report out.json`")  # fmt: skip
def up(
    exchange: Annotated[str, typer.Option(help="auto, live, synthetic[:SEED] or replay:FILE[,FILE…]")] = "auto",
    symbols: Annotated[str, typer.Option(help="Symbols, separated by commas; default BTC_SYMBOLS.")] = "",
    speed: Annotated[float, typer.Option(min=0.1, help="Exchange seconds per wall second, emulator only.")] = 1.0,
    seconds: Annotated[int | None, typer.Option(min=1, help="Run unattended for so many exchange seconds.")] = None,
    until_end: Annotated[bool, typer.Option("--until-end", help="Run unattended to the recording's end.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write what happened to this JSON file.")] = None,
    kill: Annotated[str, typer.Option(help="PROCESS@SECOND: kill -9 a process in an unattended run.")] = "",
    doors: Annotated[bool, typer.Option("--doors/--no-doors", help="Dashboard and Kafka UI too.")] = True,
) -> None:
    """Run everything on this machine, from the exchange to the charts; Ctrl-C stops it."""
    from app.broker.reasons import BrokerError
    from app.process import ProcessError
    from app.topics import TopicError
    from app.up import run as house
    from app.up.house import Wishes

    base = _settings()
    unattended = seconds is not None or until_end or report is not None
    source = _source(exchange, base)
    if unattended and seconds is None and source.kind != "replay":
        raise _fail(f"{source.name} has no end: say how long with --seconds, for example --seconds 120")
    if report and not report.absolute().parent.is_dir():
        raise _fail(f"--report {report}: the folder {report.absolute().parent} is not there")
    wishes = Wishes(
        source=source,
        speed=speed if source.emulated else 1.0,
        symbols=_symbols(symbols, source),
        seconds=seconds,
        until_end=unattended and seconds is None,
        report=report,
        kill=_kill(kill),
        doors=doors,
    )
    try:
        result = asyncio.run(house.run(wishes, base, console.print))
    except (ProcessError, TopicError, BrokerError) as error:
        raise _fail(str(error)) from error
    if result is not None:
        console.print_json(data=result)
        if not result["ok"]:
            raise _fail("the run was not as it must be: " + "; ".join(result["reasons"]))


def _source(text: str, base: "Settings") -> "Source":
    from app.up import source

    try:
        if text != "auto":
            return source.parse(text)
    except source.SourceError as error:
        raise _fail(str(error)) from error
    reason = source.whether_live_answers(base.exchange_rest_url)
    if not reason:
        return source.parse("live")
    console.print(f"Binance at {base.exchange_rest_url} cannot be reached ({reason}).")
    console.print(f"Going on with the emulator, synthetic:{source.DEFAULT_SEED}. "
                  "For live data, see to the network and start again with --exchange live.")  # fmt: skip
    return source.parse("synthetic")


def _symbols(text: str, source: "Source") -> tuple[str, ...]:
    if text:
        return tuple(name.strip().upper() for name in text.split(",") if name.strip())
    if source.kind == "replay":
        from app.exchange.replay import replay
        from app.exchange.source import SourceError

        try:
            return tuple(replay(source.files).symbols)
        except SourceError as error:
            raise _fail(str(error)) from error
    return ()


def _kill(text: str) -> tuple[str, float] | None:
    if not text:
        return None
    name, _, second = text.partition("@")
    if not second.replace(".", "", 1).isdigit():
        raise _fail(f"--kill {text!r} is not PROCESS@SECOND, for example worker@60")
    return name, float(second)


@cli.command(epilog=EXAMPLES + "`btc broker --data .btc/live/kafka`")
def broker(
    data: Annotated[Path, typer.Option(help="Folder of its logs; kept over restarts.")] = Path(".btc/live/kafka"),
    port: Annotated[int | None, typer.Option(help="Port; default BTC_BROKER_PORT.")] = None,
) -> None:
    """Run the embedded Kafka: Apache Kafka itself, one node, no Java or Docker to install."""
    try:
        from app.broker import broker as embedded
    except ModuleNotFoundError as error:
        raise _fail(f"the embedded Kafka is not installed here ({error.name}): set BTC_KAFKA_URL to a Kafka") from error

    base = _settings()
    own = int(base.kafka_url.rpartition(":")[2]) if base.kafka_url.startswith("127.0.0.1:") else base.broker_port
    raise typer.Exit(embedded.run(data, port or own))


@cli.command(epilog=EXAMPLES + "`btc exchange --synthetic 7 --symbols BTCUSDT,ETHUSDT` · "
             "`btc exchange --replay day.dat.gz --speed 20`")  # fmt: skip
def exchange(
    synthetic: Annotated[int | None, typer.Option(help="Seed of a synthetic market.")] = None,
    replay: Annotated[list[Path] | None, typer.Option(help="Recording to replay; may be given several times.")] = None,
    symbols: Annotated[str, typer.Option(help="Symbols of the synthetic market, names or a number.")] = "BTCUSDT",
    martingale: Annotated[bool, typer.Option("--martingale", help="A market that nobody can forecast.")] = False,
    ticks_per_s: Annotated[float, typer.Option(min=0.1, help="Trades and quotes per symbol, synthetic.")] = 30.0,
    speed: Annotated[float, typer.Option(min=0.1, help="Exchange seconds per wall second.")] = 1.0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free one.")] = 0,
) -> None:
    """Serve the exchange in a box: Binance's WebSocket and REST on loopback, synthetic or from a recording."""
    from app.exchange import run

    code = run(synthetic_seed=synthetic, replay_files=replay or (), symbols=symbols, martingale=martingale,
                   ticks_per_s=ticks_per_s, speed=speed, host=host, port=port)  # fmt: skip
    raise typer.Exit(code)


@cli.command(epilog=EXAMPLES + "`btc topics` · `BTC_REPLICATION_FACTOR=3 btc topics`")
def topics() -> None:
    """Create the topics that are missing, check the others, and show them; nothing is ever shrunk or deleted."""
    from rich.table import Table

    from app import topics as corridors

    settings = _settings()
    try:
        asyncio.run(corridors.ensure(settings, (*corridors.ALL, *corridors.CHANGELOGS)))
    except corridors.TopicError as error:
        raise _fail(str(error)) from error
    table = Table("topic", "record", "partitions", "kept")
    for one in (*corridors.ALL, *corridors.CHANGELOGS):
        days = one.retention_ms / corridors.DAY_MS
        kept = f"{days:g} days" if days > 0 else "the newest of each key"
        table.add_row(one.full(settings), one.record.__name__, str(one.partitions(settings)), kept)
    console.print(table)


@cli.command(epilog=EXAMPLES + "`btc collect` · `BTC_SYMBOLS=BTCUSDT,ETHUSDT btc collect`")
def collect() -> None:
    """Collect ticks: exchange → one batch per partition and second → Kafka."""
    from app import process
    from app.collector import collector

    async def work(settings: "Settings", pulse: "Pulse") -> None:
        collecting = collector.Collector(settings)
        pulse.progress, pulse.alive, pulse.ready = collecting.progress, collecting.alive, collecting.ready
        await collecting.run()

    raise typer.Exit(process.run("collector", _settings(), work))


@cli.command(epilog=EXAMPLES + "`btc worker` is `faust -A app worker -l warn`")
def worker() -> None:
    """Run the stream: features, predictions, outcomes."""
    from faust.cli.faust import cli as faust

    _settings()
    faust(["-A", "app", "worker", "-l", "warn", "--without-web"], standalone_mode=True)


@cli.command(epilog=EXAMPLES + "`btc train` · `btc train --cold-start`")
def train(
    cold_start: Annotated[bool, typer.Option("--cold-start", help="Make the packaged release again and end.")] = False,
) -> None:
    """Train models from the exchange's history and from what was collected; release, promote and demote them."""
    if cold_start:
        from app.training import cold_start as packaged

        verdicts = packaged.make(_settings().horizons_s, note=lambda _figures, text: console.print(text))
        console.print(f"wrote {packaged.PACKAGED}")
        console.print(verdicts)
        return
    from app import process
    from app.training import trainer

    raise typer.Exit(process.run("trainer", _settings(), trainer.run))


@cli.command(epilog=EXAMPLES + "`btc archive` · `btc archive tables` · `btc archive query 'table trades limit 5'`",
             context_settings={"allow_extra_args": True, "ignore_unknown_options": True})  # fmt: skip
def archive(context: typer.Context) -> None:
    """Keep the archive (Kafka → Parquet), or query it: `btc archive query "select …"`, `btc archive tables`."""
    if context.args:
        from app.archive.cli import archive_app

        archive_app(context.args, prog_name="btc archive")
        return
    from app import process
    from app.archive import keeper

    raise typer.Exit(process.run("archive", _settings(), keeper.run))


@cli.command(epilog=EXAMPLES + "`btc api`, then open http://localhost:5001/docs")
def api() -> None:
    """Serve the API: REST, WebSocket, OpenAPI docs, a live page."""
    from app import api as service

    raise typer.Exit(service.run(_settings()))


@cli.command(epilog=EXAMPLES + "`btc dashboard`, then open http://localhost:8501/")
def dashboard() -> None:
    """Serve the Streamlit dashboard."""
    from app.dashboard import launch

    raise typer.Exit(launch.run(_settings()))


@cli.command("kafka-ui", epilog=EXAMPLES + "`btc kafka-ui`, then open http://localhost:8080/")
def kafka_ui() -> None:
    """Serve a Kafka UI: topics, messages, consumer lag."""
    from app import kafka_ui as ui

    raise typer.Exit(ui.run(_settings()))


models = typer.Typer(help="See the releases; promote, roll back or retire one.", no_args_is_help=True)
cli.add_typer(models, name="models")


@models.command("list", epilog=EXAMPLES + "`btc models list`")
def models_list() -> None:
    """List the releases: who serves, who challenges, who rests."""
    from rich.table import Table

    from app import models as kept

    table = Table("release", "role", "made (UTC)", "held out", "origin")
    for row in kept.rows(_kafka(kept.registry(_settings()))):
        table.add_row(*row)
    console.print(table)


@models.command(epilog=EXAMPLES + "`btc models promote cold-start`")
def promote(name: Annotated[str, typer.Argument(help="Release to serve from now on.")]) -> None:
    """Make a release the champion; an older one: a rollback. Workers follow within a second."""
    _give_role(name, "champion")


@models.command(epilog=EXAMPLES + "`btc models demote cold-start`")
def demote(name: Annotated[str, typer.Argument(help="Release to run as challenger from now on.")]) -> None:
    """Make a release a challenger; the champion before it serves again, or naive."""
    _give_role(name, "challenger")


@models.command(epilog=EXAMPLES + "`btc models retire cold-start`")
def retire(name: Annotated[str, typer.Argument(help="Release that shall not run any more.")]) -> None:
    """Take a release out of the line-up."""
    _give_role(name, "retired")


def _give_role(name: str, role: "Role") -> None:
    from app import models as kept

    try:
        release = _kafka(kept.give_role(_settings(), name, role))
    except kept.ModelError as error:
        raise _fail(str(error)) from error
    console.print(f"{release.id} is now {role}")


def _kafka(work: "Coroutine[Any, Any, T]") -> "T":
    from aiokafka.errors import KafkaError

    try:
        return asyncio.run(work)
    except KafkaError as error:
        reason = str(error) or type(error).__name__
        raise _fail(
            f"Kafka at {_settings().bootstrap}: {reason}. Is `btc up` running? Or set BTC_KAFKA_URL."
        ) from error


@cli.command(epilog=EXAMPLES + "`btc doctor`")
def doctor() -> None:
    """Check this machine and the running doors; say what to do about what is wrong."""
    from app.doctor import examine

    wrong = 0
    for finding in examine(_settings()):
        wrong += finding.needed and not finding.ok
        mark = "[green]✔[/]" if finding.ok else "[red]✘[/]" if finding.needed else "[yellow]![/]"
        console.print(f"{mark} {finding.what}" + ("" if finding.ok or not finding.advice else f" → {finding.advice}"))
    raise typer.Exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
