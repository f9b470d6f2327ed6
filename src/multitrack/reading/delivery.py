"""Report the delivery of a recorded run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multitrack.delivery.report import DeliveryReport, report_run
from multitrack.reading.recorded_run import RecordedRun

if TYPE_CHECKING:
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
