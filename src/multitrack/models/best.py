"""Find the best version of a model by a metric of its run."""

from __future__ import annotations

from multitrack.errors import ModelError, QueryError, RunError
from multitrack.models.versions import Model, Version
from multitrack.query.cells import cell
from multitrack.query.criteria import parse_metric
from multitrack.reading.reader import JournalReader
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.terminal import excerpt
from multitrack.summaries.doubles import is_finite


def best_version(reader: JournalReader, model: Model, metric: str) -> tuple[Version, float]:
    """Return the version whose run has the best value of a metric, and the value; of equal ones the highest number.

    Args:
        reader: The journal of the runs.
        model: The model.
        metric: ``val_accuracy``, ``val_loss:min``.

    Raises:
        QueryError: If it is not known whether a low or a high value is better.
        ModelError: If no run of a version can be read and has a finite value.
    """
    try:
        column, direction = parse_metric(metric)
    except QueryError:
        if any(metric in run.summary().metrics for version in model.versions if (run := _run(reader, version))):
            raise
        raise ModelError(f"no run of a version of {excerpt(model.name)!r} has a metric {excerpt(metric)}") from None
    found = []
    for version in model.versions:
        run = _run(reader, version)
        if run is None:
            continue
        value = cell(column, run, run.summary(), "last", direction)
        if isinstance(value, (int, float)) and is_finite(value):
            found.append((value if direction == "max" else -value, version.number, version, value))
    if not found:
        raise ModelError(f"no run of a version of {excerpt(model.name)!r} has a finite {excerpt(metric)}")
    _, _, version, value = max(found, key=lambda one: one[:2])
    return version, value


def _run(reader: JournalReader, version: Version) -> RecordedRun | None:
    """The run of a version; None if it was deleted."""
    try:
        return reader.run(version.run)
    except RunError:
        return None
