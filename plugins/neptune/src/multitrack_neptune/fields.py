"""Map each kind of record to the fields of one run, as in the README's tables.

The result depends only on the records in journal order. The batch boundaries change only how points are grouped into
operations, which readers do not see.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import Final

from multitrack.hookspecs import RunInfo
from multitrack.records import (
    ArtifactRef,
    Lines,
    ListMetric,
    Metric,
    Params,
    Status,
    Tags,
    number_to_json,
    typed_params,
)
from multitrack_neptune.identity import described
from multitrack_neptune.names import Names, escaped
from multitrack_neptune.offline import ENTRY_LENGTH, STRING_LENGTH, Entry, OfflineRun
from multitrack_neptune.values import exact_float, exact_stand_in, is_plain, label_of, parts_of, text_of, utc

#: Namespace of Neptune ids, which are UUIDs of project and run id, so that a rebuilt run keeps its id.
_NAMESPACE: Final = uuid.UUID("6a1f4e0c-5b1d-5c5e-9d53-0d5f6f0b7a3e")
#: Step between the parts of one long line: exact in a double, and strictly increasing for 2²⁰ parts.
_PART: Final = 2.0**-20


class Recording:
    """One run being written in Neptune's offline format. Not thread-safe.

    Args:
        run: The run.

    Attributes:
        id: The run's id in Neptune.
        target: Its final directory.
    """

    def __init__(self, run: RunInfo) -> None:
        self.id = str(uuid.uuid5(_NAMESPACE, f"{run.project}/{run.id}"))
        # Two journals may hold runs with the same id: the lane's directory tells them apart.
        lane = hashlib.sha256(os.fsencode(run.directory)).hexdigest()[:8]
        self._file = OfflineRun(Path(run.options.directory), f"{run.id}-{lane}", self.id)
        self.target = self._file.target
        self._params = Names("parameters")
        self._series = Names("metrics")
        self._summary = Names("summary")
        self._lists = Names("lists")
        self._artifacts = Names("artifacts")
        self._tags = Names("tags")
        self._tag_values: dict[str, str] = {}
        self._tracked: dict[str, str] = {}  # URI by artifact field
        self._present: set[str] = set()  # fields that a later value may have to delete
        self._describe(run)
        self._file.flush()

    def log_params(self, records: Sequence[Params]) -> list[str]:
        """Write params under ``parameters/``; values that Neptune cannot hold become text with a ``~type`` field."""
        stand_ins = []
        for record in records:
            for key, value in typed_params(record).items():
                path = self._params.path(key)
                if is_plain(value):
                    stand_ins += self._assign(path, value, f"param {key}", record.time)
                else:
                    kind = record.types[key]
                    text = text_of(record.values[key])
                    self._file.assign(f"{path}~type", kind)
                    stand_ins += self._assign(path, text, f"param {key}", record.time)
                    stand_ins.append(f"param {key}: Neptune cannot hold this {kind}, kept as text in {path}")
                whole_text = record.objects[key].whole if key in record.objects else None
                if whole_text is not None:
                    stand_ins += self._keep_whole(path, whole_text, f"param {key}", record.time)
        return stand_ins

    def log_metric(self, records: Sequence[Metric]) -> list[str]:
        """Write points under ``metrics/``, and simple metrics under ``summary/``."""
        points: dict[str, list[Entry]] = {}
        simple: dict[str, int | float] = {}
        for record in records:
            step, ms = record.step, record.time
            if step is None:
                simple.update(record.numbers)
                continue
            for name, value in record.numbers.items():
                entry = (value, step, ms)
                if name in points:
                    points[name].append(entry)
                else:
                    points[name] = [entry]
        stand_ins = []
        for name, entries in points.items():
            stand_ins += self._append_points(self._series.path(name), entries, f"series {name}")
        for name, value in simple.items():
            stand_ins += self._set_number(self._summary.path(name), value, f"metric {name}")
        return stand_ins

    def log_list_metric(self, records: Sequence[ListMetric]) -> list[str]:
        """Write values under ``lists/``, with their index as the step."""
        stand_ins = []
        for record in records:
            entries = [(value, record.index + i, record.time) for i, value in enumerate(record.numbers)]
            stand_ins += self._append_points(self._lists.path(record.name), entries, f"list metric {record.name}")
        return stand_ins

    def log_artifact_ref(self, records: Sequence[ArtifactRef]) -> None:
        """Write tracked references under ``artifacts/``, with their details in companion fields."""
        for record in records:
            path = self._artifacts.path(record.name)
            if self._tracked.get(path) != record.uri:  # replaced, since with two URIs the last one would be unknown
                self._take_away(path)
                self._file.track(path, record.uri)
                self._tracked[path] = record.uri
                self._present.add(path)
            self._file.assign(f"{path}~kind", record.kind)
            self._file.assign(f"{path}~role", record.role)
            self._assign_or_delete(f"{path}~digest", record.digest)
            self._assign_or_delete(f"{path}~version", record.version)
            # Neptune's integers end at 2 GiB; floats are exact up to 8 PiB.
            self._assign_or_delete(f"{path}~size", None if record.size is None else float(record.size))

    def log_lines(self, records: Sequence[Lines]) -> list[str]:
        """Write lines under ``logs/<stream>``; the step is the line's number over all streams."""
        entries: dict[str, list[Entry]] = {}
        stand_ins = []
        for record in records:
            path = f"logs/{escaped(record.stream)}"
            for number, line in enumerate(record.lines, record.index):
                parts = list(parts_of(line))
                if len(parts) > 1:
                    stand_ins.append(
                        f"lines above {ENTRY_LENGTH} characters: cut into parts at steps n, n + 2⁻²⁰, … in {path}"
                    )
                entries.setdefault(path, []).extend(
                    (part, number + i * _PART if i else number, record.time) for i, part in enumerate(parts)
                )
        for path, values in entries.items():
            self._file.append_strings(path, values)
        return stand_ins

    def set_tags(self, records: Sequence[Tags]) -> list[str]:
        """Write the last value under ``tags/``, and ``key:value`` in ``sys/tags``."""
        stand_ins = []
        for record in records:
            for key, value in record.values.items():
                before = self._tag_values.get(key)
                if before == value:
                    continue
                stand_ins += self._assign(self._tags.path(key), value, f"tag {key}", record.time)
                if before is not None:
                    self._file.remove_label("sys/tags", label_of(key, before))
                self._file.add_label("sys/tags", label_of(key, value))
                self._tag_values[key] = value
        return stand_ins

    def flush(self) -> None:
        """Flush all operations to the files.

        Raises:
            BackendError: A write has failed since the run was opened.
        """
        self._file.flush()

    def end(self, status: Status, time: int) -> None:
        """Write status and end time, and move the run to Neptune's directory of runs.

        Raises:
            BackendError: A write failed.
            OSError: The run cannot be moved.
        """
        self._file.assign("multitrack/status", status)
        self._file.assign("multitrack/ended", utc(time))
        self._file.assign("sys/failed", status != "finished")
        self._file.publish()

    def _describe(self, run: RunInfo) -> None:
        for path, text in described(run).items():
            if text is not None:
                self._assign(path, text, path, run.created)
        if run.context is not None and run.context.git is not None and run.context.git.dirty is not None:
            self._file.assign("source_code/dirty", run.context.git.dirty)
        for label in (run.group, run.parent):
            if label:
                self._file.add_label("sys/group_tags", label)

    def _assign(self, path: str, value: bool | float | str, what: str, ms: int) -> list[str]:
        """Set a field; a text beyond Neptune's limit is kept whole in ``<path>~whole``, in parts."""
        whole = f"{path}~whole"
        if not isinstance(value, str) or len(value) <= STRING_LENGTH:
            self._file.assign(path, value)
            self._take_away(whole)
            return []
        note = f"… ({len(value)} characters, whole in ~whole)"
        self._file.assign(path, value[: STRING_LENGTH - len(note)] + note)
        return self._keep_whole(path, value, what, ms)

    def _keep_whole(self, path: str, text: str, what: str, ms: int) -> list[str]:
        """Write the whole of a text whose beginning is in ``path`` to ``<path>~whole``."""
        whole = f"{path}~whole"
        self._file.clear_strings(whole)
        self._file.append_strings(whole, [(part, i, ms) for i, part in enumerate(parts_of(text))])
        self._present.add(whole)
        return [f"{what}: {len(text)} characters, kept in parts in {whole}"]

    def _assign_or_delete(self, path: str, value: float | str | None) -> None:
        """Set a field, or delete it if the value is None."""
        if value is None:
            self._take_away(path)
        else:
            self._file.assign(path, value)
            self._present.add(path)

    def _take_away(self, path: str) -> None:
        if path in self._present:
            self._present.remove(path)
            self._file.delete(path)

    def _set_number(self, path: str, value: float, what: str) -> list[str]:
        """Set a float, or its ``~exact`` text if no float in Neptune equals the number; never both."""
        number, exact = exact_float(value), f"{path}~exact"
        if number is not None:
            self._take_away(exact)
            self._assign_or_delete(path, number)
            return []
        self._take_away(path)
        self._assign_or_delete(exact, str(number_to_json(value)))
        return [exact_stand_in(what, value, exact)]

    def _append_points(self, path: str, entries: Iterable[Entry], what: str) -> list[str]:
        """Append to a series; numbers that no float in Neptune equals go to ``<path>~exact`` as text."""
        floats: list[Entry] = []
        texts: list[Entry] = []
        for entry in entries:
            value, step, ms = entry
            if type(value) is float and isfinite(value):  # nearly all
                floats.append(entry)
            elif (number := exact_float(value)) is None:
                texts.append((str(number_to_json(value)), step, ms))
            else:
                floats.append((number, step, ms))
        self._file.append_floats(path, floats)
        self._file.append_strings(f"{path}~exact", texts)
        return [exact_stand_in(what, texts[0][0], f"{path}~exact")] if texts else []
