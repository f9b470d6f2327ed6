"""``multitrack show``: show one run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import click

from multitrack.cli.options import JOURNALS, JSON, open_journals
from multitrack.cli.origin import origin_rows, print_diff
from multitrack.cli.output import print_json
from multitrack.cli.run_rows import lane_pieces, options_of, run_as_json, status_cell
from multitrack.cli.tables import Cell, Heading, Screen, Table, add_row, print_section, text_table
from multitrack.dataset.cache import copied_from
from multitrack.journal.manifest import Origin
from multitrack.query.cells import origin_of
from multitrack.reading.delivery import report_of
from multitrack.reading.formatting import moment, took, value_text
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import ArtifactRef
from multitrack.security.terminal import safe
from multitrack.summaries.summary import Summary

#: How many kinds of wrong calls are named.
_WRONG: Final = 20
#: How many children are listed.
_CHILDREN: Final = 20


@click.command()
@click.argument("run")
@JOURNALS
@click.option("--diff", is_flag=True, help="Print only the changes since the commit, a patch for git apply.")
@JSON
def show(run: str, journals: tuple[str, ...], diff: bool, as_json: bool) -> None:
    """Show one run: params, metrics, references, children, origin and delivery.

    RUN is a run's id, the prefix of one, or a name that only one run has.
    """
    if diff and as_json:
        raise click.UsageError("--diff and --json: one form at a time")
    found = open_journals(journals).run(run)
    if diff:
        print_diff(found)
        return
    children = found.relatives.children(found.facts.id)
    if as_json:
        print_json({**run_as_json(found, full=True), "children": [child.id for child in children]})
    else:
        print_run(found, children)


def _imported(origin: Origin | None) -> str | None:
    """Where an imported run was recorded."""
    if origin is None:
        return None
    unfinished = "" if origin.complete else "; the import was interrupted: repeat it"
    return f"from {origin.tracker}, run {origin.id} of {origin.source}{unfinished}"


def print_run(run: RecordedRun, children: Sequence[RecordedRun] = ()) -> None:
    """Print everything that ``multitrack show`` shows."""
    screen, summary, manifest = Screen(), run.summary(), run.manifest
    facts = Table([Heading("", style="dim"), Heading("", fold=True)], header=False)
    told: tuple[tuple[str, Cell | None], ...] = (
        ("run", run.id), ("name", manifest.name), ("project", manifest.project),
        ("status", status_cell(summary.status)), ("parent", run.parent),
        ("imported", _imported(manifest.imported)),
        ("group", manifest.group), ("notes", [(safe(manifest.notes, lines=True), "")] if manifest.notes else None),
        ("started", moment(manifest.created)),
        ("took", took(run.took(summary))), ("log lines", str(summary.lines) if summary.lines else None),
        ("not exact", f"what the import could not bring exactly is below: {summary.gaps}" if summary.gaps else None),
        ("wrong calls", str(summary.mistakes) if summary.mistakes else None),
        ("lost", f"{summary.lost} records that could not be written to disk" if summary.lost else None),
        ("redacted values", str(summary.redacted) if summary.redacted else None),
        ("trained again", _trained_again(summary)),
        ("damaged lines", str(summary.damaged) if summary.damaged else None),
        ("journal", copied_from(run.directory.parents[1]) or str(run.directory)),
        *origin_rows(run),
    )  # fmt: skip
    for label, value in told:
        if value:
            add_row(facts, label, value)
    facts.print(screen)
    wrong = run.get_mistakes().most_common() if summary.mistakes else []
    print_section(
        screen, "wrong call", ("times", "reason"), [(call, (str(n), why)) for (call, why), n in wrong[:_WRONG]]
    )
    if len(wrong) > _WRONG:
        screen.note(f"{len(wrong) - _WRONG} other kinds of wrong calls (--json has all)", "dim")
    gaps = run.get_gaps() if summary.gaps else []
    told_gaps = Table([Heading("not imported exactly", fold=True)])
    for reason in gaps:
        add_row(told_gaps, reason)
    if gaps:
        told_gaps.print(screen)
    print_section(
        screen,
        "param",
        ("value", "from"),
        [(k, (value_text(v), origin_of(summary, k))) for k, v in summary.params.items()],
    )
    print_section(screen, "metric", ("value", "points"), _metrics(summary))
    print_section(screen, "tag", ("value",), [(k, (v,)) for k, v in summary.tags.items()])
    print_section(
        screen, "reference", ("role", "kind", "uri", "version"),
        [(ref.name, (ref.role, ref.kind, ref.uri, _version(ref))) for ref in summary.artifacts],
    )  # fmt: skip
    print_section(
        screen, "model", ("version", "reasons"),
        [(name, (model.version, "; ".join(model.reasons))) for name, model in summary.models.items()],
    )  # fmt: skip
    table = text_table("child", "name", "status", "took")
    for child in children[:_CHILDREN]:
        told_of = child.summary()
        add_row(table, child.id, child.facts.name, status_cell(told_of.status), took(child.took(told_of)))
    if children:
        table.print(screen)
    if len(children) > _CHILDREN:
        screen.note(f"{len(children) - _CHILDREN} more children: multitrack runs --parent {run.id}", "dim")
    report = report_of(run, summary)
    table = text_table("backend", "id", "delivery", "url")
    options = options_of(manifest)
    for name, lane in report.items():
        add_row(table, name, lane.id or "", list(lane_pieces(lane)), lane.url or "")
        for key, value in options.get(name, {}).items():
            add_row(table, "", [(safe(f"{key} = {value_text(value)}"), "dim")], "", "")
        for text in (*lane.stand_ins, *(f"{count} set aside: {reason}" for reason, count in lane.reasons.items())):
            add_row(table, "", "", [(safe(text), "yellow")], "")
        if lane.problem:
            add_row(table, "", "", [(safe(lane.problem), "red")], "")
    if report:
        table.print(screen)


def _version(ref: ArtifactRef) -> str:
    """The version of a reference, or the beginning of its digest."""
    if ref.version:
        return ref.version
    return ref.digest[:19] if ref.digest else "being computed" if ref.pending else ""


def _metrics(summary: Summary) -> list[tuple[str, tuple[str, str]]]:
    """List the last value and length of each series and list, then the simple metrics, also those of the same name."""
    series = {**summary.lists, **summary.series}
    rows = [(name, (value_text(found.last), str(found.count))) for name, found in series.items()]
    for name, value in summary.simple.items():
        rows.append((name, (value_text(value), "simple, beside the series" if name in series else "")))
    return rows


def _trained_again(summary: Summary) -> str | None:
    epochs, batches = summary.skipped_epochs, summary.skipped_batches
    both = " and ".join(f"{count} {what}" for count, what in ((epochs, "epochs"), (batches, "batches")) if count)
    return f"{both}, not recorded a second time" if both else None
