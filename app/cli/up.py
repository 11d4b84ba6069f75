"""`btc up`: its options, and the local stack they start."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.typer_app import EXAMPLES, cli, console, fail, settings

if TYPE_CHECKING:
    from app.settings import Settings
    from app.up.source import TickSource


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
    ui: Annotated[bool, typer.Option("--ui/--no-ui", help="Start the dashboard and the Kafka UI too.")] = True,
) -> None:
    """Run everything on this machine, from the exchange to the charts; Ctrl-C stops it."""
    from app.broker.failure_reasons import BrokerError
    from app.kafka.topics import TopicError
    from app.service.lifecycle import StartupError
    from app.up.local_stack import RunOptions
    from app.up.run import run

    base = settings()
    unattended = seconds is not None or until_end or report is not None
    source = _source(exchange, base)
    if unattended and seconds is None and source.kind != "replay":
        raise fail(f"{source.name} has no end: say how long with --seconds, for example --seconds 120")
    if report and not report.absolute().parent.is_dir():
        raise fail(f"--report {report}: the folder {report.absolute().parent} is not there")
    options = RunOptions(
        source=source,
        speed=speed if source.emulated else 1.0,
        symbols=_symbols(symbols, source),
        seconds=seconds,
        until_end=unattended and seconds is None,
        report=report,
        kill=_kill(kill),
        ui=ui,
    )
    try:
        result = asyncio.run(run(options, base, console.print))
    except (StartupError, TopicError, BrokerError) as error:
        raise fail(str(error)) from error
    if result is not None:
        console.print_json(data=result)
        if not result["ok"]:
            raise fail("the run was not as it must be: " + "; ".join(result["reasons"]))


def _source(text: str, base: "Settings") -> "TickSource":
    from app.up import source

    try:
        if text != "auto":
            return source.parse(text)
    except source.TickSourceError as error:
        raise fail(str(error)) from error
    reason = source.unreachable_reason(base.exchange_rest_url)
    if not reason:
        return source.parse("live")
    console.print(f"Binance at {base.exchange_rest_url} cannot be reached ({reason}).")
    console.print(f"Going on with the emulator, synthetic:{source.DEFAULT_SEED}. "
                  "For live data, check the network and start again with --exchange live.")  # fmt: skip
    return source.parse("synthetic")


def _symbols(text: str, source: "TickSource") -> tuple[str, ...]:
    if text:
        return tuple(name.strip().upper() for name in text.split(",") if name.strip())
    if source.kind == "replay":
        from app.emulator.market_source import MarketSourceError
        from app.emulator.replay import replay

        try:
            return tuple(replay(source.files).symbols)
        except MarketSourceError as error:
            raise fail(str(error)) from error
    return ()


def _kill(text: str) -> tuple[str, float] | None:
    if not text:
        return None
    name, _, second = text.partition("@")
    if not second.replace(".", "", 1).isdigit():
        raise fail(f"--kill {text!r} is not PROCESS@SECOND, for example worker@60")
    return name, float(second)
