"""Report the delivery of recorded runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from multitrack.delivery.lane_state import state_of
from multitrack.delivery.report import DeliveryReport, LaneReport, report_run
from multitrack.reading.recorded_run import RecordedRun

if TYPE_CHECKING:
    from multitrack.reading.run_table import RunTable
    from multitrack.summaries.cached_runs import CachedRun
    from multitrack.summaries.summary import Summary


def report_of(run: RecordedRun, summary: Summary | None = None, *, until: int | None = None) -> DeliveryReport:
    """Report the delivered and pending records of each backend of a recorded run.

    Args:
        run: The run.
        summary: The run's summary, if already read.
        until: Number of records that count, for a run that is still being written.
    """
    summary = summary or run.summary()
    records, ended = (summary.records, summary.status != "running") if until is None else (until, False)
    return report_run(
        run.lanes(), records, ended=ended, lost=summary.lost, mistakes=summary.mistakes,
        redacted=summary.redacted, skipped_epochs=summary.skipped_epochs, skipped_batches=summary.skipped_batches,
    )  # fmt: skip


def settled_lanes(directory: Path, run: CachedRun, is_settled: Callable[[int], bool]) -> list[tuple[str, str, Any]]:
    """Return the columns of an index for a run that is delivered everywhere; none if something is left to do.

    They are valid as long as the directory of its lanes has its change time: a lane saves its state as a new file.

    Args:
        directory: The run's directory.
        run: Its cached parts.
        is_settled: Tells whether a change time (ns) is old enough.
    """
    changed = _lanes_changed(directory) if run.backends else 0
    if not changed or not is_settled(changed):
        return []
    states = [state_of(directory, name) for name in run.backends]
    if not all(state.settled and state.delivered + state.set_aside >= run.summary.records for state in states):
        return []
    counts = [(state.delivered, state.set_aside) for state in states]
    return [("run", "lanes changed", changed), ("run", "lanes", counts)]


def lane_reports(table: RunTable) -> Iterator[dict[str, LaneReport]]:
    """Yield the report of each run's lanes, in the order of a table.

    Of a run that the index knows as delivered, a report has the counts alone, and no lane is read.
    """
    for place, (backends, changed, counts) in enumerate(table.once("backends", "lanes changed", "lanes")):
        run = table.runs[place]
        if not table.has_row(place) or (backends and changed != _lanes_changed(run.directory)):
            yield dict(report_of(run, table.summary(place)))
        elif backends:
            lanes = (LaneReport(delivered, 0, aside, {}, None, complete=True) for delivered, aside in counts)
            yield dict(zip(backends, lanes, strict=True))
        else:
            yield {}


def _lanes_changed(directory: Path) -> int:
    try:
        return os.stat(f"{directory}/lanes").st_ctime_ns  # noqa: PTH116 - as in stamp_of
    except OSError:
        return 0
