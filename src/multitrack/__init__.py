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
    JournalError,
    MetricKindError,
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
from multitrack.reading.points import Line, Point
from multitrack.reading.reader import JournalReader, open_journal
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.active import active_run
from multitrack.recording.capture import LogHandler
from multitrack.recording.run import Run
from multitrack.recording.start import start_run
from multitrack.security.terminal import SafeFilter

if TYPE_CHECKING:  # imported on first access: training code reads no journal
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
    "JournalError",
    "JournalReader",
    "LaneReport",
    "Line",
    "LogHandler",
    "MetricKindError",
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
    "open_journal",
    "register",
    "start_run",
    "sync",
    "unregister",
]


def __getattr__(name: str) -> Any:
    """Import the classes that read a journal on first access."""
    if name == "Series":
        from multitrack.summaries import series  # noqa: PLC0415 - see above

        return series.Series
    if name == "Statistics":
        from multitrack.summaries import statistics  # noqa: PLC0415 - see above

        return statistics.Statistics
    if name == "Summary":
        from multitrack.summaries import summary  # noqa: PLC0415 - see above

        return summary.Summary
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
