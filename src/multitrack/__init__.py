"""Experiment tracking that outlives every tracker: record once, on disk, and deliver to all of them.

    import multitrack

    with multitrack.start_run(project="digits", params={"lr": 1e-3}) as run:
        run.log_metric("loss", 0.31, step=4)

Importing this module imports neither a tracker nor Keras.
"""

import logging

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
from multitrack.reading.reader import JournalReader, open_journal
from multitrack.recording.active import active_run
from multitrack.recording.capture import LogHandler
from multitrack.recording.run import Run
from multitrack.recording.start import start_run
from multitrack.security.terminal import SafeFilter

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
    "LogHandler",
    "MetricKindError",
    "MultitrackError",
    "ParamChangedError",
    "PermanentError",
    "PluginError",
    "QueryError",
    "RetryableError",
    "Run",
    "RunClosedError",
    "RunError",
    "RunInUseError",
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
