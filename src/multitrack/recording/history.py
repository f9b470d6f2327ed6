"""The state of a run that its recorder checks new calls against: params, kinds of metrics, counts, last time."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec.json import encode

from multitrack._text import check_name
from multitrack.errors import MetricKindError, ParamChangedError
from multitrack.inputs.prepare import PreparedParams


class Mark(msgspec.Struct, frozen=True, gc=False):
    """How far a state includes a segment, and how to tell that it is still the same file.

    Attributes:
        inode: The file's inode.
        size: Number of bytes included.
        tail: The last of these bytes.
    """

    inode: int
    size: int
    tail: bytes


class Past(msgspec.Struct, gc=False):
    """The recorded state of a run: empty for a new run, read back from the journal for a resumed one.

    Attributes:
        params: Type and JSON value of each param, by key.
        objects: The object's type, by key, of each param that an earlier process recorded as an object's text.
        own_objects: The same for the params of this process.
        kinds: The kind of each metric, by name.
        count: Number of data records.
        lost: Number of records that could not be written.
        redacted: Number of redacted values.
        trainings: Number of trainings of Keras models.
        skipped_epochs: Number of epochs that were trained a second time and not recorded again.
        skipped_batches: Number of batch points that were skipped likewise.
        last_time: Time of the last record (ms).
        writes_models: True if the run wrote models that get versions at its end.
        segments: Size and modification time (ns) of each segment that was read back.
        open: How much of the next segment is included; ``None`` for nothing.
    """

    params: dict[str, tuple[str, Any]] = {}
    objects: dict[str, str] = {}
    own_objects: dict[str, str] = {}
    kinds: dict[str, Literal["series", "list", "simple"]] = {}
    count: int = 0
    lost: int = 0
    redacted: int = 0
    trainings: int = 0
    skipped_epochs: int = 0
    skipped_batches: int = 0
    last_time: int = 0
    writes_models: bool = False
    segments: list[tuple[int, int]] = []
    open: Mark | None = None

    def check_params(self, run_id: str, prepared: PreparedParams) -> list[str]:
        """Check that no param changes. Values are compared in their JSON form, where 1 is not ``True``.

        The text of an object may differ between processes: it may contain an id, or depend on the hash seed.

        Returns:
            The keys of objects whose text differs from the one recorded by an earlier process.

        Raises:
            ParamChangedError: If a param would change.
        """
        differing = []
        for key, value in prepared.values.items():
            known, kind = self.params.get(key), prepared.types[key]
            if known is None or (known[0] == kind and encode(known[1]) == encode(value)):
                continue
            kept = prepared.objects.get(key)
            if kept is None or known[0] != kind or kept.type != self.objects.get(key) or not _alike(known[1], value):
                raise ParamChangedError(
                    f"param {key!r} of run {run_id} is {known[1]!r} and cannot become {value!r}; a param is written "
                    "once (use a metric or a tag for values that change)",
                    param=key,
                )
            differing.append(key)
        return differing

    def add_params(self, new: PreparedParams) -> None:
        """Take in params that this process has recorded."""
        self.params.update({key: (new.types[key], value) for key, value in new.values.items()})
        self.own_objects.update({key: text.type for key, text in new.objects.items()})

    def check_kind(self, run_id: str, name: Any, kind: Literal["series", "list", "simple"]) -> bool:
        """Check that a metric may be used as this kind; a simple metric may also become a series or a list.

        Returns:
            True if the caller must note ``kind`` as the metric's kind; False if the name is already a series.

        Raises:
            MetricKindError: If a list metric is used as another kind, or a series as a list metric.
            TypeError, ValueError: If a new name is invalid.
        """
        known = self.kinds.get(name)
        if known is None:
            check_name(name, "metric")
        elif known == "list" or (known == "series" and kind == "list"):
            raise MetricKindError(
                f"{name!r} is a {'list metric' if known == 'list' else 'series with steps'} in run {run_id}; "
                "one name cannot be both"
            )
        return known != "series"


def _alike(known: Any, value: Any) -> bool:
    """Return True if two params differ only in their strings; lists and dicts are compared recursively."""
    if isinstance(known, list) and isinstance(value, list):
        return len(known) == len(value) and all(map(_alike, known, value))
    if isinstance(known, dict) and isinstance(value, dict):
        return known.keys() == value.keys() and all(_alike(known[key], value[key]) for key in known)
    return (isinstance(known, str) and isinstance(value, str)) or bool(encode(known) == encode(value))
