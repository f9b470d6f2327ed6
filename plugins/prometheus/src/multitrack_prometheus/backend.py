"""The hooks: keep the values of each open run in memory, and show them in the chosen mode.

Prometheus keeps no records that a courier could find again. So ``flush`` saves what they say in the lane's directory,
and the next courier goes on from there. Until it has read as much as was in the journal when it opened the run, it
shows nothing, so that no value goes back in time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from multitrack.hookspecs import Opened, RunInfo
from multitrack.markers import hookimpl
from multitrack.plugins import import_sdk, require_sdk
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags
from multitrack_prometheus.options import PrometheusOptions
from multitrack_prometheus.values import RunValues


class Outlet(Protocol):
    """One way to show runs to Prometheus. Thread-safe.

    Attributes:
        url: Where they are shown.
    """

    url: str

    def show(self, values: RunValues) -> list[str]:
        """Show a run's present values; return sentences for the report."""

    def close(self, values: RunValues) -> list[str]:
        """Show how a run ended; return sentences for the report."""

    def stop(self) -> None:
        """Release what the outlet holds."""


class PrometheusBackend:
    """Shows runs to Prometheus. One object serves all runs of a process, on several threads."""

    name = "prometheus"

    def __init__(self) -> None:
        self._open: dict[Path, RunValues] = {}  # by the lane's directory: ids may repeat in another journal
        self._outlets: dict[tuple[object, ...], Outlet] = {}
        self._lock = threading.Lock()

    @hookimpl
    def backend_options(self) -> type[msgspec.Struct]:
        """See :class:`PrometheusOptions`.

        Raises:
            BackendNotInstalledError: ``prometheus_client`` is missing.
        """
        require_sdk("prometheus", "prometheus_client")
        return PrometheusOptions

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        """Go on where an earlier courier has saved its values, or start at the journal's start.

        Raises:
            OSError: A file cannot be written.
        """
        import_sdk("prometheus_client")
        outlet = self._outlet(run.options)
        values = self._open[run.directory] = RunValues(run)
        if values.kept.position:
            outlet.show(values)  # as no record may follow for long
        return Opened("/".join(values.identity), url=outlet.url, position=values.kept.position)

    @hookimpl
    def log_params(self, run: RunInfo, records: Sequence[Params]) -> Sequence[str]:
        """Count params."""
        return self._open[run.directory].count("params", records)

    @hookimpl
    def log_metric(self, run: RunInfo, records: Sequence[Metric]) -> Sequence[str]:
        """Keep the last value of each series and simple metric, and count all values of the latter."""
        return self._open[run.directory].log_metric(records)

    @hookimpl
    def log_list_metric(self, run: RunInfo, records: Sequence[ListMetric]) -> Sequence[str]:
        """Keep the last number of each list, and count all."""
        return self._open[run.directory].log_list_metric(records)

    @hookimpl
    def log_artifact_ref(self, run: RunInfo, records: Sequence[ArtifactRef]) -> Sequence[str]:
        """Count references."""
        return self._open[run.directory].count("artifact", records)

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> Sequence[str]:
        """Count calls that logged lines."""
        return self._open[run.directory].count("lines", records)

    @hookimpl
    def set_tags(self, run: RunInfo, records: Sequence[Tags]) -> Sequence[str]:
        """Keep the chosen tags as labels."""
        return self._open[run.directory].set_tags(records)

    @hookimpl
    def flush(self, run: RunInfo, position: int) -> None:
        """Save the values and show them.

        Raises:
            OSError: A file cannot be written.
        """
        values = self._open[run.directory]
        values.save(position)
        self._outlet(run.options).show(values)

    @hookimpl
    def close_run(self, run: RunInfo, status: Status, time: int) -> Sequence[str]:
        """Show how the run ended.

        Raises:
            BackendError: A Pushgateway cannot be reached.
            OSError: A file cannot be written.
        """
        values = self._open[run.directory]
        values.end(status, time)
        said = self._outlet(run.options).close(values)
        del self._open[run.directory]
        return said

    def stop(self) -> None:
        """Close all ports and stop all threads; for tests and notebooks. Open runs have to be opened again."""
        with self._lock:
            for outlet in self._outlets.values():
                outlet.stop()
            self._outlets.clear()

    def _outlet(self, options: PrometheusOptions) -> Outlet:
        key: tuple[object, ...] = {
            "serve": ("serve", options.host, options.port),
            "textfile": ("textfile", options.directory),
            "push": ("push", options.gateway),
        }[options.mode]
        with self._lock:
            if key not in self._outlets:
                self._outlets[key] = _outlet(options)
            return self._outlets[key]


def _outlet(options: PrometheusOptions) -> Outlet:
    # Imported here, for the courier: the training process needs none of them.
    if options.directory is not None and options.mode == "textfile":
        from multitrack_prometheus.textfile import Textfiles  # noqa: PLC0415 - see above

        return Textfiles(Path(options.directory), options.max_runs)
    if options.gateway is not None and options.mode == "push":
        from multitrack_prometheus.pushed import Pushed  # noqa: PLC0415 - see above

        return Pushed(options.gateway)
    from multitrack_prometheus.served import Served  # noqa: PLC0415 - see above

    return Served(options)
