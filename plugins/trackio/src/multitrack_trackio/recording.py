"""Map each kind of record to rows and config of one run, as in the README's tables.

The result depends only on the records in journal order. Records are collected until ``flush``, which writes them in one
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multitrack.hookspecs import RunInfo
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags, typed_params
from multitrack_trackio.figures import figure_of
from multitrack_trackio.identity import identity
from multitrack_trackio.names import ARTIFACTS, EXACT, LOGS, OWN, SUMMARY, TAGS, metric_key, param_key
from multitrack_trackio.options import TrackioOptions
from multitrack_trackio.rows import WRITE, LogRow, RowWriter
from multitrack_trackio.values import config_value, fits, nearest, text_value, utc


class Recording:
    """One run that is being written. Not thread-safe.

    Args:
        run: The run.
        writer: The way to write it.

    Attributes:
        complete: False if Trackio lacks rows of this run, so that it must be delivered from the start.
    """

    def __init__(self, run: RunInfo, writer: RowWriter) -> None:
        self._options: TrackioOptions = run.options
        self._writer = writer
        held = writer.open()
        self.complete = held.complete
        self._config = {**held.config, **identity(run), f"{OWN}status": "running"}
        self._config.pop(f"{OWN}ended", None)
        self._changed = True
        self._rows: list[LogRow] = []
        self.flush()

    def log_params(self, records: Sequence[Params]) -> list[str]:
        """Write params into the config; values that Trackio's JSON would alter get stand-ins."""
        stand_ins = []
        for record in records:
            for name, value in typed_params(record).items():
                key = param_key(name)
                self._set(key, config_value(value))
                if not fits(value):
                    stand_ins.append(f'param {name}: beyond 64 bits, kept as {{"int": …}}')
                whole = record.objects[name].whole if name in record.objects else None
                if whole is not None:
                    self._set(f"{EXACT}{key}", whole)
                    stand_ins.append(f"param {name}: an object of {len(whole)} characters, whole in {EXACT}{key}")
        return stand_ins

    def log_metric(self, records: Sequence[Metric]) -> list[str]:
        """Write a row per call for series, and a row per value for simple metrics, whose last values are in the config.

        The step of a simple metric is its count of earlier writes.
        """
        stand_ins: list[str] = []
        for record in records:
            if record.step is not None:
                values: dict[str, Any] = {}
                for name, value in record.numbers.items():
                    stand_ins += _put(values, name, value)
                self._rows.append(LogRow(str(record.ordinal), record.time, record.step, values))
                continue
            for i, (name, value) in enumerate(record.numbers.items()):
                values = {}
                stand_ins += _put(values, f"{name}/summary" if name in record.beside else name, value)
                self._rows.append(LogRow(f"{record.ordinal}.{WRITE}{i}", record.time, record.earlier[name], values))
                self._set(f"{SUMMARY}{name}", config_value(value))
        return stand_ins

    def log_list_metric(self, records: Sequence[ListMetric]) -> list[str]:
        """Write a row per number, with its index as the step."""
        stand_ins: list[str] = []
        for record in records:
            for i, value in enumerate(record.numbers):
                values: dict[str, Any] = {}
                stand_ins += _put(values, record.name, value)
                self._rows.append(LogRow(f"{record.ordinal}.{i}", record.time, record.index + i, values))
        return stand_ins

    def log_artifact_ref(self, records: Sequence[ArtifactRef]) -> list[str]:
        """Write references into the config, and pictures into rows."""
        stand_ins = []
        for record in records:
            facts = {"uri": record.uri, "kind": record.kind, "role": record.role}
            if record.digest is not None:
                facts["digest"] = record.digest
            if record.version is not None:
                facts["version"] = record.version
            self._set(f"{ARTIFACTS}{record.name}", facts if record.size is None else {**facts, "size": record.size})
            figure, reason = figure_of(record, self._options)
            if figure is not None:
                self._rows.append(LogRow(str(record.ordinal), record.time, 0, {}, figure))
            if reason is not None:
                stand_ins.append(reason)
        return stand_ins

    def log_lines(self, records: Sequence[Lines]) -> None:
        """Write a row per line, with its number as the step."""
        self._rows += [
            LogRow(f"{record.ordinal}.{i}", record.time, record.index + i, {f"{LOGS}{record.stream}": text_value(line)})
            for record in records
            for i, line in enumerate(record.lines)
        ]

    def set_tags(self, records: Sequence[Tags]) -> None:
        """Write tags into the config."""
        for record in records:
            for key, value in record.values.items():
                self._set(f"{TAGS}{key}", text_value(value))

    def flush(self) -> None:
        """Write everything collected. After an error it is collected anew."""
        rows, self._rows = self._rows, []
        self._writer.write(rows, self._config if self._changed else None)
        self._changed = False

    def end(self, status: Status, time: int) -> list[str]:
        """Write status and end time."""
        self._set(f"{OWN}status", status)
        self._set(f"{OWN}ended", utc(time))
        self.flush()
        self._writer.close()
        return self._writer.stand_ins

    def _set(self, key: str, value: Any) -> None:
        self._config[key] = value
        self._changed = True


def _put(values: dict[str, Any], name: str, value: float) -> list[str]:
    """Put a number into a row; an integer beyond 64 bits as the nearest float, and as text beside it."""
    key = metric_key(name)
    if fits(value):
        values[key] = value
        return []
    values[key] = nearest(value)
    values[f"{EXACT}{key}"] = str(value)
    return [f"metric {name}: integers beyond 64 bits are rounded, exact as text in {EXACT}{key}"]
