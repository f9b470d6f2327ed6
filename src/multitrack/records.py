"""The records of a journal: typed, immutable, one JSON line each.

What stands in the journal is exactly these structs, tagged by ``"record"``. A few fields never stand there,
because they follow from the records before and are filled in by whoever reads the journal from its start:
``ordinal`` (every record), ``index`` (list metrics, lines), ``earlier`` and ``beside`` (simple metrics).

Times are integer milliseconds since the epoch. Metric values are ``int`` or ``float``; on disk NaN, ±inf and
integers beyond 2⁵³ are JSON strings, because jq and JavaScript would turn them into null and a neighbour.
"""

from __future__ import annotations

import math
from typing import Any, Final, Literal, get_args

import msgspec

__all__ = [
    "COMMAND_LINE", "DATA", "FORMAT", "KERAS", "KERAS_TUNER", "STATUSES", "AnyRecord", "ArtifactRef", "End", "Lines",
    "ListMetric", "Lost", "Metric", "Mistake", "ObjectText", "ParamType", "Params", "Record", "Segment", "Status",
    "Tags", "Trained", "number_from_text", "number_to_json", "typed_params",
]  # fmt: skip

FORMAT: Final = 1
"""Version of the journal's format; written into every segment's first record."""

#: How a run is, or ended.
Status = Literal["running", "finished", "failed", "killed"]
#: Every status.
STATUSES: Final = get_args(Status)
#: The type that a param had in Python.
ParamType = Literal["float", "int", "bool", "str", "none", "list"]

_EXACT: Final = 2**53
_SPECIAL: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record", gc=False):
    """What all records share.

    Attributes:
        time: Milliseconds since the epoch at the call; never goes back within a segment.
        ordinal: The record's place in the run, counted from 0 over all its segments. Not on disk.
    """

    time: int
    ordinal: int = -1


class Segment(Record, frozen=True, kw_only=True, tag="segment"):
    """The first record of each segment: who writes it.

    Attributes:
        segment: Its number, from 1.
        pid: The process that writes it.
        host: Where that process runs.
        fork: Whether it is a forked child of the run's writer: its end is not the run's end.
        format: Version of the journal's format.
        manifest: What the run is, as ``manifest.json`` says it, should that file be damaged one day.
    """

    segment: int
    pid: int
    host: str
    fork: bool = False
    format: int = FORMAT
    manifest: dict[str, Any] | None = None


#: Source of params that an ``argparse.Namespace`` held.
COMMAND_LINE: Final = "command line"
#: Source of params that the Keras callback and the tuners read off a fit or a search: they follow from the code.
KERAS: Final = "keras"
#: Source of a trial's hyperparameters.
KERAS_TUNER: Final = "keras tuner"


class ObjectText(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept of a param that was an object without a plain form, beside its text.

    Attributes:
        type: Its type, with the module.
        whole: The whole text, where the param's value is the beginning of it.
    """

    type: str
    whole: str | None = None


class Params(Record, frozen=True, kw_only=True, tag="params"):
    """Flattened params, ``/`` between levels.

    Attributes:
        values: Plain JSON values; read them typed with :func:`typed_params`.
        types: The Python type of each, by key.
        source: Where they came from: ``code``, a file's path, :data:`COMMAND_LINE`, :data:`KERAS`, or
            :data:`KERAS_TUNER`.
        redacted: How many values were redacted; backends need not care, here and in the other kinds.
        objects: Which of them were objects without a plain form (functions, estimators), or lists that hold some:
            ``values`` has their texts.
    """

    values: dict[str, Any]
    types: dict[str, ParamType]
    source: str = "code"
    redacted: int = 0
    objects: dict[str, ObjectText] = {}


class Metric(Record, frozen=True, kw_only=True, tag="metric"):
    """One ``log_metric`` or ``log_metrics`` call.

    Attributes:
        values: One number a key.
        step: The step all of them stand at, or ``None`` for simple metrics.
        earlier: For simple metrics, how often each key was written before in this run. Not on disk.
        beside: For simple metrics, those keys that are series or list metrics by now. Not on disk.
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
    """One stretch of a list metric.

    Attributes:
        name: The metric.
        values: The numbers appended, in order.
        part: Number of this part, from 1, where one call was too long for a line.
        parts: How many parts that call has.
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
        name: What it is called in the run.
        uri: Where it is, without credentials. A local path is an absolute ``file://`` URI.
        kind: What it is: ``model``, ``dataset``, ``figure``, ``text`` or any word.
        role: Whether the run read it or wrote it.
        digest: ``sha256:<hex>`` of a local file's bytes, where it was computed or given.
        size: Bytes, where known.
        redacted: How many of its texts were redacted.
        pending: Its digest is being computed: another record of this name follows, with the digest or, where there came
            to be none, without. What a tracker cannot change later waits for that one.
    """

    name: str
    uri: str
    kind: str = "file"
    role: Literal["input", "output"] = "output"
    digest: str | None = None
    size: int | None = None
    redacted: int = 0
    pending: bool = False


class Lines(Record, frozen=True, kw_only=True, tag="lines"):
    """Lines of text of one call, without their line ends.

    Attributes:
        lines: In order; any Unicode, any length.
        stream: Where they came from: ``stdout``, ``stderr`` or ``log``.
        index: How many lines the run had before. Not on disk.
        redacted: How many lines were redacted.
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
    """A call that could not be recorded, kept where ``mistakes = "warn"``."""

    call: str
    reason: str
    redacted: int = 0


class Trained(Record, frozen=True, kw_only=True, tag="trained"):
    """Where a Keras model's training stands, as a ``fit`` begins, as each epoch ends, and as the ``fit`` ends.

    A continued run finds in it which of its epochs and batches are trained a second time.

    Attributes:
        training: Which of the run's trainings, from 1; each model has its own.
        epoch: The next epoch as Keras counts.
        step: The step that this epoch is recorded at.
        batches: Batches trained so far: the last step under ``batch/``.
        counted: The same as the model's optimizer counts it.
        model: The model's name, as a ``fit`` begins.
        steps: Batches of an epoch of this ``fit``, where Keras knows.
        ended: Whether the ``fit`` has ended as it should.
        skipped_epochs: Epochs since the record before that were not recorded, because the run held them.
        skipped_batches: The same of points under ``batch/``.
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
    """What the machine did not take (a full disk), written as soon as it takes records again.

    Attributes:
        total: How many records of this segment, so far.
        since: Time of the first of the latest ones (ms).
    """

    total: int
    since: int


class End(Record, frozen=True, kw_only=True, tag="end"):
    """How the run ended, and when. A later segment that is no fork's is a resumed run."""

    status: Status


AnyRecord = Segment | Params | Metric | ListMetric | ArtifactRef | Lines | Tags | Mistake | Trained | Lost | End
"""Everything that can stand in a journal."""

DATA: Final = (Params, Metric, ListMetric, ArtifactRef, Lines, Tags)
"""The kinds that are delivered to backends; the others frame them."""


def number_to_json(value: float) -> int | float | str:
    """A number as the journal holds it: itself, or a string where JSON readers would alter it."""
    if type(value) is float:
        if math.isfinite(value):
            return value
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value if -_EXACT <= value <= _EXACT else str(value)


def number_from_text(text: str) -> int | float:
    """The number behind one of the journal's strings.

    Raises:
        ValueError: It is none of NaN, Infinity, -Infinity or an integer.
    """
    special = _SPECIAL.get(text)
    return int(text) if special is None else special


def typed_params(record: Params) -> dict[str, Any]:
    """The params of a record as Python values of the types they were logged with."""
    return {name: typed_param(value, record.types.get(name)) for name, value in record.values.items()}


def typed_param(value: Any, kind: ParamType | None) -> Any:
    """A param's JSON value as a Python value of the type that it was logged with.

    Args:
        value: The value as it stands in the journal.
        kind: Its recorded type; ``None`` where there is none.
    """
    if isinstance(value, str) and kind in {"float", "int"}:
        return number_from_text(value)
    return float(value) if kind == "float" else value
