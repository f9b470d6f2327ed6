"""Runs and comparisons as notebooks show them: HTML in which everything recorded is text and nothing else."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from multitrack.query.cells import ABSENT, inputs_of
from multitrack.query.columns import Column
from multitrack.reading.formatting import column_texts, moment, took, value_text
from multitrack.security.terminal import safe

if TYPE_CHECKING:
    from multitrack.compare.comparison import Comparison
    from multitrack.reading.recorded_run import RecordedRun

#: Rows of a table; ``to_pandas()`` has all.
_ROWS: Final = 200
_STATUS: Final = {"finished": "#1a7f37", "failed": "#cf222e", "killed": "#9a6700", "running": "#0969da"}
_LEFT: Final = "text-align:left;white-space:nowrap"
_RIGHT: Final = "text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"


def comparison_html(comparison: Comparison) -> str:
    """A comparison as a table; the best run in bold."""
    best = comparison.best and comparison.best.row.id
    columns = [column for column in comparison.columns if str(column) != "run"]
    rows = []
    shown = comparison.rows[:_ROWS]
    texts = [column_texts(column, (row.cells.get(str(column), ABSENT) for row in shown)) for column in columns]
    for i, row in enumerate(shown):
        cells = [_cell(column, found[i]) for column, found in zip(columns, texts, strict=True)]
        style = ' style="font-weight:bold"' if row.id == best else ""
        rows.append(
            f"<tr{style}><td style='{_LEFT}'>{_text(row.id)}{' ★' if row.id == best else ''}</td>{''.join(cells)}</tr>"
        )
    head = "".join(f"<th style='{_style(column)}'>{_text(column)}</th>" for column in columns)
    more = len(comparison.rows) - _ROWS
    return (
        f"<div style='overflow-x:auto'><table><thead><tr><th style='{_LEFT}'>run</th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>{f'<p>… and {more} more runs</p>' if more > 0 else ''}</div>"
    )


def run_html(run: RecordedRun) -> str:
    """A run: what it is, its params, metrics, lists, tags and references."""
    facts, summary = run.facts, run.summary()
    ended = f", took {took(run.took(summary))}"
    status = f"<span style='color:{_STATUS.get(summary.status, 'inherit')}'>{_text(summary.status)}</span>"
    parts = [
        f"<p><b>{_text(facts.name)}</b> · {_text(facts.project)} · {status} · <code>{_text(facts.id)}</code><br>"
        f"started {moment(facts.created)}{ended} · {summary.records} records, {summary.lines} log lines</p>"
    ]
    parts.append(
        _section("param", ("value", "type", "from"), (
            (name, (value_text(value.value), value.type, value.source))
            for name, value in inputs_of(summary).items() if name in summary.params
        ))
    )  # fmt: skip
    parts.append(
        _section("metric", ("value",), ((name, (value_text(value),)) for name, value in summary.simple.items()))
    )
    for title, found in (("series", summary.series), ("list", summary.lists)):
        parts.append(
            _section(title, ("last", "min", "max", "mean", "median", "points"), (
                (name, (*("" if number is None else value_text(number)
                          for number in (s.last, s.min, s.max, s.mean, s.median)), str(s.count)))
                for name, s in found.items()
            ))
        )  # fmt: skip
    parts.append(_section("tag", ("value",), ((name, (value,)) for name, value in summary.tags.items())))
    parts.append(
        _section("reference", ("role", "kind", "uri"), (
            (ref.name, (ref.role, ref.kind, ref.uri)) for ref in summary.artifacts
        ))
    )  # fmt: skip
    return f"<div style='overflow-x:auto'>{''.join(parts)}</div>"


def nothing_html(name: str) -> str:
    """A run that records nothing."""
    return f"<p><b>{_text(name)}</b> · records nothing</p>"


def _section(title: str, columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    cell = f"<td style='{_LEFT}'>"
    body = "".join(
        f"<tr>{''.join(f'{cell}{_text(text)}</td>' for text in (name, *texts))}</tr>" for name, texts in rows
    )
    if not body:
        return ""
    head = "".join(f"<th style='{_LEFT}'>{name}</th>" for name in (title, *columns))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(column: Column, text: str) -> str:
    return f"<td style='{_style(column)}'>{_text(text)}</td>"


def _style(column: Column) -> str:
    return _RIGHT if column.kind in ("number", "seconds") else _LEFT


def _text(value: object) -> str:
    return html.escape(safe(value))
