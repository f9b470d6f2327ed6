"""What is known of a run's records so far: its params, kinds of metrics, count and last time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from msgspec.json import encode

from multitrack.cursor import Cursor
from multitrack.errors import ParamChangedError
from multitrack.records import DATA, ListMetric, Lost, Metric, Params, Trained


class Past:
    """Empty for a new run; read back from the journal for a resumed one.

    Attributes:
        params: Type and JSON value of each param, by key.
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
        self.kinds: dict[str, Literal["series", "list", "simple"]] = {}
        self.count = 0
        self.lost = 0
        self.redacted = 0
        self.trainings = 0
        self.skipped_epochs = 0
        self.skipped_batches = 0
        self.last_time = 0

    def check_params(self, run_id: str, values: Mapping[str, Any], types: Mapping[str, str]) -> None:
        """Check that no param becomes another one; compared as they stand in the journal, where 1 is not ``True``.

        Raises:
            ParamChangedError: One would.
        """
        for key, value in values.items():
            known = self.params.get(key)
            if known is not None and (known[0] != types[key] or encode(known[1]) != encode(value)):
                raise ParamChangedError(
                    f"param {key!r} of run {run_id} is {known[1]!r} and cannot become {value!r}; a param is written "
                    "once (use a metric or a tag for what changes)"
                )

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
