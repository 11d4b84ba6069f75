"""`btc archive query` and `btc archive tables`: rows of the archive as a table, CSV or JSON."""

import csv
import sys
from enum import StrEnum
from typing import Annotated, Any, NoReturn

import msgspec
import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Table

from app.archive import query as archive_query
from app.archive.parquet import ArchiveError
from app.cli.source_choice import Source, archive_settings

ROWS_ON_SCREEN = 200
archive_app = typer.Typer(help="Ticks, predictions and outcomes on disk.", no_args_is_help=True)


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


Form = Annotated[Format, typer.Option("--format", help="table, csv, or json with one object a line.")]


@archive_app.command("query")
def query(
    sql: Annotated[str, typer.Argument(help='DuckDB\'s SQL: "select symbol, count(*) from trades group by all".')],
    form: Form = Format.TABLE,
    source: Source = "",
) -> None:
    """Query the archive: ticks, trades, quotes, books, bars, gaps, predictions, outcomes, scores."""
    try:
        found = archive_query.query(archive_settings(source), sql)
    except ArchiveError as error:
        _refuse(error)
    _show(found, form)


@archive_app.command("tables")
def tables(form: Form = Format.TABLE, source: Source = "") -> None:
    """List the tables with their columns, first and last time, files and size."""
    try:
        found = archive_query.tables(archive_settings(source))
    except ArchiveError as error:
        _refuse(error)
    _show(found, form)


def _refuse(error: ArchiveError) -> NoReturn:
    typer.echo(f"btc archive: {error}", err=True)
    raise typer.Exit(1) from error


def _show(found: pa.Table, form: Format) -> None:
    if form is Format.TABLE:
        _show_table(found)
    elif form is Format.CSV:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(found.column_names)
        writer.writerows(map(_cells, found.to_pylist(maps_as_pydicts="strict")))
    else:
        for row in found.to_pylist(maps_as_pydicts="strict"):
            sys.stdout.write(_json(row) + "\n")


def _show_table(found: pa.Table) -> None:
    table = Table(*found.column_names, header_style="bold")
    for row in found.slice(0, ROWS_ON_SCREEN).to_pylist(maps_as_pydicts="strict"):
        table.add_row(*map(str, _cells(row)))
    console = Console()
    console.print(table)
    if found.num_rows > ROWS_ON_SCREEN:
        console.print(f"{ROWS_ON_SCREEN} of {found.num_rows} rows; all of them with --format csv")


def _cells(row: dict[str, Any]) -> list[Any]:
    return ["" if cell is None else _json(cell) if isinstance(cell, list | dict) else cell for cell in row.values()]


def _json(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()
