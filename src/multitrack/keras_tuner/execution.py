"""Record one training of a trial: its callback, and the records at its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from multitrack.keras import TrackingCallback
from multitrack.keras.checkpoints import checkpoints_among
from multitrack.keras.fit import watchers
from multitrack.keras.guard import guarded
from multitrack.keras.numbers import log_numbers
from multitrack.keras_tuner.epochs import Epochs
from multitrack.keras_tuner.trial import ActiveRun, best_epoch


class Execution:
    """Records one training of a trial.

    Args:
        trial: The trial's run.
        own: The training's own run, if the trial has several trainings.
        objective: The objective of the search.
        callbacks: The callbacks that KerasTuner passes to ``HyperModel.fit``.

    Attributes:
        own: As given.
        callbacks: As given, with a tracking callback added unless the user has passed one.
    """

    guarding_name = "KerasTuner trial"

    def __init__(self, trial: ActiveRun, own: ActiveRun | None, objective: Any, callbacks: Iterable[Any]) -> None:
        self.own = own
        self.callbacks = list(callbacks)
        self._trial = trial
        run = self.guarding_run = (own or trial).run
        saving = checkpoints_among(self.callbacks)
        for callback in self.callbacks:
            if isinstance(callback, TrackingCallback) and callback.will_record_into(run):
                callback.checkpoints = callback.checkpoints or saving
                self._callback = callback  # the user's own, for its options
                break
        else:
            self._callback = TrackingCallback(run, checkpoint=saving)
            self.callbacks.append(self._callback)
        self._epochs = watchers[run] = Epochs(objective)

    @property
    def has_dropped_callbacks(self) -> bool:
        """True if the callback was never called, and no other tracking callback has recorded an epoch."""
        return not (self._callback.was_called or self._epochs.fits or self.guarding_run.disabled)

    def end(self, result: Any, error: BaseException | None) -> None:
        """End the training, with the result of ``HyperModel.fit`` or an error."""
        watchers.pop(self.guarding_run, None)
        try:
            if error is None:
                self._log(result)
        finally:
            if self.own is not None:
                self.own.close(error)

    @guarded
    def _log(self, result: Any) -> None:
        try:
            numbers = self._epochs.at_best(result)
        except Exception:  # noqa: BLE001 - such as no val_loss: KerasTuner reads it next, and raises
            return
        best = self._epochs.best(result)
        self._trial.best_epochs += best
        if self.own is None:
            self._trial.at_best = numbers
        else:
            log_numbers(self.own.run, {**numbers, **best_epoch(best)}, None, "execution")
