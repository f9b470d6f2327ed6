"""Experiment tracking that outlives every tracker: record once, on disk, and deliver to all of them.

    import multitrack

    with multitrack.start_run(project="digits", params={"lr": 1e-3}) as run:
        run.log_metric("loss", 0.31, step=4)

Importing this module imports neither a tracker nor Keras.
"""

import logging
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from multitrack.courier.sync import sync
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


#: Where the names are that are imported on first access: training code reads no journal and delivers nothing itself.
_LATER = {
    "JournalReader": "multitrack.reading.reader",
    "Line": "multitrack.reading.points",
    "ModelRegistry": "multitrack.models.registry",
    "Point": "multitrack.reading.points",
    "RecordedRun": "multitrack.reading.recorded_run",
    "Series": "multitrack.summaries.series",
    "Statistics": "multitrack.summaries.statistics",
    "Summary": "multitrack.summaries.summary",
    "mirror": "multitrack.mirroring.mirror",
    "open_journal": "multitrack.reading.opening",
    "open_models": "multitrack.models.registry",
    "sync": "multitrack.courier.sync",
}


#: Public packages that ``import multitrack`` makes available without importing them.
_PACKAGES = frozenset({
    "archive", "compare", "drift", "export", "keras", "keras_tuner", "monitor", "page", "plot", "testing",
})  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name on first access, if it is one of :data:`_LATER` or :data:`_PACKAGES`."""
    if name not in _LATER and name not in _PACKAGES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - see above

    return import_module(f"multitrack.{name}") if name in _PACKAGES else getattr(import_module(_LATER[name]), name)
