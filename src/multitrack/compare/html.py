"""A comparison as a notebook shows it: an HTML table in which everything recorded is text and nothing else."""

from __future__ import annotations

from typing import Final

from multitrack.compare.rows import Compared
from multitrack.query.columns import Column
from multitrack.reading.formatting import column_texts
from multitrack.reading.notebook import LEFT, text_html

#: Rows of a table; ``to_pandas()`` has all.
_ROWS: Final = 200
_RIGHT: Final = "text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"


def comparison_html(comparison: Compared) -> str:
    """A comparison as a table; the best run in bold."""
    best = comparison.best and comparison.best.row.id
    columns = [column for column in comparison.columns if str(column) != "run"]
    rows = []
    shown = comparison.rows[:_ROWS]
    texts = [column_texts(column, comparison.values(column)[:_ROWS]) for column in columns]
    for i, row in enumerate(shown):
        cells = [_cell(column, found[i]) for column, found in zip(columns, texts, strict=True)]
        style = ' style="font-weight:bold"' if row.id == best else ""
        rows.append(
            f"<tr{style}><td style='{LEFT}'>{text_html(row.id)}{' ★' if row.id == best else ''}</td>"
            f"{''.join(cells)}</tr>"
        )
    head = "".join(f"<th style='{_style(column)}'>{text_html(column)}</th>" for column in columns)
    more = len(comparison.rows) - _ROWS
    return (
        f"<div style='overflow-x:auto'><table><thead><tr><th style='{LEFT}'>run</th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>{f'<p>… and {more} more runs</p>' if more > 0 else ''}</div>"
    )


def _cell(column: Column, text: str) -> str:
    return f"<td style='{_style(column)}'>{text_html(text)}</td>"


def _style(column: Column) -> str:
    return _RIGHT if column.kind in ("number", "seconds") else LEFT
