"""What ``multitrack compare`` prints."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

import msgspec

from multitrack.cli import output
from multitrack.cli.output import plain
from multitrack.cli.plain_columns import GAP, widest
from multitrack.cli.run_rows import colour_of
from multitrack.cli.tables import Cell, Heading, Screen, Table
from multitrack.compare.comparison import Comparison
from multitrack.query.cells import ABSENT, Value
from multitrack.query.columns import Column
from multitrack.reading.formatting import cell_text, column_texts
from multitrack.security.terminal import all_safe, safe, safe_json

#: Characters of a cell on a terminal.
_WIDEST: Final = 40
#: Groups, the ones first that a narrow terminal shows before others.
_RELEVANCE: Final = ("metrics", "params", "versions", "lists", "tags", "inputs", "outputs", "metadata")


def print_comparison(comparison: Comparison, keep: set[str], *, asked: bool = True) -> None:
    """The table; on a terminal as many columns as fit, those in which runs differ first.

    Args:
        comparison: The runs.
        keep: Columns, by name, that are shown whether they fit or not.
        asked: Whether its columns were asked for; else long texts that few runs have are left out of a pipe, too.
    """
    screen = Screen()
    texts = {str(column): screen.all_shown(_texts(column, comparison)) for column in comparison.columns}
    widths = {name: widest(cells) for name, cells in texts.items()}
    if screen.width is not None:
        widths = {name: min(width, _WIDEST) for name, width in widths.items()}
        shown = _fitting(comparison, widths, screen.width, keep)
    else:
        shown = [
            name for name, column in zip(texts, comparison.columns, strict=True)
            if asked or name in keep or widths[name] <= _WIDEST or not _is_rare(column, comparison)
        ]  # fmt: skip
    kinds = {str(column): column.kind for column in comparison.columns}
    table = Table(
        [Heading(texts[name][0], right=kinds[name] in ("number", "seconds"), widest=widths[name]) for name in shown]
    )
    shown_cells: list[list[Cell]] = [
        [[(text, colour_of(text))] for text in texts[name]] if name == "status" else [*texts[name]] for name in shown
    ]
    rows = zip(*(cells[1:] for cells in shown_cells), strict=True)
    best = None if comparison.best is None else comparison.rows.index(comparison.best.row)
    for i, cells in enumerate(rows):
        table.add(cells, "bold" if i == best else "")
    table.print(screen)
    hidden = [name for name in texts if name not in shown]
    if hidden:
        same = sum(str(column) in hidden and not comparison.differs(column) for column in comparison.columns)
        columns = "1 more column" if len(hidden) == 1 else f"{len(hidden)} more columns"
        more = f"{columns}, {same} of them the same in all runs; --columns picks, --json has all"
        screen.note(more, "dim")
    if comparison.best is not None:
        _print_best(screen, comparison)


def print_json(comparison: Comparison) -> None:
    """One JSON document, a run on a line, as it is made; NaN and ±inf are strings."""
    best = comparison.best
    head = {
        "columns": [msgspec.to_builtins(column) | {"column": str(column)} for column in comparison.columns],
        "best": best and {"run": best.row.id, "column": str(best.column), "direction": best.direction},
    }
    rows = (f"{',' if i else ''}\n{_json(row)}" for i, row in enumerate(comparison.to_dicts()))
    output.document([f'{_json(head)[:-1]},\n"rows":[', *rows, "\n]}\n"], json=True)


def _texts(column: Column, comparison: Comparison) -> list[str]:
    """A column's name and cells."""
    name = str(column)
    cells = all_safe(column_texts(column, comparison.values(column)))
    if name == "run" and comparison.best is not None:
        cells = [f"{cell} *" if cell == comparison.best.row.id else cell for cell in cells]
    return [safe(name), *cells]


def _fitting(comparison: Comparison, widths: dict[str, int], room: int, keep: set[str]) -> list[str]:
    """The columns that fit: the first two, those asked for and sorted by, those that differ, then the others.

    Metrics and params take turns: neither says much without the other. What fewer than half of the runs have, such as a
    search's own params beside its trials', comes after what most have.
    """
    names = [str(column) for column in comparison.columns]
    first = {*names[:2], *keep}
    ranks: dict[str, tuple[bool, bool, bool, int, int]] = {}
    turns: Counter[tuple[str, bool, bool]] = Counter()
    for name, column in zip(names, comparison.columns, strict=True):
        same = not comparison.differs(column)
        rare = _is_rare(column, comparison)
        turns[column.group, same, rare] += name not in first
        turn = turns[column.group, same, rare] if column.group in ("metrics", "params") else len(names)
        ranks[name] = (name not in first, same, rare, turn, _RELEVANCE.index(column.group))
    shown: set[str] = set()
    for name in sorted(names, key=ranks.__getitem__):
        if name in first or widths[name] + len(GAP) <= room:
            shown.add(name)
            room -= widths[name] + len(GAP)
    return [name for name in names if name in shown]


def _is_rare(column: Column, comparison: Comparison) -> bool:
    """Whether fewer than half of the runs have anything in a column."""
    return 2 * sum(value is not ABSENT for value in comparison.values(column)) < len(comparison.rows)


def _print_best(screen: Screen, comparison: Comparison) -> None:
    best = comparison.best
    if best is None:
        return
    rerun = comparison.rerun()
    value = cell_text(best.column, best.value)
    called = f"{best.row.id} {best.row.run.facts.name}, {best.row.summary.status}"
    told = {"best": f"{called}, {best.column} = {value}", **rerun.facts()}
    if rerun.context is not None and rerun.context.packages:
        told["Python"] += f", {len(rerun.context.packages)} packages (--rerun requirements)"
    if rerun.params:
        told["params"] = f"{len(rerun.params)} (--rerun json)"
    told |= rerun.notes()
    screen.line()
    width = max(map(len, told))
    for label, text in told.items():
        screen.line(f"{label:{width}}  {safe(text)}")


def _json(value: dict[str, Any]) -> str:
    told = {name: msgspec.to_builtins(item) if isinstance(item, Value) else item for name, item in value.items()}
    return safe_json(msgspec.json.encode(plain(told)).decode())
