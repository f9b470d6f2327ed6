"""The interface of a run for integrations: the Keras callback and the tuners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import RLock
from typing import Any, Literal

from multitrack.errors import ParamChangedError
from multitrack.inputs.prepare import prepare_params
from multitrack.recording.references import References
from multitrack.recording.run_journal import RunJournal
from multitrack.records import Trained, number_to_json


class Integration:
    """Queries about recorded data, and internal notes, for the Keras callback and the tuners.

    Args:
        journal: The run's journal.
        references: Records its references.

    Attributes:
        lock: Reentrant lock that makes several calls atomic: no other thread records while it is held.
    """

    def __init__(self, journal: RunJournal, references: References) -> None:
        self._journal = journal
        self._references = references

    @property
    def lock(self) -> RLock:
        """The run's recording lock; replaced in a forked child."""
        return self._journal.lock

    @property
    def has_series(self) -> bool:
        """True if the run has a point of any series."""
        return "series" in self._journal.past.kinds.values()

    @property
    def param_count(self) -> int:
        """Number of params recorded in the run."""
        return len(self._journal.past.params)

    @property
    def trainings(self) -> int:
        """Number of trainings of Keras models recorded in the run."""
        return self._journal.past.trainings

    def would_change(self, params: Mapping[str, Any]) -> bool:
        """Return True if the run has one of these params, flattened, with another value.

        Raises:
            TypeError: If a value has no plain form.
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
            MetricKindError: If the metric is of another kind in this run.
            ValueError: If the name is invalid.
        """
        if self._journal.past.kinds.get(name) != kind:
            self._journal.past.check_kind(self._journal.id, name, kind)

    def are_series(self, names: Iterable[str]) -> bool:
        """Return True if the run has points of all these series; it cannot lose them."""
        kinds = self._journal.past.kinds
        return all(kinds.get(name) == "series" for name in names)

    def append_floats(self, numbers: dict[str, Any], step: int) -> bool:
        """Record a step's numbers without any check: finite floats of series that the run has, at a valid step.

        Returns:
            False if the run is not open, and nothing was recorded.
        """
        journal = self._journal
        journal.acquire()  # half the cost of a with statement
        try:
            writer = journal.writer
            if writer is None:
                return False
            journal.past.count += writer.append_metric(numbers, step)
            if writer.last_time >= journal.look_at:
                journal.look(writer.last_time, settled=True)
        finally:
            journal.release()
        return True

    def log_metrics_at(self, metrics: Mapping[str, float], step: int, time: int) -> None:
        """Record points of series with a time of their own, such as that of another tracker's call.

        Args:
            metrics: Numbers by name.
            step: The step of all of them.
            time: Their time in milliseconds since the epoch. One before the last record's begins a new segment.

        Raises:
            MetricKindError: If a name is a list metric in this run.
            RunClosedError: If the run has ended.
        """
        journal = self._journal
        with journal.lock:
            for name in metrics:
                self.check_kind(name, "series")
            numbers = {name: number_to_json(value) for name, value in metrics.items()}
            journal.append_metric_at(numbers, step, time)
            for name in numbers:
                journal.past.kinds[name] = "series"

    def end_at(self, time: int) -> None:
        """Let the run end at a time of its own (ms): it had ended then, and is open for a late record."""
        self._journal.ends_at = time

    def new_training(self) -> int:
        """Count a new training and return its 1-based number."""
        self._journal.past.trainings += 1
        return self._journal.past.trainings

    def note_trained(self, training: int, **fields: Any) -> None:
        """Record the progress of a Keras model's training.

        Args:
            training: The number of the training.
            **fields: The other fields of :class:`~multitrack.records.Trained`.
        """
        self._journal.note(lambda now: Trained(time=now, training=training, **fields))

    def count_skipped(self, *, epochs: int = 0, batches: int = 0) -> None:
        """Count epochs and batches that were skipped because the run already had them, for the delivery report."""
        self._journal.past.skipped_epochs += epochs
        self._journal.past.skipped_batches += batches

    def warn_as(self, other: Integration) -> None:
        """Share the set of warnings already logged with another run; mistakes are still counted separately."""
        self._journal.warned = other._journal.warned

    def log_checkpoint(self, name: str, path: Path, *, digest: bool = True) -> None:
        """Record a reference to a model that is no version of its own.

        Raises:
            FileNotFoundError: If the path does not exist, and a digest is wanted.
        """
        if self._journal.directory is not None:
            self._references.log(name, path, "model", "output", digest=digest, versioned=False)
