"""Runs as metric families of ``prometheus_client``, in which every mode shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from multitrack.plugins import import_sdk
from multitrack_prometheus.labels import readable, shortened
from multitrack_prometheus.values import RunValues

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

#: Each family with its help text. node_exporter refuses files whose texts for one family differ.
HELP: Final = {
    "multitrack_run_info": "A run with its name, status, parent and origin; the value is 1.",
    "multitrack_run_start_timestamp_seconds": "Start time of the run.",
    "multitrack_run_end_timestamp_seconds": "End time of the run, once it has ended.",
    "multitrack_last_record_timestamp_seconds": "Time of the last record of the run.",
    "multitrack_metric": "Last value of a metric; kind is series, simple or list.",
    "multitrack_metric_step": "Step of the last value of a series, or index of the last value of a list metric.",
    "multitrack_records": "Number of records of the run, by kind.",
    "multitrack_pending_records": "Number of records that are in the journal and not delivered to a backend.",
    "multitrack_set_aside_records": "Number of records that a backend refused for good.",
    "multitrack_lane_stopped": "1 if the delivery to a backend has stopped until `multitrack sync`, else 0.",
    "multitrack_left_out": "Number of metrics and tag values of the run that are not shown as they are.",
    "multitrack_runs_left_out": "Number of open runs that are not shown, because max_runs others are.",
}
_COUNTERS: Final = ("multitrack_records",)


class _Family(Protocol):
    def add_metric(self, labels: Sequence[str], value: float) -> None: ...


class _Families:
    """The families of some runs. A label that a run lacks is empty, which to Prometheus is the same as no label."""

    def __init__(self, tags: Sequence[str]) -> None:
        import_sdk("prometheus_client")
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily  # noqa: PLC0415 - only in the courier

        self._kinds: dict[bool, Callable[..., Metric]] = {True: CounterMetricFamily, False: GaugeMetricFamily}
        self._common = ("run", "project", "journal", *tags)
        self.made: dict[str, Metric] = {}

    def add(self, name: str, values: RunValues, value: float, /, **labels: str) -> None:
        """Add a sample; its own labels come with every sample of the family, in the same order."""
        family = self._family(name, (*self._common, *labels))
        run, journal = values.identity
        common = [run, values.run.project, journal, *(values.tags.get(tag, "") for tag in self._common[3:])]
        family.add_metric([*common, *labels.values()], value)

    def add_plain(self, name: str, value: float) -> None:
        """Add a sample that belongs to no run."""
        self._family(name, ()).add_metric([], value)

    def _family(self, name: str, labels: Sequence[str]) -> _Family:
        if name not in self.made:
            self.made[name] = self._kinds[name in _COUNTERS](name, HELP[name], labels=labels)
        return self.made[name]  # type: ignore[return-value]


def families(runs: Iterable[RunValues], left_out: int | None = None) -> list[Metric]:
    """Return the families of some runs.

    Args:
        runs: The runs, each once.
        left_out: Number of runs that are not among them; ``None`` if that is not counted.
    """
    runs = list(runs)
    made = _Families(sorted({tag for values in runs for tag in list(values.tags)}))
    for values in runs:
        counts = values.lane_counts()  # reads files, which takes longer than a hook should wait for the lock
        with values.lock:
            _add_run(made, values)
        for lane, count in counts.items():
            made.add("multitrack_pending_records", values, count.pending, lane=lane)
            made.add("multitrack_set_aside_records", values, count.set_aside, lane=lane)
            made.add("multitrack_lane_stopped", values, float(count.stopped), lane=lane)
    if left_out is not None:
        made.add_plain("multitrack_runs_left_out", left_out)
    return list(made.made.values())


def _add_run(made: _Families, values: RunValues) -> None:
    run, context = values.run, values.run.context
    made.add(
        "multitrack_run_info", values, 1, name=readable(run.name), status=values.status, parent=run.parent or "",
        group=readable(run.group or ""), user=readable((context and context.user) or ""),
        host=readable((context and context.host) or ""), program=shortened((context and context.program) or ""),
    )  # fmt: skip
    made.add("multitrack_run_start_timestamp_seconds", values, run.created / 1000)
    made.add("multitrack_last_record_timestamp_seconds", values, values.last_record / 1000)
    if values.ended is not None:
        made.add("multitrack_run_end_timestamp_seconds", values, values.ended / 1000)
    for (kind, name), last in values.metrics.items():
        made.add("multitrack_metric", values, last.value, metric=name, kind=kind)
        if last.step is not None:
            made.add("multitrack_metric_step", values, last.step, metric=name, kind=kind)
    for kind, count in values.records.items():
        made.add("multitrack_records", values, count, kind=kind)
    for what, count in values.left_out.items():
        made.add("multitrack_left_out", values, count, what=what)


def registry_of(collect: Callable[[], Iterable[Metric]]) -> CollectorRegistry:
    """Return a registry with these families alone, and none of the process's own metrics."""
    import_sdk("prometheus_client")
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - only in the courier
    from prometheus_client.registry import Collector  # noqa: PLC0415 - likewise

    class Runs(Collector):
        def collect(self) -> Iterable[Metric]:
            return collect()

    registry = CollectorRegistry()
    registry.register(Runs())
    return registry
