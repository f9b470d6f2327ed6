"""``multitrack sql``: a query over journals or data sets."""

from __future__ import annotations

import datetime
import decimal
import sys
from collections.abc import Iterator
from typing import Any, Final

import click

from multitrack.archive import is_archive
from multitrack.cli import output
from multitrack.cli.options import JOURNALS, open_journals
from multitrack.cli.tables import Heading, Screen, Table, add_row
from multitrack.compare.exports import quoted
from multitrack.dataset.reading import is_data_set
from multitrack.dataset.schema import TABLES
from multitrack.errors import QueryError
from multitrack.export.sql import connect
from multitrack.reading.formatting import iso, value_text

_ROWS: Final = 4096
_HELP: Final = """\
Run a query over the runs of journals, or of a data set of `multitrack export`, with DuckDB.

The tables are runs, params, tags, metrics, artifacts, points, lines and compacted; docs/export.md has their columns. A
journal is exported into a cache first, as far as it changed. QUERY is SQL, or - to read it from standard input.

\b
    multitrack sql "select name, status from runs order by started"
    multitrack sql "select run, last from metrics where name = 'val_loss' order by last limit 3"
    multitrack sql "describe points"
    multitrack sql - --csv --journal runs-data < query.sql > table.csv
"""


@click.command(help=_HELP)
@click.argument("query")
@JOURNALS
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list, a row on a line.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for spreadsheets.")
def sql(query: str, journals: tuple[str, ...], as_json: bool, as_csv: bool) -> None:
    """See :data:`_HELP`."""
    if as_json and as_csv:
        raise click.UsageError("--json and --csv: one form at a time")
    text = sys.stdin.read() if query == "-" else query
    if not text.strip():
        raise click.UsageError("the query is empty")
    is_one = len(journals) == 1 and is_data_set(journals[0]) and not is_archive(journals[0])
    connection = connect(journals[0] if is_one else open_journals(journals))
    import duckdb  # noqa: PLC0415 - an extra, which `connect` has asked for

    try:
        found = connection.execute(text)
        names = _distinct([column[0] for column in found.description or ()])
        rows = _rows(found)
        if as_json:
            output.document(_json(names, rows), json=True)
        elif as_csv:
            output.document(_csv(names, rows))
        else:
            _print(names, rows)
    except duckdb.Error as error:
        raise QueryError(_reason(str(error))) from None
    finally:
        connection.close()


def _distinct(names: list[str]) -> list[str]:
    """Number names that occur again: ``name``, ``name_1``; an object of JSON has each name once."""
    found: list[str] = []
    for name in names:
        number, distinct = 0, name
        while distinct in found or (number and distinct in names):
            number += 1
            distinct = f"{name}_{number}"
        found.append(distinct)
    return found


def _rows(found: Any) -> Iterator[tuple[Any, ...]]:
    while some := found.fetchmany(_ROWS):
        yield from some


def _reason(text: str) -> str:
    """DuckDB's message; if a table is not known, the tables. Its guess may be a table of its own: left out."""
    if not text.startswith("Catalog Error: Table with"):
        return text
    names = [table.name for table in TABLES]
    guesses = [f'Did you mean "{name}"?' for name in names]
    lines = [line for line in text.splitlines() if not line.startswith("Did you mean") or line in guesses]
    return "\n".join((*lines, f"the tables are {', '.join(names)}"))


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: times in ISO 8601, UTC."""
    match value:
        case datetime.datetime():
            return iso(round(value.timestamp() * 1000)) if value.tzinfo is not None else value.isoformat()
        case datetime.date() | datetime.time() | datetime.timedelta():
            return str(value)
        case decimal.Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            return value.hex()
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def _json(names: list[str], rows: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    before = "["
    for row in rows:
        document = dict(zip(names, map(_plain, row), strict=True))
        yield f"{before}\n{output.json_line(document).rstrip()}"
        before = ","
    yield "\n]\n" if before == "," else "[]\n"


def _csv(names: list[str], rows: Iterator[tuple[Any, ...]]) -> Iterator[str]:
    yield f"{','.join(map(quoted, names))}\n"
    for row in rows:
        cells = ("" if value is None else quoted(_plain(value)) for value in row)
        yield f"{','.join(cells)}\n"


def _print(names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    every = list(rows)
    numbers = [
        any(row[i] is not None for row in every)
        and all(row[i] is None or (isinstance(row[i], (int, float)) and not isinstance(row[i], bool)) for row in every)
        for i in range(len(names))
    ]
    table = Table([Heading(name, right=right, fold=not right) for name, right in zip(names, numbers, strict=True)])
    for row in every:
        add_row(table, *("" if value is None else value_text(_plain(value)) for value in row))
    table.print(Screen())
