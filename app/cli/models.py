"""`btc models …`: list the releases; promote, demote or retire one."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from app.cli.source_choice import Source, kafka_settings
from app.cli.typer_app import EXAMPLES, cli, console, fail, silence_kafka_client

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from app.records import Role
    from app.settings import Settings

T = TypeVar("T")
models = typer.Typer(help="List the releases; promote, roll back or retire one.", no_args_is_help=True)
cli.add_typer(models, name="models")


@models.command("list", epilog=EXAMPLES + "`btc models list` · `btc models list --source synthetic-7`")
def models_list(source: Source = "") -> None:
    """List the releases: which one serves, which are challengers, which are retired."""
    from rich.table import Table

    from app.cli import model_admin

    settings = kafka_settings(source)
    table = Table("release", "role", "made (UTC)", "held out", "origin")
    known, now_ms = _run(settings, model_admin.registry(settings)), _run(settings, model_admin.exchange_ms(settings))
    for row in model_admin.rows(known, now_ms):
        table.add_row(*row)
    console.print(table)


@models.command(epilog=EXAMPLES + "`btc models promote cold-start`")
def promote(name: Annotated[str, typer.Argument(help="Release to serve from now on.")], source: Source = "") -> None:
    """Make a release the champion; an older one: a rollback. Workers follow within a second."""
    _give_role(name, "champion", source)


@models.command(epilog=EXAMPLES + "`btc models demote cold-start`")
def demote(
    name: Annotated[str, typer.Argument(help="Release to run as challenger from now on.")], source: Source = ""
) -> None:
    """Make a release a challenger; the champion before it serves again, or naive."""
    _give_role(name, "challenger", source)


@models.command(epilog=EXAMPLES + "`btc models retire cold-start`")
def retire(
    name: Annotated[str, typer.Argument(help="Release that shall not run any more.")], source: Source = ""
) -> None:
    """Retire a release: it neither serves nor runs as a challenger."""
    _give_role(name, "retired", source)


def _give_role(name: str, role: "Role", source: str) -> None:
    from app.cli import model_admin

    settings = kafka_settings(source)
    try:
        release = _run(settings, model_admin.give_role(settings, name, role))
    except model_admin.ModelError as error:
        raise fail(str(error)) from error
    console.print(f"{release.id} is now {role}")


def _run(settings: "Settings", work: "Coroutine[Any, Any, T]") -> "T":
    from aiokafka.errors import KafkaError

    from app.retry import error_reason

    silence_kafka_client()
    try:
        return asyncio.run(work)
    except KafkaError as error:
        raise fail(
            f"Kafka at {settings.bootstrap} cannot be read ({error_reason(error)}): start it with `btc up`, or set "
            "BTC_KAFKA_URL to another"
        ) from error
