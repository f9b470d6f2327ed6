"""Experiment tracking that outlives every tracker: record once, on disk, and deliver to all of them.

    import multitrack

    with multitrack.start_run(project="digits", params={"lr": 1e-3}) as run:
        run.log_metric("loss", 0.31, step=4)

Importing this module imports neither a tracker nor Keras.
"""

import logging
from typing import TYPE_CHECKING, Any

from multitrack.courier.sync import sync
from multitrack.delivery.report import DeliveryReport, LaneReport
from multitrack.errors import (
    BackendError,
    BackendNotInstalledError,
    ConfigError,
    DeniedError,
    DriftError,
    JournalError,
    MetricKindError,
    ModelError,
    MultitrackError,
    ParamChangedError,
    PermanentError,
    PluginError,
    QueryError,
    RetryableError,
    RunClosedError,
    RunError,
    RunInUseError,
    UnknownBackendError,
)
from multitrack.markers import hookimpl, hookspec
from multitrack.plugins import register, unregister
from multitrack.recording.active import active_run
from multitrack.recording.capture import LogHandler
from multitrack.recording.run import Run
from multitrack.recording.start import start_run
from multitrack.security.terminal import SafeFilter

if TYPE_CHECKING:  # imported on first access: training code reads no journal
    from multitrack.mirroring.mirror import mirror
    from multitrack.models.registry import ModelRegistry, open_models
    from multitrack.reading.opening import open_journal
    from multitrack.reading.points import Line, Point
    from multitrack.reading.reader import JournalReader
    from multitrack.reading.recorded_run import RecordedRun
    from multitrack.summaries.series import Series
    from multitrack.summaries.statistics import Statistics
    from multitrack.summaries.summary import Summary

#: The version of all four distributions; their builds read it here.
__version__ = "0.1.0"

logging.getLogger("multitrack").addFilter(SafeFilter())

__all__ = [
    "BackendError",
    "BackendNotInstalledError",
    "ConfigError",
    "DeliveryReport",
    "DeniedError",
    "DriftError",
    "JournalError",
    "JournalReader",
    "LaneReport",
    "Line",
    "LogHandler",
    "MetricKindError",
    "ModelError",
    "ModelRegistry",
    "MultitrackError",
    "ParamChangedError",
    "PermanentError",
    "PluginError",
    "Point",
    "QueryError",
    "RecordedRun",
    "RetryableError",
    "Run",
    "RunClosedError",
    "RunError",
    "RunInUseError",
    "Series",
    "Statistics",
    "Summary",
    "UnknownBackendError",
    "active_run",
    "hookimpl",
    "hookspec",
    "mirror",
    "open_journal",
    "open_models",
    "register",
    "start_run",
    "sync",
    "unregister",
]


def __getattr__(name: str) -> Any:
    """Import what reads a journal on first access: 8 ms that training code does without."""
    if name in ("JournalReader", "RecordedRun", "open_journal"):
        from multitrack.reading import opening, reader, recorded_run  # noqa: PLC0415 - see above

        found = {"JournalReader": reader.JournalReader, "RecordedRun": recorded_run.RecordedRun}
        return found.get(name, opening.open_journal)
    if name in ("Line", "Point"):
        from multitrack.reading import points  # noqa: PLC0415 - see above

        return getattr(points, name)
    if name in ("ModelRegistry", "open_models"):
        from multitrack.models import registry  # noqa: PLC0415 - see above

        return getattr(registry, name)
    if name == "Series":
        from multitrack.summaries import series  # noqa: PLC0415 - see above

        return series.Series
    if name == "Statistics":
        from multitrack.summaries import statistics  # noqa: PLC0415 - see above

        return statistics.Statistics
    if name == "Summary":
        from multitrack.summaries import summary  # noqa: PLC0415 - see above

        return summary.Summary
    if name == "mirror":
        from multitrack.mirroring.mirror import mirror  # noqa: PLC0415 - see above

        return mirror
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
