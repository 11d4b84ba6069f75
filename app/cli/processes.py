"""One command per process; each runs until SIGTERM."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.typer_app import EXAMPLES, cli, console, fail, settings

if TYPE_CHECKING:
    from app.service.heartbeat import ProcessStatus
    from app.settings import Settings


@cli.command(epilog=EXAMPLES + "`btc broker --data .btc/live/kafka`")
def broker(
    data: Annotated[Path, typer.Option(help="Folder of its logs; kept over restarts.")] = Path(".btc/live/kafka"),
    port: Annotated[int | None, typer.Option(help="Port; default BTC_BROKER_PORT.")] = None,
) -> None:
    """Run the embedded Kafka: Apache Kafka itself, one node, no Java or Docker to install."""
    try:
        from app.broker import broker as embedded
    except ModuleNotFoundError as error:
        raise fail(f"the embedded Kafka is not installed here ({error.name}): set BTC_KAFKA_URL to a Kafka") from error

    base = settings()
    own = int(base.kafka_url.rpartition(":")[2]) if base.kafka_url.startswith("127.0.0.1:") else base.broker_port
    raise typer.Exit(embedded.run(data, port or own))


@cli.command(epilog=EXAMPLES + "`btc exchange --synthetic 7 --symbols BTCUSDT,ETHUSDT` · "
             "`btc exchange --replay day.dat.gz --speed 20` · `btc exchange --scenario faults.yaml`")  # fmt: skip
def exchange(
    synthetic: Annotated[int | None, typer.Option(help="Seed of a synthetic market.")] = None,
    replay: Annotated[list[Path] | None, typer.Option(help="Recording to replay; may be given several times.")] = None,
    symbols: Annotated[str, typer.Option(help="Symbols of the synthetic market, names or a number.")] = "BTCUSDT",
    martingale: Annotated[bool, typer.Option("--martingale", help="A market without anything to forecast.")] = False,
    ticks_per_s: Annotated[float, typer.Option(min=0.1, help="Trades and quotes per symbol, synthetic.")] = 30.0,
    speed: Annotated[float, typer.Option(min=0.1, help="Exchange seconds per wall second.")] = 1.0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any free one.")] = 0,
    scenario: Annotated[Path | None, typer.Option(help="YAML file of faults, see docs/exchange.md.")] = None,
    record: Annotated[Path | None, typer.Option(help="Folder for a record of everything sent.")] = None,
) -> None:
    """Serve the emulated exchange: Binance's WebSocket and REST on loopback, synthetic or from a recording."""
    from app.emulator import run

    code = run(synthetic_seed=synthetic, replay_files=replay or (), symbols=symbols, martingale=martingale,
               ticks_per_s=ticks_per_s, speed=speed, host=host, port=port,
               scenario=scenario, record=record)  # fmt: skip
    raise typer.Exit(code)


@cli.command(epilog=EXAMPLES + "`btc collect` · `BTC_SYMBOLS=BTCUSDT,ETHUSDT btc collect`")
def collect() -> None:
    """Collect ticks: exchange → one batch per partition and second → Kafka."""
    from app.collector import collector
    from app.service import lifecycle

    async def work(settings: "Settings", process_status: "ProcessStatus") -> None:
        collecting = collector.Collector(settings, process_status.kafka_answering_s)
        process_status.progress, process_status.stall_reason, process_status.not_ready_reason = (
            collecting.progress,
            collecting.stall_reason,
            collecting.not_ready_reason,
        )
        process_status.refresh = lambda: setattr(process_status, "note", collecting.note)
        await collecting.run()

    raise typer.Exit(lifecycle.run("collector", settings(), work))


@cli.command(epilog=EXAMPLES + "`btc worker` is `faust -A app worker -l warn`")
def worker() -> None:
    """Run the Faust worker: features, predictions, outcomes."""
    from faust.cli.faust import cli as faust

    settings()
    faust(["-A", "app", "worker", "-l", "warn", "--without-web"], standalone_mode=True)


@cli.command(epilog=EXAMPLES + "`btc train` · `btc train --cold-start`")
def train(
    cold_start: Annotated[bool, typer.Option("--cold-start", help="Make the packaged release again and end.")] = False,
) -> None:
    """Train models from the exchange's history and from what was collected; release, promote and demote them."""
    if cold_start:
        from app.training import cold_start as packaged

        verdicts = packaged.make_release(settings().horizons_s, on_progress=lambda _figures, text: console.print(text))
        console.print(f"wrote {packaged.PACKAGED}")
        console.print(verdicts)
        return
    from app.service import lifecycle
    from app.training import trainer

    raise typer.Exit(lifecycle.run("trainer", settings(), trainer.run))


@cli.command(epilog=EXAMPLES + "`btc archive` · `btc archive tables` · `btc archive query 'table trades limit 5'`",
             context_settings={"allow_extra_args": True, "ignore_unknown_options": True})  # fmt: skip
def archive(context: typer.Context) -> None:
    """Write the archive (Kafka → Parquet), or read it: `btc archive query "select …"`, `btc archive tables`."""
    if context.args:
        from app.cli.archive import archive_app

        archive_app(context.args, prog_name="btc archive")
        return
    from app.archive import archiver
    from app.service import lifecycle

    raise typer.Exit(lifecycle.run("archive", settings(), archiver.run))


@cli.command(epilog=EXAMPLES + "`btc api`, then open http://localhost:5001/docs")
def api() -> None:
    """Serve the API: REST, WebSocket, OpenAPI docs, a live page."""
    from app import api as service

    raise typer.Exit(service.run(settings()))


@cli.command(epilog=EXAMPLES + "`btc dashboard`, then open http://localhost:8501/")
def dashboard() -> None:
    """Serve the Streamlit dashboard."""
    from app.dashboard import launch

    raise typer.Exit(launch.run(settings()))


@cli.command("kafka-ui", epilog=EXAMPLES + "`btc kafka-ui`, then open http://localhost:8080/")
def kafka_ui() -> None:
    """Serve a Kafka UI: topics, messages, consumer lag."""
    from app import kafka_ui as ui

    raise typer.Exit(ui.run(settings()))


@cli.command(
    "kafka-monitor", epilog=EXAMPLES + "`btc kafka-monitor` · `BTC_KAFKA_URL=broker-0.example:9092 btc kafka-monitor`"
)
def kafka_monitor() -> None:
    """Monitor one broker, the first of BTC_KAFKA_URL: is it ready, its metrics, and whether it may stop."""
    from app import kafka_monitor as monitor

    raise typer.Exit(monitor.run(settings()))
