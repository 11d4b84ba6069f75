"""`btc topics`: create what is missing and show what there is."""

import asyncio

from app.cli.source_choice import Source, kafka_settings
from app.cli.typer_app import EXAMPLES, cli, console, fail, silence_kafka_client


@cli.command(epilog=EXAMPLES + "`btc topics` · `BTC_REPLICATION_FACTOR=3 btc topics`")
def topics(source: Source = "") -> None:
    """Create the topics that are missing, check the others, and show them; nothing is ever shrunk or deleted."""
    from rich.table import Table

    from app.kafka import topics as specs

    settings, every = kafka_settings(source), (*specs.ALL, *specs.CHANGELOGS)
    silence_kafka_client()
    try:
        asyncio.run(specs.ensure(settings, every))
    except specs.TopicError as error:
        raise fail(str(error)) from error
    table = Table("topic", "record", "partitions", "kept")
    for one in every:
        days = one.retention_ms / specs.DAY_MS
        kept = f"{days:g} days" if days > 0 else "the newest of each key"
        table.add_row(one.full_name(settings), one.record.__name__, str(one.partitions(settings)), kept)
    console.print(table)
