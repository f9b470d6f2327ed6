"""What the command prints: tables for people, JSON for machines.

Names, params and lines may hold anything; whatever would move a terminal's cursor or colour is shown as an escape.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from multitrack._hints import to_install
from multitrack._text import clean_text
from multitrack.cli import output
from multitrack.cli.tables import Cell, Column, Piece, Screen, Table
from multitrack.delivery.report import DeliveryReport, LaneReport
from multitrack.journal.manifest import Manifest
from multitrack.query.cells import origin_of
from multitrack.reading.formatting import moment, took, value_text
from multitrack.reading.recorded_run import Line, RecordedRun, report_of
from multitrack.records import ArtifactRef
from multitrack.security.secrets import REDACTED, is_secret_name, without_credentials
from multitrack.security.terminal import safe, safe_json
from multitrack.summaries.summary import Summary

#: Log lines that are written at once.
_AT_ONCE: Final = 4096
#: Kinds of wrong calls that `show` names.
_WRONG: Final = 20
_encoder: Final = msgspec.json.Encoder()
#: Characters of a name in ``multitrack runs``.
_NAME: Final = 60
_COLOURS: Final = {"finished": "green", "failed": "red", "killed": "yellow", "running": "cyan"}


def print_json(value: object) -> None:
    """One JSON document; NaN and ±inf as strings, as in the journal."""
    text = safe_json(msgspec.json.format(msgspec.json.encode(plain(value)).decode(), indent=2))
    output.document([f"{text}\n"], json=True)


def print_backends(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table of ``multitrack backends``."""
    table = _table("backend", "distribution", "selected", "")
    for row in rows:
        hint = row["problem"] or ("" if row["distribution"] else to_install(row["name"], f"./plugins/{row['name']}"))
        _add(table, row["name"], row["distribution"] or "not installed", "yes" if row["selected"] else "", hint)
    table.print(Screen())


def print_config(place: str | None, rows: Iterable[tuple[str, str, Any, str]]) -> None:
    """The table of ``multitrack config``."""
    screen = Screen()
    screen.note(f"config file: {safe(place)}" if place else "no config file found: defaults")
    table = _table("key", "value", "from")
    for section, key, value, origin in rows:
        _add(table, f"[{section}] {key}" if section else key, value_text(value), origin)
    table.print(screen)


def print_runs(runs: Iterable[RecordedRun]) -> None:
    """The table of ``multitrack runs``."""
    screen = Screen()
    table = Table([
        Column("run"), Column("name", fold=True), Column("project", fold=True, spare=2), Column("status"),
        Column("started", spare=3), Column("took", spare=1), Column("records", spare=4), Column("delivery", fold=True),
    ])  # fmt: skip
    for run in runs:
        summary, facts = run.summary(), run.facts
        name = ("└ " if facts.parent else "") + facts.name
        _add(
            table, run.id, _cut(name), _cut(facts.project), _status(summary.status), moment(facts.created),
            took(run.took(summary)), _records(summary), _delivery(report_of(run, summary)),
        )  # fmt: skip
    if left_out := table.print(screen):
        screen.note(f"no room for {', '.join(left_out)}; --json has all", "dim")


def print_run(run: RecordedRun) -> None:
    """All of ``multitrack show``."""
    screen, summary, manifest = Screen(), run.summary(), run.manifest
    facts = Table([Column("", style="dim"), Column("", fold=True)], header=False)
    told: tuple[tuple[str, Cell | None], ...] = (
        ("run", run.id), ("name", manifest.name), ("project", manifest.project),
        ("status", _status(summary.status)), ("parent", manifest.parent),
        ("group", manifest.group), ("notes", [(safe(manifest.notes, lines=True), "")] if manifest.notes else None),
        ("started", moment(manifest.created)),
        ("took", took(run.took(summary))), ("log lines", str(summary.lines) if summary.lines else None),
        ("wrong calls", str(summary.mistakes) if summary.mistakes else None),
        ("lost", f"{summary.lost} records: the disk did not take them" if summary.lost else None),
        ("redacted values", str(summary.redacted) if summary.redacted else None),
        ("trained again", _trained_again(summary)),
        ("damaged lines", str(summary.damaged) if summary.damaged else None), ("journal", str(run.directory)),
        *_origin(run),
    )  # fmt: skip
    for label, value in told:
        if value:
            _add(facts, label, value)
    facts.print(screen)
    wrong = run.get_mistakes().most_common() if summary.mistakes else []
    _section(screen, "wrong call", ("times", "reason"), [(call, (str(n), why)) for (call, why), n in wrong[:_WRONG]])
    if len(wrong) > _WRONG:
        screen.note(f"{len(wrong) - _WRONG} other kinds of wrong calls: --json has all", "dim")
    _section(
        screen,
        "param",
        ("value", "from"),
        [(k, (value_text(v), origin_of(summary, k))) for k, v in summary.params.items()],
    )
    _section(screen, "metric", ("value", "points"), _metrics(summary))
    _section(screen, "tag", ("value",), [(k, (v,)) for k, v in summary.tags.items()])
    _section(
        screen, "reference", ("role", "kind", "uri", "digest"),
        [(ref.name, (ref.role, ref.kind, ref.uri, _digest(ref))) for ref in summary.artifacts],
    )  # fmt: skip
    report = report_of(run, summary)
    table = _table("backend", "id", "delivery", "url")
    options = _options(manifest)
    for name, lane in report.items():
        _add(table, name, lane.id or "", list(_lane_pieces(lane)), lane.url or "")
        for key, value in options.get(name, {}).items():
            _add(table, "", [(safe(f"{key} = {value_text(value)}"), "dim")], "", "")
        for text in (*lane.stand_ins, *(f"{count} set aside: {reason}" for reason, count in lane.reasons.items())):
            _add(table, "", "", [(safe(text), "yellow")], "")
        if lane.problem:
            _add(table, "", "", [(safe(lane.problem), "red")], "")
    if report:
        table.print(screen)


def _digest(ref: ArtifactRef) -> str:
    return ref.digest[:19] if ref.digest else "not known yet" if ref.pending else ""


def run_as_json(run: RecordedRun, *, full: bool = False) -> dict[str, Any]:
    """A run for machines; with params, metrics, references and context where ``full``."""
    summary, manifest = run.summary(), run.manifest
    told: dict[str, Any] = {
        "id": run.id, "name": manifest.name, "project": manifest.project, "status": summary.status,
        "parent": manifest.parent, "group": manifest.group, "notes": manifest.notes, "created": manifest.created,
        "ended": run.ended(summary), "records": summary.records,
        "lines": summary.lines, "mistakes": summary.mistakes, "lost": summary.lost, "damaged": summary.damaged,
        "redacted": summary.redacted,
        "skipped_epochs": summary.skipped_epochs, "skipped_batches": summary.skipped_batches,
        "directory": str(run.directory), "backends": report_as_json(report_of(run, summary)),
    }  # fmt: skip
    if full:
        told |= {
            "params": summary.params, "sources": summary.sources, "objects": summary.objects,
            "metrics": summary.metrics, "points": summary.lengths, "tags": summary.tags,
            "artifacts": [msgspec.structs.asdict(ref) for ref in summary.artifacts],
            "options": _options(manifest),
            "context": None if run.context is None else msgspec.to_builtins(run.context),
            "wrong_calls": [
                {"call": call, "reason": reason, "times": times}
                for (call, reason), times in (run.get_mistakes().most_common() if summary.mistakes else ())
            ],
        }  # fmt: skip
    return told


def report_as_json(report: DeliveryReport) -> dict[str, Any]:
    """A delivery report for machines."""
    return {name: msgspec.structs.asdict(lane) for name, lane in report.items()}


def print_lines(lines: Iterable[Line]) -> None:
    """Log lines for people: local time, stream, text."""
    remaining, heads = iter(lines), _Heads()
    while some := [*itertools.islice(remaining, _AT_ONCE)]:
        texts = _safe_texts([line.text for line in some])
        sys.stdout.write(
            "".join([f"{heads[line.time, line.stream]}{text}\n" for line, text in zip(some, texts, strict=True)])
        )


class _Heads(dict[tuple[int, str], str]):
    """Time and stream as they stand before a line, which are most of what it costs; each is made once."""

    def __missing__(self, key: tuple[int, str]) -> str:
        if len(self) > _AT_ONCE:
            self.clear()
        time, stream = key
        self[key] = head = f"{_second(time // 1000)}.{time % 1000:03} {_label(stream)} "
        return head


@functools.lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return moment(seconds * 1000)


@functools.lru_cache(maxsize=64)
def _label(stream: str) -> str:
    return f"{safe(stream):6}"


def _safe_texts(texts: Sequence[str]) -> Sequence[str]:
    """Many texts made safe, at once where none of them has more than one line."""
    whole = safe("\n".join(texts).expandtabs(), lines=True)
    split = whole.split("\n")
    return split if len(split) == len(texts) else [safe(text.expandtabs()) for text in texts]


def print_lines_json(lines: Iterable[Line]) -> None:
    """One JSON document, a line on a line, as they are read."""
    output.document(_document_of(lines), json=True)


def _document_of(lines: Iterable[Line]) -> Iterator[str]:
    remaining, before = iter(lines), "["
    while some := [*itertools.islice(remaining, _AT_ONCE)]:
        yield before + ",".join(
            [f"\n{text}" for text in safe_json(_encoder.encode_lines(some).decode()[:-1]).split("\n")]
        )
        before = ","
    yield "\n]\n" if before == "," else "[]\n"


def without_secret(name: str, value: Any) -> Any:
    """An option's value without credentials."""
    if not isinstance(value, str) or not value:
        return value
    return REDACTED if is_secret_name(name) else without_credentials(value)


def _origin(run: RecordedRun) -> list[tuple[str, str | None]]:
    context = run.context
    if context is None:
        return []
    git = context.git
    commit = None
    if git is not None:
        commit = git.commit[:12] + (f" ({git.branch})" if git.branch else "") + (", changed since" if git.dirty else "")
    return [
        ("where", f"{context.user} on {context.host}, Python {context.python}"),
        ("command", " ".join(context.command)), ("program", context.program),
        ("git commit", commit),
    ]  # fmt: skip


def _metrics(summary: Summary) -> list[tuple[str, tuple[str, str]]]:
    """The last value of each series and list with how many they have, then simple metrics, be they of the same name."""
    series = {**summary.lists, **summary.series}
    rows = [(name, (value_text(found.last), str(found.count))) for name, found in series.items()]
    for name, value in summary.simple.items():
        rows.append((name, (value_text(value), "simple, beside the series" if name in series else "")))
    return rows


def _section(screen: Screen, title: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> None:
    if not rows:
        return
    table = _table(title, *columns)
    for name, values in rows:
        _add(table, name, *values)
    table.print(screen)


def _table(*titles: str) -> Table:
    return Table([Column(title, fold=title not in {"run", "status", "started"}) for title in titles])


def _add(table: Table, *cells: Cell) -> None:
    """A row of a table; a text may hold anything, and what has styles is ours."""
    table.add([safe(cell) if isinstance(cell, str) else cell for cell in cells])


def _cut(name: str) -> str:
    """A name in a listing of one line a run; ``show`` has all of it."""
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def colour_of(status: str) -> str:
    """How a status is coloured."""
    return _COLOURS.get(status, "")


def _status(status: str) -> list[Piece]:
    return [(status, colour_of(status))]


def _delivery(report: DeliveryReport) -> list[Piece]:
    pieces: list[Piece] = []
    for name, lane in report.items():
        pieces += [(f"{safe(name)} ", "dim"), *_lane_pieces(lane), ("  ", "")]
    return pieces


def _records(summary: Summary) -> str:
    return f"{summary.records}, {summary.lost} lost" if summary.lost else str(summary.records)


def _trained_again(summary: Summary) -> str | None:
    epochs, batches = summary.skipped_epochs, summary.skipped_batches
    both = " and ".join(f"{count} {what}" for count, what in ((epochs, "epochs"), (batches, "batches")) if count)
    return f"{both} that the run held, not recorded a second time" if both else None


def _options(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Where each backend delivers to, as `multitrack sync` will go by."""
    return {
        entry.name: {key: value for key, value in entry.options.items() if value not in (None, "", [], {})}
        for entry in manifest.backends
    }


def _lane_pieces(lane: LaneReport) -> Iterator[Piece]:
    if lane.complete:
        yield "delivered", "green"
    else:
        yield (f"{lane.pending} pending" if lane.pending else "open"), "yellow"
    if lane.set_aside:
        yield f", {lane.set_aside} set aside", "yellow"


def plain(value: Any) -> Any:
    """With NaN and ±inf as strings, as JSON has none and null would lose them; paths that are no UTF-8 with escapes."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float) and value - value != 0.0:
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, str):
        return clean_text(value)  # of a path that is no UTF-8
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value
