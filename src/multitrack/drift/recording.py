"""Record a comparison in a run: its figures as metrics, its report and both tables as references."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, Literal, cast

import msgspec

from multitrack.config import load_config
from multitrack.drift.comparison import Drift
from multitrack.drift.sources import Source
from multitrack.journal.atomic import write_output, write_whole
from multitrack.reading.opening import open_journal
from multitrack.recording.builder import open_run
from multitrack.recording.plan import Request, resolve
from multitrack.recording.run import Run
from multitrack.recording.start import journal_here
from multitrack.records import DRIFT
from multitrack.security.terminal import safe

#: The metric of the share of drifted columns, and the name of the report's reference.
SHARE_METRIC: Final = f"{DRIFT}share"
REPORT: Final = f"{DRIFT}report"
#: The report's file in a run's directory.
FILE: Final = "drift.html"


class Recorded(msgspec.Struct, frozen=True):
    """What was recorded.

    Attributes:
        run: The run's id.
        html: The report's file.
    """

    run: str
    html: Path


def record(
    drift: Drift,
    *,
    into: str | None = None,
    html: str | os.PathLike[str] | None = None,
    journal: str | Path | None = None,
) -> Recorded | None:
    """Record a comparison, and deliver it to the backends of the config.

    The metrics are ``drift/share`` and the score of each column as ``drift/COLUMN``; that of a column that is called
    "share" is ``drift/columns/share``. The references are ``drift/report``, of kind "report", and the inputs
    ``drift/reference`` and ``drift/current`` with their digests and versions, so that lineage shows them.

    Args:
        drift: The comparison.
        into: The run to record it in, its id or name. It must have ended; it keeps its status, and its end is now.
            Default: a new run of their project, with the tags ``reference`` and ``current``.
        html: The report's file, replaced if it exists; default: a new file in the run's directory in the journal.
        journal: The journal to record in; default: the one in the config.

    Returns:
        The run and the file; None if this process records nothing (``MULTITRACK_DISABLED``).

    Raises:
        RunError: If no run or several runs match ``into``, or it is still running.
        ConfigError, JournalError: As :func:`multitrack.start_run`.
        OSError: If the report cannot be written.
    """
    if journal_here() is None:
        return None
    place = None if journal is None else str(Path(journal).absolute())
    run, status = _new_run(drift, place) if into is None else _continued(into, place)
    try:
        file = _write_report(run, drift, html)
        _record(run, drift, file)
    except BaseException:
        run.end("failed" if into is None else status)
        raise
    run.end(status)
    return Recorded(run.id, file)


def _new_run(drift: Drift, journal: str | None) -> tuple[Run, Literal["finished"]]:
    tags = {"reference": drift.reference.name, "current": drift.current.name}
    loaded = load_config(arguments={"journal": journal})
    project = drift.current.project or drift.reference.project
    return open_run(resolve(loaded, Request(project=project, name="drift", tags=tags))), "finished"


def _continued(into: str, journal: str | None) -> tuple[Run, Literal["finished", "failed", "killed"]]:
    """Open an ended run again, to end it with the status that it had."""
    reader = open_journal(journal)
    earlier = reader.run(into)
    status = earlier.summary().status
    loaded = load_config(arguments={"journal": str(reader.directory.absolute())})
    run = open_run(resolve(loaded, Request(run_id=earlier.id)))  # a run that a live process writes is refused here
    return run, "killed" if status == "running" else status


def _write_report(run: Run, drift: Drift, html: str | os.PathLike[str] | None) -> Path:
    content = drift.html.encode("utf-8", "backslashreplace")
    if html is not None:
        path = Path(html).absolute()
        write_output(path, content)
        return path
    number = 1
    while (path := cast(Path, run.directory) / (FILE if number == 1 else f"drift-{number}.html")).exists():
        number += 1  # an earlier comparison's, whose recorded digest must stay true
    write_whole(path, content)
    return path


def _record(run: Run, drift: Drift, file: Path) -> None:
    run.log_metrics({SHARE_METRIC: drift.share, **{metric_of(name): one.score for name, one in drift.columns.items()}})
    run.log_lines([summary_line(drift), *(column_line(name, drift) for name in drift.columns)])
    for role, source in (("reference", drift.reference), ("current", drift.current)):
        _reference(run, f"{DRIFT}{role}", source)
    run.log_artifact_ref(REPORT, file, kind="report")


def _reference(run: Run, name: str, source: Source) -> None:
    """Refer to a table; one in memory is nowhere, and a run is no input of itself."""
    if source.uri is None or (source.run == run.id and source.digest is None):
        return
    run.log_artifact_ref(
        name, source.uri, kind="dataset", role="input", digest=source.digest or False, version=source.version,
        size=source.size,
    )  # fmt: skip


def metric_of(column: str) -> str:
    """Return the name of the metric of a column's score."""
    return f"{DRIFT}columns/share" if column == "share" else f"{DRIFT}{column}"


def summary_line(drift: Drift) -> str:
    """Say in a sentence whether there is drift."""
    text = f"{len(drift.drifted)} of {len(drift.columns)} columns drifted ({drift.share:.0%})"
    outcome = "drift" if drift.found else "no drift"
    return safe(f"{outcome} from {drift.reference.name} to {drift.current.name}: {text}, limit {drift.limit:.0%}")


def column_line(name: str, drift: Drift) -> str:
    """Say in a line how a column compares."""
    one = drift.columns[name]
    state = "drifted" if one.drifted else "as before"
    return safe(f"{name}: {state}, {one.method} {one.score:.6g}, threshold {one.threshold:g}")
