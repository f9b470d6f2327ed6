"""Record the file with the weights of a trial's best epoch, written by KerasTuner, as a reference of a run."""

from __future__ import annotations

from typing import Any, Final

from multitrack.keras.checkpoints import Stamp, stamp_of
from multitrack.keras.guard import put_aside
from multitrack.keras_tuner import internals
from multitrack.recording.run import Run

#: Names of the references: in a trial's run, and in the search's run for the best trial.
OF_TRIAL: Final = "checkpoint-keras_tuner"
OF_BEST_TRIAL: Final = "checkpoint-best_trial"


class TunerCheckpoint:
    """The file with the weights of a trial's best epoch over all executions, written by KerasTuner.

    Args:
        tuner: The tuner, which need not write such a file.
        trial_id: The trial's id.
    """

    def __init__(self, tuner: Any, trial_id: str) -> None:
        self._path = internals.checkpoint_path(tuner, trial_id)
        self._before = self._stamp()

    def is_new(self) -> bool:
        """Return True if the file was written since this object was created, not by an earlier attempt."""
        return self._stamp() != self._before

    def log(self, run: Run, name: str) -> None:
        """Record a reference to the file if it exists. An error is set aside in ``run``."""
        try:
            if self._path is not None and self._stamp() is not None:
                run.integration.log_checkpoint(name, self._path)
        except Exception as error:  # noqa: BLE001 - must not cost the other records
            put_aside(run, name, error)

    def _stamp(self) -> Stamp | None:
        try:
            return None if self._path is None else stamp_of(self._path)
        except OSError:
            return None
