"""Runs as metric families of ``prometheus_client``, in which every mode shows them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, Protocol

from multitrack.plugins import import_sdk
from multitrack_prometheus.kept import Observed
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
    "multitrack_metric_values": "All finite values of a simple or list metric; histograms has the bounds of buckets.",
    "multitrack_metric_not_finite": "Number of values of a simple or list metric that are NaN or infinite.",
    "multitrack_records": "Number of records of the run, by kind.",
    "multitrack_pending_records": "Number of records that are in the journal and not delivered to a backend.",
    "multitrack_set_aside_records": "Number of records that a backend refused for good.",
    "multitrack_lane_stopped": "1 if the delivery to a backend has stopped until `multitrack sync`, else 0.",
    "multitrack_left_out": "Number of metrics and tag values of the run that are not shown as they are.",
    "multitrack_runs_left_out": "Number of open runs that are not shown, because max_runs others are.",
}
#: The families that are no gauges. A counter's samples are called ``<family>_total``.
KINDS: Final = {
    "multitrack_metric_values": "histogram", "multitrack_metric_not_finite": "counter", "multitrack_records": "counter",
}  # fmt: skip


class _Family(Protocol):
    def add_metric(self, labels: Sequence[str], *value: Any) -> None: ...


class _Families:
    """The families of some runs. A label that a run lacks is empty, which to Prometheus is the same as no label."""

    def __init__(self, tags: Sequence[str]) -> None:
        import_sdk("prometheus_client")
        from prometheus_client import core  # noqa: PLC0415 - only in the courier

        self._kinds: dict[str, Callable[..., Metric]] = {
            "counter": core.CounterMetricFamily,
            "gauge": core.GaugeMetricFamily,
            "histogram": core.HistogramMetricFamily,
        }
        self._common = ("run", "project", "journal", *tags)
        self.made: dict[str, Metric] = {}

    def add(self, name: str, values: RunValues, /, *value: Any, **labels: str) -> None:
        """Add a sample, or the samples of a histogram; its own labels are those of the whole family, in that order."""
        family = self._family(name, (*self._common, *labels))
        run, journal = values.identity
        common = [run, values.run.project, journal, *(values.kept.tags.get(tag, "") for tag in self._common[3:])]
        family.add_metric([*common, *labels.values()], *value)

    def add_plain(self, name: str, value: float) -> None:
        """Add a sample that belongs to no run."""
        self._family(name, ()).add_metric([], value)

    def _family(self, name: str, labels: Sequence[str]) -> _Family:
        if name not in self.made:
            self.made[name] = self._kinds[KINDS.get(name, "gauge")](name, HELP[name], labels=labels)
        return self.made[name]  # type: ignore[return-value]


def families(runs: Iterable[RunValues], left_out: int | None = None) -> list[Metric]:
    """Return the families of some runs.

    Args:
        runs: The runs, each once.
        left_out: Number of runs that are not among them; ``None`` if that is not counted.
    """
    runs = list(runs)
    made = _Families(sorted({tag for values in runs for tag in list(values.kept.tags)}))
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
    made.add("multitrack_last_record_timestamp_seconds", values, values.kept.last_record / 1000)
    if values.ended is not None:
        made.add("multitrack_run_end_timestamp_seconds", values, values.ended / 1000)
    for (kind, name), last in values.kept.metrics.items():
        made.add("multitrack_metric", values, last.value, metric=name, kind=kind)
        if last.step is not None:
            made.add("multitrack_metric_step", values, last.step, metric=name, kind=kind)
    for kind, count in values.kept.records.items():
        made.add("multitrack_records", values, count, kind=kind)
    for what, names in values.kept.left_out.items():
        made.add("multitrack_left_out", values, len(names), what=what)
    for (kind, name), found in values.observed.items():
        total = None if found.negative else found.sum
        made.add("multitrack_metric_values", values, _buckets(values, name, found), total, metric=name, kind=kind)
        made.add("multitrack_metric_not_finite", values, found.not_finite, metric=name, kind=kind)


def _buckets(values: RunValues, name: str, found: Observed) -> list[tuple[str, float]]:
    """The number of values up to each bound, with the bound as a label."""
    from prometheus_client.utils import floatToGoString  # noqa: PLC0415 - only in the courier

    bounds = [*values.bounds.get(name, ()), math.inf]
    return list(zip(map(floatToGoString, bounds), accumulate(found.counts), strict=True))


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
