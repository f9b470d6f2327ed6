"""What is known of a run's records so far: its params, kinds of metrics, count and last time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from msgspec.json import encode

from multitrack._text import check_name
from multitrack.errors import MetricKindError, ParamChangedError
from multitrack.inputs.prepare import PreparedParams
from multitrack.journal.cursor import Cursor
from multitrack.records import DATA, ListMetric, Lost, Metric, Params, Trained


class Past:
    """Empty for a new run; read back from the journal for a resumed one.

    Attributes:
        params: Type and JSON value of each param, by key.
        objects: The object's type of each param that an earlier process recorded as the text of one, by key.
        kinds: Which metrics are series and which are lists; the names of others that were found good.
        count: Data records so far.
        lost: How many more the machine did not take.
        redacted: Values that were redacted in them.
        trainings: How many trainings of Keras models.
        skipped_epochs: Epochs that were not recorded a second time.
        skipped_batches: The same of points of batches.
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
        """Check that no param becomes another one; compared as they stand in the journal, where 1 is not ``True``.

        The text of an object may be another one in each process, by the seed of hashes, an id or a thread's number.

        Returns:
            Those that are texts of objects of the recorded type, and other texts than an earlier process recorded.

        Raises:
            ParamChangedError: One would become another one.
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
                    "once (use a metric or a tag for what changes)",
                    param=key,
                )
            differing.append(key)
        return differing

    def check_kind(self, run_id: str, name: Any, kind: Literal["series", "list", "simple"]) -> bool:
        """Whether the name is of this kind from now on; one that was only a simple metric's may become any.

        Raises:
            MetricKindError: It is a list metric, and is to become another kind; or a series, and is to become a list.
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
        """What the run in ``directory`` holds; reads its whole journal."""
        past = cls()
        cursor = Cursor(directory, resolved=False)
        lost: dict[int, int] = {}
        while stretch := cursor.read():
            for record in stretch:
                past.count += isinstance(record, DATA)
                if isinstance(record, Metric):  # nearly all are
                    if record.step is not None:
                        for name in record.values:
                            past.kinds[name] = "series"
                    continue
                past.redacted += getattr(record, "redacted", 0)
                if isinstance(record, Params):
                    past.params.update(
                        {key: (record.types[key], value) for key, value in record.values.items() if key in record.types}
                    )
                    past.objects.update({key: kept.type for key, kept in record.objects.items()})
                elif isinstance(record, ListMetric):
                    past.kinds[record.name] = "list"
                elif isinstance(record, Trained):
                    past.trainings = max(past.trainings, record.training)
                    past.skipped_epochs += record.skipped_epochs
                    past.skipped_batches += record.skipped_batches
                elif isinstance(record, Lost):
                    lost[cursor.segment] = record.total
        past.lost = sum(lost.values())
        past.last_time = cursor.last_time
        return past


def _alike(known: Any, value: Any) -> bool:
    """Whether two params differ in texts alone, as lists that hold texts of objects do."""
    if isinstance(known, list) and isinstance(value, list):
        return len(known) == len(value) and all(map(_alike, known, value))
    if isinstance(known, dict) and isinstance(value, dict):
        return known.keys() == value.keys() and all(_alike(known[key], value[key]) for key in known)
    return (isinstance(known, str) and isinstance(value, str)) or bool(encode(known) == encode(value))
