"""Commands that look into Kafka and change roles there. What enters: names; what leaves: tables, or a new role."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.cli.shared import EXAMPLES, cli, console, fail, settings

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from app.records import Role

T = TypeVar("T")


@cli.command(epilog=EXAMPLES + "`btc topics` · `BTC_REPLICATION_FACTOR=3 btc topics`")
def topics() -> None:
    """Create the topics that are missing, check the others, and show them; nothing is ever shrunk or deleted."""
    from rich.table import Table

    from app.kafka import topics as topic_specs

    of = settings()
    try:
        asyncio.run(topic_specs.ensure(of, (*topic_specs.ALL, *topic_specs.CHANGELOGS)))
    except topic_specs.TopicError as error:
        raise fail(str(error)) from error
    table = Table("topic", "record", "partitions", "kept")
    for one in (*topic_specs.ALL, *topic_specs.CHANGELOGS):
        days = one.retention_ms / topic_specs.DAY_MS
        kept = f"{days:g} days" if days > 0 else "the newest of each key"
        table.add_row(one.full_name(of), one.record.__name__, str(one.partitions(of)), kept)
    console.print(table)


models = typer.Typer(help="See the releases; promote, roll back or retire one.", no_args_is_help=True)
cli.add_typer(models, name="models")


@models.command("list", epilog=EXAMPLES + "`btc models list`")
def models_list() -> None:
    """List the releases: who serves, who challenges, who rests."""
    from rich.table import Table

    from app.cli import model_admin as kept

    table = Table("release", "role", "made (UTC)", "held out", "origin")
    for row in kept.rows(_kafka(kept.registry(settings()))):
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
    from app.cli import model_admin as kept

    try:
        release = _kafka(kept.give_role(settings(), name, role))
    except kept.ModelError as error:
        raise fail(str(error)) from error
    console.print(f"{release.id} is now {role}")


def _kafka(work: "Coroutine[Any, Any, T]") -> "T":
    from aiokafka.errors import KafkaError

    try:
        return asyncio.run(work)
    except KafkaError as error:
        reason = str(error) or type(error).__name__
        raise fail(f"Kafka at {settings().bootstrap}: {reason}. Is `btc up` running? Or set BTC_KAFKA_URL.") from error
