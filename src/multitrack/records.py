"""The records of a journal: typed, immutable, one JSON line each.

The journal holds exactly these structs, tagged by ``"record"``. A few fields are never written to disk. They are
derived from the earlier records when the journal is read from its start:
``ordinal`` (every record), ``index`` (list metrics, lines), ``earlier`` and ``beside`` (simple metrics).

Times are integer milliseconds since the epoch. Metric values are ``int`` or ``float``. On disk NaN, ±inf and
integers beyond 2⁵³ are JSON strings, because jq and JavaScript would read them as null or round them.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from multitrack._record_parts import (
    COMMAND_LINE,
    DRIFT,
    IMPORT,
    KERAS,
    KERAS_TUNER,
    STATUSES,
    Digest,
    ModelVersion,
    ObjectText,
    ParamType,
    Status,
    Versioning,
    number_from_text,
    number_of,
    number_to_json,
    typed_param,
)

__all__ = [
    "COMMAND_LINE", "DATA", "DRIFT", "FORMAT", "IMPORT", "KERAS", "KERAS_TUNER", "STATUSES", "AnyRecord", "ArtifactRef",
    "Compacted", "Digest", "End", "Lines", "ListMetric", "Lost", "Metric", "Mistake", "ModelVersion", "ObjectText",
    "ParamType", "Params", "Record", "Segment", "Status", "Tags", "Trained", "Versioning", "number_from_text",
    "number_of", "number_to_json", "typed_param", "typed_params",
]  # fmt: skip

FORMAT: Final = 1
"""Version of the journal's format; written into every segment's first record."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record", gc=False):
    """Base class of all records.

    Attributes:
        time: Milliseconds since the epoch at the call; never decreases within a segment.
        ordinal: The 0-based position of the record in the run, over all its segments. Not on disk.
    """

    time: int
    ordinal: int = -1


class Segment(Record, frozen=True, kw_only=True, tag="segment"):
    """The first record of each segment; identifies its writer.

    Attributes:
        segment: The segment's number, from 1.
        pid: The writing process.
        host: The host of that process.
        fork: True if the segment continues the run: a forked child opened it, or the writer for a new day or an earlier
            time.
        format: Version of the journal's format.
        manifest: A copy of ``manifest.json``, used if that file is damaged.
        compacted: The kinds of records that compaction has replaced in this segment.
    """

    segment: int
    pid: int
    host: str
    fork: bool = False
    format: int = FORMAT
    manifest: dict[str, Any] | None = None
    compacted: list[str] = []


class Params(Record, frozen=True, kw_only=True, tag="params"):
    """Flattened params, ``/`` between levels.

    Attributes:
        values: Plain JSON values, by key; :func:`typed_params` converts them to Python types.
        types: The Python type of each value, by key.
        source: The origin of the params: ``code``, a file's path, :data:`COMMAND_LINE`, :data:`KERAS`, or
            :data:`KERAS_TUNER`.
        redacted: Number of redacted values; backends can ignore it, here and in the other kinds.
        objects: Details of the values that were objects without a plain form (functions, estimators), or lists that
            contain some, by key. ``values`` has their texts.
    """

    values: dict[str, Any]
    types: dict[str, ParamType]
    source: str = "code"
    redacted: int = 0
    objects: dict[str, ObjectText] = {}


class Metric(Record, frozen=True, kw_only=True, tag="metric"):
    """One ``log_metric`` or ``log_metrics`` call.

    Attributes:
        values: One number per key.
        step: The step of all values, or ``None`` for simple metrics.
        earlier: For simple metrics, the number of earlier writes of each key in this run. Not on disk.
        beside: For simple metrics, the keys that are also series or list metrics so far. Not on disk.
    """

    values: dict[str, int | float | str]
    step: int | None = None
    earlier: dict[str, int] = {}
    beside: frozenset[str] = frozenset()

    @property
    def numbers(self) -> dict[str, int | float]:
        """The values as numbers (the journal's strings are resolved on reading)."""
        return self.values  # type: ignore[return-value]


class ListMetric(Record, frozen=True, kw_only=True, tag="list"):
    """Numbers appended to a list metric by one call, or one part of a long call.

    Attributes:
        name: The metric.
        values: The numbers appended, in order.
        part: The 1-based number of this part, if one call was too long for a line.
        parts: Number of parts of that call.
        index: The step of ``values[0]`` in the whole list. Not on disk.
    """

    name: str
    values: list[int | float | str]
    part: int = 1
    parts: int = 1
    index: int = -1

    @property
    def numbers(self) -> list[int | float]:
        """The values as numbers (the journal's strings are resolved on reading)."""
        return self.values  # type: ignore[return-value]


class ArtifactRef(Record, frozen=True, kw_only=True, tag="artifact"):
    """A reference to something kept elsewhere; nothing is copied.

    Attributes:
        name: Name of the artifact in the run.
        uri: Location, without credentials. A local path is an absolute ``file://`` URI.
        kind: ``model``, ``dataset``, ``figure``, ``text`` or any word.
        role: ``input`` if the run read it, ``output`` if the run wrote it.
        digest: ``sha256:<hex>`` of a local file's bytes, if computed or given.
        version: The version that a tool gave the data: ``dvc:md5:<hash>``, ``delta:3``. None if none is known.
        size: Size in bytes, if known.
        redacted: Number of redacted texts.
        pending: True while digest or version are being found. Another record of this name follows, with or without
            them. Backends whose tracker cannot change a reference later wait for that record.
        schema: Columns and target of a dataset, or inputs and outputs of a model, as JSON. None if not known.
        model: How the run's end gives a version to this model; None for every other reference.
    """

    name: str
    uri: str
    kind: str = "file"
    role: Literal["input", "output"] = "output"
    digest: str | None = None
    version: str | None = None
    size: int | None = None
    redacted: int = 0
    pending: bool = False
    schema: dict[str, Any] | None = None
    model: Versioning | None = None


class Lines(Record, frozen=True, kw_only=True, tag="lines"):
    """Lines of text of one call, without their line ends.

    Attributes:
        lines: The lines in order; any Unicode, any length.
        stream: The origin of the lines: ``stdout``, ``stderr`` or ``log``.
        index: Number of lines that the run had before. Not on disk.
        redacted: Number of redacted lines.
    """

    lines: list[str]
    stream: str = "log"
    index: int = -1
    redacted: int = 0


class Tags(Record, frozen=True, kw_only=True, tag="tags"):
    """Short labels; a later value replaces an earlier one."""

    values: dict[str, str]
    redacted: int = 0


class Mistake(Record, frozen=True, kw_only=True, tag="mistake"):
    """An invalid call, kept instead of raised with ``mistakes = "warn"``; or a gap of an import."""

    call: str
    reason: str
    redacted: int = 0

    @property
    def is_gap(self) -> bool:
        """True if it stands for something that an import could not bring exactly."""
        return self.call == IMPORT


class Trained(Record, frozen=True, kw_only=True, tag="trained"):
    """Progress of a Keras model's training; written when a ``fit`` begins, at each epoch's end, and when it ends.

    A resumed run uses it to find the epochs and batches that are trained a second time.

    Attributes:
        training: The 1-based number of the training in the run; each model has its own.
        epoch: The next epoch, as Keras counts.
        step: The step under which that epoch is recorded.
        batches: Number of batches trained so far; the last step under ``batch/``.
        counted: The same number, as counted by the model's optimizer.
        model: The model's name; only when a ``fit`` begins.
        steps: Batches per epoch of this ``fit``, if Keras knows.
        ended: True if the ``fit`` ended normally.
        skipped_epochs: Epochs since the previous record that were skipped, because the run already had them.
        skipped_batches: Points under ``batch/`` that were skipped likewise.
    """

    training: int
    epoch: int
    step: int
    batches: int
    counted: int
    model: str | None = None
    steps: int | None = None
    ended: bool = False
    skipped_epochs: int = 0
    skipped_batches: int = 0


class Lost(Record, frozen=True, kw_only=True, tag="lost"):
    """Records lost because the journal could not be written (a full disk); written once writing works again.

    Attributes:
        total: Number of records lost in this segment so far.
        since: Time of the first loss of the latest outage (ms).
    """

    total: int
    since: int


class End(Record, frozen=True, kw_only=True, tag="end"):
    """The end of the run. A later segment without ``fork`` means that the run was resumed.

    Attributes:
        status: The run's status.
        models: The versions that the run made of models.
    """

    status: Status
    models: list[ModelVersion] = []


class Compacted(Record, frozen=True, kw_only=True, tag="compacted"):
    """Stands for consecutive records of a long run that compaction removed (:mod:`multitrack.compaction`).

    Records that were kept may lie between those of one window of time. The figures of the window are then in the last
    of its ``Compacted`` records, and the earlier ones have only their number of records.

    Attributes:
        records: Number of removed records.
        since: Time of the first value of the figures (ms); ``time`` is that of the last one or a later record.
        metrics: Figures of each simple metric in the window.
        lines: Number of log lines in the removed records.
    """

    records: int
    since: int = 0
    metrics: dict[str, Digest] = {}
    lines: int = 0


AnyRecord = (
    Segment | Params | Metric | ListMetric | ArtifactRef | Lines | Tags | Mistake | Trained | Lost | End | Compacted
)
"""Every kind of record that a journal can contain."""

DATA: Final = (Params, Metric, ListMetric, ArtifactRef, Lines, Tags)
"""The kinds that are delivered to backends; the others frame them."""


def typed_params(record: Params) -> dict[str, Any]:
    """The params of a record as Python values, with the types they were logged with."""
    return {name: typed_param(value, record.types.get(name)) for name, value in record.values.items()}
