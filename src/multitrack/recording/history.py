"""The state of a run that its recorder checks new calls against: params, kinds of metrics, counts, last time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from msgspec.json import encode

from multitrack._text import check_name
from multitrack.errors import MetricKindError, ParamChangedError
from multitrack.inputs.prepare import PreparedParams


class Past:
    """The recorded state of a run: empty for a new run, read back from the journal for a resumed one.

    Attributes:
        params: Type and JSON value of each param, by key.
        objects: The object's type, by key, of each param that an earlier process recorded as an object's text.
        kinds: The kind of each metric, by name.
        count: Number of data records.
        lost: Number of records that could not be written.
        redacted: Number of redacted values.
        trainings: Number of trainings of Keras models.
        skipped_epochs: Number of epochs that were trained a second time and not recorded again.
        skipped_batches: Number of batch points that were skipped likewise.
        last_time: Time of the last record (ms).
    """

    def __init__(self) -> None:
        self.params: dict[str, tuple[str, Any]] = {}
        self.objects: dict[str, str] = {}
        self.kinds: dict[str, Literal["series", "list", "simple"]] = {}
        self.count = 0
        self.lost = 0
        self.redacted = 0
        self.trainings = 0
        self.skipped_epochs = 0
        self.skipped_batches = 0
        self.last_time = 0

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

    @classmethod
    def of(cls, directory: Path) -> Past:
        """Read the whole journal of the run in ``directory``."""
        from multitrack.summaries.builder import MetricKinds, SummaryBuilder  # noqa: PLC0415 - new runs have no past

        metrics = MetricKinds()
        builder = SummaryBuilder(directory, metrics)
        builder.read_on()
        past = cls()
        past.params = {name: (kind, value) for name, (kind, value) in builder.params.items() if kind is not None}
        past.objects = builder.objects
        past.kinds = metrics.kinds
        past.count = builder.records
        past.lost = builder.lost
        past.redacted = builder.redacted
        past.trainings = builder.trainings
        past.skipped_epochs = builder.skipped_epochs
        past.skipped_batches = builder.skipped_batches
        past.last_time = builder.cursor.last_time
        return past


def _alike(known: Any, value: Any) -> bool:
    """Return True if two params differ only in their strings; lists and dicts are compared recursively."""
    if isinstance(known, list) and isinstance(value, list):
        return len(known) == len(value) and all(map(_alike, known, value))
    if isinstance(known, dict) and isinstance(value, dict):
        return known.keys() == value.keys() and all(_alike(known[key], value[key]) for key in known)
    return (isinstance(known, str) and isinstance(value, str)) or bool(encode(known) == encode(value))
