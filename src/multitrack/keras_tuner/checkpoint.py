"""The file in which KerasTuner keeps the weights of a trial's best epoch, as a reference of a run."""

from __future__ import annotations

from typing import Any, Final

from multitrack.keras.checkpoints import KIND, Stamp, stamp_of
from multitrack.keras.guard import put_aside
from multitrack.keras_tuner import internals
from multitrack.recording.run import Run

#: Names of the references: in a trial's run, and in a search's run the one of the best trial.
OF_TRIAL: Final = "checkpoint-keras_tuner"
OF_BEST_TRIAL: Final = "checkpoint-best_trial"


class TunerCheckpoint:
    """The file in which KerasTuner keeps the weights of a trial's best epoch, over all its executions.

    Args:
        tuner: The tuner; one that keeps no such file is fine.
        trial_id: The trial.
    """

    def __init__(self, tuner: Any, trial_id: str) -> None:
        self._path = internals.checkpoint_path(tuner, trial_id)
        self._before = self._stamp()

    def is_new(self) -> bool:
        """Whether it was written since this object was made, and not by an earlier attempt."""
        return self._stamp() != self._before

    def log(self, run: Run, name: str) -> None:
        """Refer to it, if it is there; a trouble is set aside in ``run``."""
        try:
            if self._path is not None and self._stamp() is not None:
                run.log_artifact_ref(name, self._path, KIND)
        except Exception as error:  # noqa: BLE001 - what else is recorded must not go with it
            put_aside(run, name, error)

    def _stamp(self) -> Stamp | None:
        try:
            return None if self._path is None else stamp_of(self._path)
        except OSError:
            return None
