"""Map each kind of record to goodseed's values and series, as in the README's tables.

The result depends only on the records in journal order. Rows are collected until ``flush``, which writes them in one
transaction, and kept by their records' ordinals, so that a record that is given twice is written once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from multitrack.hookspecs import RunInfo
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Status, Tags, typed_params
from multitrack_goodseed.identity import identity
from multitrack_goodseed.names import ARTIFACTS, EXACT, LOGS, OWN, PARAMETERS, SUMMARY, TAGS, TYPES, WHOLE, path_of
from multitrack_goodseed.rows import Point, Rows, RowWriter, Single, Text
from multitrack_goodseed.steps import CROWDED
from multitrack_goodseed.values import ConfigValue, is_exact


class Recording:
    """One run that is being written. Not thread-safe.

    Args:
        run: The run.
        writer: The way to write it.

    Attributes:
        position: The ordinal from which goodseed needs records.
    """

    def __init__(self, run: RunInfo, writer: RowWriter) -> None:
        self._writer = writer
        found: dict[str, ConfigValue] = {**identity(run, writer.id), "sys/state": "running", f"{OWN}status": "running"}
        self.position = writer.open([Single(path, value, run.created) for path, value in found.items()], run.segment)
        self._rows: dict[int, Rows] = {}

    def log_params(self, records: Sequence[Params]) -> list[str]:
        """Write params as single values; a list or an empty mapping becomes JSON."""
        stand_ins = []
        for record in records:
            rows = self._rows[record.ordinal] = Rows()
            for name, value in typed_params(record).items():
                path = path_of(name)
                if isinstance(value, list | dict):
                    kind = type(value).__name__
                    value = json.dumps(value, ensure_ascii=False)
                    rows.singles.append(Single(f"{TYPES}{path}", kind, record.time))
                    stand_ins.append(f"param {name}: a {kind}, kept as JSON; its type is in {TYPES}{path}")
                rows.singles.append(Single(f"{PARAMETERS}{path}", value, record.time))
                whole = record.objects[name].whole if name in record.objects else None
                if whole is not None:
                    rows.singles.append(Single(f"{WHOLE}{path}", whole, record.time))
                    stand_ins.append(f"param {name}: an object of {len(whole)} characters, whole in {WHOLE}{path}")
        return stand_ins

    def log_metric(self, records: Sequence[Metric]) -> list[str]:
        """Write points of series, and simple metrics as single values."""
        stand_ins = []
        for record in records:
            rows = self._rows[record.ordinal] = Rows()
            for name, value in record.numbers.items():
                path = path_of(name)
                if record.step is None:
                    rows.singles.append(Single(f"{SUMMARY}{path}", value, record.time))
                    continue
                rows.points.append(Point(path, record.step, value, record.time, record.ordinal, repeats=True))
                if not is_exact(value):
                    stand_ins.append(_inexact(name, path))
                if abs(record.step) >= CROWDED:
                    stand_ins.append(
                        f"metric {name}: from step 2³² on, repeated steps, and from 2⁵³ on, all are in {EXACT}{path}"
                    )
        return stand_ins

    def log_list_metric(self, records: Sequence[ListMetric]) -> list[str]:
        """Write a point for each number, with its index as the step."""
        stand_ins = []
        for record in records:
            path = path_of(record.name)
            steps = range(record.index, record.index + len(record.numbers))
            self._rows[record.ordinal] = Rows(
                points=[
                    Point(path, step, value, record.time, step, repeats=False)
                    for step, value in zip(steps, record.numbers, strict=True)
                ]
            )
            if not all(map(is_exact, record.numbers)):
                stand_ins.append(_inexact(record.name, path))
        return stand_ins

    def log_artifact_ref(self, records: Sequence[ArtifactRef]) -> None:
        """Write each reference as a single value, a JSON object."""
        for record in records:
            facts: dict[str, str | int] = {"uri": record.uri, "kind": record.kind, "role": record.role}
            if record.digest is not None:
                facts["digest"] = record.digest
            if record.version is not None:
                facts["version"] = record.version
            if record.size is not None:
                facts["size"] = record.size
            text = json.dumps(facts, ensure_ascii=False)
            self._rows[record.ordinal] = Rows([Single(f"{ARTIFACTS}{path_of(record.name)}", text, record.time)])

    def log_lines(self, records: Sequence[Lines]) -> None:
        """Write a text for each line, with its number as the step."""
        for record in records:
            path = f"{LOGS}{path_of(record.stream)}"
            texts = [Text(path, record.index + i, line, record.time) for i, line in enumerate(record.lines)]
            self._rows[record.ordinal] = Rows(texts=texts)

    def set_tags(self, records: Sequence[Tags]) -> None:
        """Write tags as single values."""
        for record in records:
            singles = [Single(f"{TAGS}{path_of(key)}", value, record.time) for key, value in record.values.items()]
            self._rows[record.ordinal] = Rows(singles)

    def flush(self, position: int) -> int:
        """Write everything collected, and return the position to resume at; after an error it is collected anew."""
        collected, self._rows = self._rows, {}
        rows = Rows()
        for ordinal in sorted(collected):
            rows.add(collected[ordinal])
        return self._writer.write(rows, position)

    def end(self, status: Status, time: int) -> list[str]:
        """Write status and end time."""
        return self._writer.end(status, time)


def _inexact(name: str, path: str) -> str:
    return f"metric {name}: NaN, and integers that no double holds, are kept as text in {EXACT}{path}"
