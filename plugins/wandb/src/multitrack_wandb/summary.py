"""The summary of a run: its simple metrics, though W&B overwrites a series' summary with its last value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from multitrack_wandb.names import exact_key
from multitrack_wandb.translate import Write


class Summary:
    """The simple metrics of a run so far.

    Attributes:
        values: Their values by summary key.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self._exact: set[str] = set()  # columns with an exact-text column

    def add(self, writes: Iterable[Write]) -> bool:
        """Add the simple metrics of a batch; return True if W&B's summary must be written after the batch's rows."""
        changed = False
        for write in writes:
            if write.stand_ins:
                self._exact.update(key for key in write.series if any(exact_key(key) in row for row in write.rows))
            again = self.values.keys() & write.series
            for key, value in write.summary.items():
                self.values[key] = value
                if exact_key(key) not in write.summary and (key in self._exact or exact_key(key) in self.values):
                    self.values[exact_key(key)] = str(value)
            for key in again & self._exact:  # else the row's exact text would be read as the simple metric's
                self.values.setdefault(exact_key(key), str(self.values[key]))
            changed = changed or bool(write.summary or again)
        return changed
