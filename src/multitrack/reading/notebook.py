"""Render runs for notebooks: HTML in which all recorded values are escaped as text."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Final

from multitrack.journal.manifest import Manifest
from multitrack.query.cells import inputs_of
from multitrack.reading.formatting import moment, took, value_text
from multitrack.security.terminal import safe
from multitrack.summaries.summary import Summary

_STATUS: Final = {"finished": "#1a7f37", "failed": "#cf222e", "killed": "#9a6700", "running": "#0969da"}
#: The CSS style of a text cell.
LEFT: Final = "text-align:left;white-space:nowrap"


def run_html(facts: Manifest, summary: Summary, took_ms: int) -> str:
    """Render a run: its name, params, metrics, lists, tags and references.

    Args:
        facts: The run's manifest.
        summary: The run's summary.
        took_ms: The run's duration in milliseconds.
    """
    ended = f", took {took(took_ms)}"
    status = f"<span style='color:{_STATUS.get(summary.status, 'inherit')}'>{text_html(summary.status)}</span>"
    parts = [
        f"<p><b>{text_html(facts.name)}</b> · {text_html(facts.project)} · {status} · "
        f"<code>{text_html(facts.id)}</code><br>"
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
        _section("reference", ("role", "kind", "uri", "version"), (
            (ref.name, (ref.role, ref.kind, ref.uri, ref.version or ref.digest or "")) for ref in summary.artifacts
        ))
    )  # fmt: skip
    return f"<div style='overflow-x:auto'>{''.join(parts)}</div>"


def nothing_html(name: str) -> str:
    """Render a run that records nothing."""
    return f"<p><b>{text_html(name)}</b> · records nothing</p>"


def _section(title: str, columns: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    cell = f"<td style='{LEFT}'>"
    body = "".join(
        f"<tr>{''.join(f'{cell}{text_html(text)}</td>' for text in (name, *texts))}</tr>" for name, texts in rows
    )
    if not body:
        return ""
    head = "".join(f"<th style='{LEFT}'>{name}</th>" for name in (title, *columns))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def text_html(value: object) -> str:
    """Convert any value to escaped HTML text without unsafe characters."""
    return html.escape(safe(value))
