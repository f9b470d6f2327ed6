"""Status and delivery of a run, in tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from multitrack.cli.tables import Piece
from multitrack.delivery.report import DeliveryReport, LaneReport
from multitrack.journal.deletion import is_deleted
from multitrack.journal.manifest import Manifest
from multitrack.reading.delivery import report_of
from multitrack.reading.recorded_run import RecordedRun

_COLOURS: Final = {"finished": "green", "failed": "red", "killed": "yellow", "running": "cyan"}


def colour_of(status: str) -> str:
    """Return the colour of a status."""
    return _COLOURS.get(status, "")


def status_cell(status: str, *, deleted: bool = False) -> list[Piece]:
    """A status, coloured."""
    return [(status, colour_of(status)), *([(", deleted", "dim")] if deleted else [])]


def lane_pieces(lane: LaneReport) -> Iterator[Piece]:
    """Describe the progress of a lane, coloured."""
    if lane.complete:
        yield "delivered", "green"
    else:
        yield (f"{lane.pending} pending" if lane.pending else "open"), "yellow"
    if lane.set_aside:
        yield f", {lane.set_aside} set aside", "yellow"


def run_as_json(run: RecordedRun, *, full: bool = False) -> dict[str, Any]:
    """Return a run as JSON values; with params, metrics, references and context if ``full``."""
    summary, manifest = run.summary(), run.manifest
    told: dict[str, Any] = {
        "id": run.id, "name": manifest.name, "project": manifest.project, "status": summary.status,
        "parent": run.parent, "group": manifest.group, "notes": manifest.notes, "created": manifest.created,
        "ended": run.ended(summary), "records": summary.records,
        "lines": summary.lines, "mistakes": summary.mistakes, "gaps": summary.gaps, "lost": summary.lost,
        "damaged": summary.damaged, "redacted": summary.redacted,
        "skipped_epochs": summary.skipped_epochs, "skipped_batches": summary.skipped_batches,
        "deleted": is_deleted(run.directory), "journal": run.journal, "directory": str(run.directory),
        "backends": report_as_json(report_of(run, summary)),
    }  # fmt: skip
    if full:
        told |= {
            "params": summary.params, "sources": summary.sources, "objects": summary.objects,
            "metrics": summary.metrics, "points": summary.lengths, "tags": summary.tags,
            "artifacts": [msgspec.structs.asdict(ref) for ref in summary.artifacts],
            "models": [msgspec.to_builtins(model) for model in summary.models.values()],
            "options": options_of(manifest),
            "context": None if run.context is None else msgspec.to_builtins(run.context),
            "wrong_calls": [
                {"call": call, "reason": reason, "times": times}
                for (call, reason), times in (run.get_mistakes().most_common() if summary.mistakes else ())
            ],
            "imported": None if manifest.imported is None else msgspec.to_builtins(manifest.imported),
            "not_imported_exactly": run.get_gaps() if summary.gaps else [],
        }  # fmt: skip
    return told


def report_as_json(report: DeliveryReport) -> dict[str, Any]:
    """Return a delivery report as JSON values."""
    return {name: msgspec.structs.asdict(lane) for name, lane in report.items()}


def options_of(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Return the options of each backend that `multitrack sync` will use, without empty ones."""
    return {
        entry.name: {key: value for key, value in entry.options.items() if value not in (None, "", [], {})}
        for entry in manifest.backends
    }
