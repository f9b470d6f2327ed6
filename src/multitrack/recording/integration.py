"""The interface of a run for integrations: the Keras callback and the tuners."""

from __future__ import annotations

from collections.abc import Mapping
from threading import RLock
from typing import Any, Literal

from multitrack.errors import ParamChangedError
from multitrack.inputs.prepare import prepare_params
from multitrack.recording.run_journal import RunJournal
from multitrack.records import Trained


class Integration:
    """Questions about what a run holds, and notes that are no user's calls.

    Args:
        journal: The run's.

    Attributes:
        lock: Held by who needs several calls to be one: no other thread records meanwhile. Reentrant.
    """

    def __init__(self, journal: RunJournal) -> None:
        self._journal = journal

    @property
    def lock(self) -> RLock:
        """See above; another one in a forked child."""
        return self._journal.lock

    @property
    def has_series(self) -> bool:
        """Whether the run holds a point of any series."""
        return "series" in self._journal.past.kinds.values()

    @property
    def param_count(self) -> int:
        """Params that the run holds."""
        return len(self._journal.past.params)

    @property
    def trainings(self) -> int:
        """Trainings of Keras models that the run holds."""
        return self._journal.past.trainings

    def would_change(self, params: Mapping[str, Any]) -> bool:
        """Whether the run holds one of these params, nested ones flattened, with another value.

        Raises:
            TypeError: A value has no plain form.
        """
        prepared = prepare_params(params, None, self._journal.redactor.begin())
        try:
            self._journal.past.check_params(self._journal.id, prepared)
        except ParamChangedError:
            return True
        return False

    def check_kind(self, name: str, kind: Literal["series", "simple"]) -> None:
        """Check that a metric may be of this kind.

        Raises:
            MetricKindError: It is of another one in this run.
            ValueError: The name cannot be a metric's.
        """
        if self._journal.past.kinds.get(name) != kind:
            self._journal.past.check_kind(self._journal.id, name, kind)

    def new_training(self) -> int:
        """The number of a training that begins: the first has 1."""
        self._journal.past.trainings += 1
        return self._journal.past.trainings

    def note_trained(self, training: int, **fields: Any) -> None:
        """Write down where the training of a Keras model stands.

        Args:
            training: Its number.
            **fields: The other fields of :class:`~multitrack.records.Trained`.
        """
        self._journal.note(lambda now: Trained(time=now, training=training, **fields))

    def count_skipped(self, *, epochs: int = 0, batches: int = 0) -> None:
        """Count epochs and batches that the run held already, for its delivery report."""
        self._journal.past.skipped_epochs += epochs
        self._journal.past.skipped_batches += batches

    def warn_as(self, other: Integration) -> None:
        """Warn of no kind of wrong call that another run has warned of; each counts its own."""
        self._journal.warned = other._journal.warned
