"""The trainings of a run, one per model: the step of each epoch, and the points that the run already holds.

Keras counts the epochs of each ``fit`` from ``initial_epoch``, by default from 0. A run counts on. The first ``fit`` of
a model uses Keras' numbers. A later one without ``initial_epoch`` continues after the last epoch, and so does one whose
``initial_epoch`` is where the last one ended, as Keras counts. With another ``initial_epoch`` it uses Keras' numbers
again. Another model has its own training, with its own numbers.

Points are skipped only if a training is known to be repeated: a run is continued with ``run_id=`` and a model begins at
a place recorded in that run, or ``BackupAndRestore`` restored such a place.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import weakref
from typing import Any, Final

from multitrack.keras import model as models
from multitrack.keras.resume import find_place
from multitrack.recording.run import Run

log = logging.getLogger("multitrack")

#: The optimizer's count when an epoch last ended, and the true number of batches. These differ: TensorFlow counts the
#: end of a dataset of unknown length, loss scaling skips batches that overflow, and a ``train_step`` may use the
#: optimizer twice, or another one.
_counts: Final[weakref.WeakKeyDictionary[Any, tuple[int, int]]] = weakref.WeakKeyDictionary()


def batches_before(model: Any) -> int:
    """Return the number of batches a model was trained on: its optimizer's count, corrected if possible."""
    counted, optimizer = models.batches_trained(model), models.optimizer_of(model)
    then, batches = (0, 0) if optimizer is None else _counts.get(optimizer, (0, 0))
    return batches + counted - then if counted >= then else counted


def remember_count(model: Any, batches: int) -> None:
    """Store the total number of batches at the end of an epoch."""
    optimizer = models.optimizer_of(model)
    if optimizer is not None:
        _counts[optimizer] = models.batches_trained(model), batches


class Training:
    """The training of one model in one run.

    Attributes:
        number: The 1-based number of the training in the run.
        epoch: The next epoch, as Keras counts if it is told to continue.
        step: The step of the next epoch.
        batches: The number of batches trained so far.
        held_step: The last epoch step that the run already holds and that is trained again; -1 if none.
        held_batch: The same for batches; 0 if none.
    """

    def __init__(self, run: Run, number: int) -> None:
        self.number = number
        self.step = self.batches = self.held_batch = 0
        self.held_step = -1
        self._run = weakref.ref(run)
        self._optimizer: weakref.ref[Any] | None = None
        self.epoch = self._counted = 0
        self._skipped_epochs = self._skipped_batches = 0
        self._steps: int | None = None

    def begin_fit(self, epoch: int, step: int, model: Any, steps: int | None) -> None:
        """Start a ``fit`` of the model at ``epoch``, as Keras counts, recorded at ``step``."""
        self._steps = steps
        optimizer, counted = models.optimizer_of(model), models.batches_trained(model)
        if self._optimizer is not None and self._optimizer() is not optimizer and counted == 0:
            remember_count(model, self.batches)  # compiled again, not trained again
        elif step != self.step or counted < self._counted:
            self.held_step, self.held_batch = -1, 0  # the user went back on purpose
        self._optimizer = None if optimizer is None else weakref.ref(optimizer)
        if optimizer is not None:
            self.batches = batches_before(model)
        self.note(epoch, step, model, models.name_of(model))

    def repeat(self, step: int, batches: int, held_step: int, held_batch: int, model: Any) -> None:
        """Set the place of the next ``fit``, which repeats a part of the training."""
        remember_count(model, batches)
        self._optimizer = None
        self.step, self.batches, self._counted = step, batches, models.batches_trained(model)
        self.held_step, self.held_batch = held_step, held_batch

    def note(self, epoch: int, step: int, model: Any, name: str | None = None) -> None:
        """Record that the next epoch is ``epoch``, as Keras counts, at ``step``."""
        self.epoch, self.step = epoch, step
        if model is not None:
            self._counted = models.batches_trained(model)
        self._write(name)

    def settle(self) -> None:
        """Record the skipped points of an epoch that has not ended, and may never end."""
        if self._skipped_epochs or self._skipped_batches:
            self._write()

    def end_fit(self) -> None:
        """Record that the ``fit`` has ended without an error."""
        self._write(ended=True)

    def _write(self, name: str | None = None, *, ended: bool = False) -> None:
        skipped = {"skipped_epochs": self._skipped_epochs, "skipped_batches": self._skipped_batches}
        self._skipped_epochs = self._skipped_batches = 0
        if (run := self._run()) is not None:
            run.integration.note_trained(
                self.number, epoch=self.epoch, step=self.step, batches=self.batches, counted=self._counted,
                model=name, steps=self._steps, ended=ended, **skipped,
            )  # fmt: skip

    def holds_epoch(self, step: int) -> bool:
        """Return True if the run already holds this epoch, and count it as skipped."""
        if step > self.held_step:
            return False
        self._skipped_epochs += 1
        if (run := self._run()) is not None:
            run.integration.count_skipped(epochs=1)
        return True

    def holds_batch(self, step: int) -> bool:
        """Return True if the run already holds this batch, and count it as skipped."""
        if step > self.held_batch:
            return False
        self._skipped_batches += 1
        if (run := self._run()) is not None:
            run.integration.count_skipped(batches=1)
            run.at_end.add(self.settle)
        return True


class Trainings:
    """The trainings of one run in this process.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self._earlier = run.integration.trainings  # begun by earlier processes
        self._taken: set[int] = set()
        self._known: dict[int, tuple[weakref.ref[Any], Training]] = {}
        self._lock = threading.Lock()

    @classmethod
    def of(cls, run: Run) -> Trainings:
        """Return the trainings of ``run``, shared by all callbacks."""
        with run.integration.lock:
            if run not in _trainings:
                _trainings[run] = cls(run)
            return _trainings[run]

    def begin_fit(
        self, run: Run, epoch: int, model: Any, *, as_given: bool, restored: bool, batches: bool, steps: int | None
    ) -> tuple[Training, int]:
        """Start a ``fit``.

        Args:
            run: The run; not stored here, since that would keep it alive.
            epoch: Its first epoch, as Keras counts.
            model: The model at the start of the epoch.
            as_given: True to record all its epochs under Keras' numbers.
            restored: True if ``BackupAndRestore`` restored a backup in this ``fit``.
            batches: True if batches are recorded as well.
            steps: Batches per epoch, if known to Keras.

        Returns:
            The model's training, and the step of the epoch.
        """
        with self._lock:
            known = self._find(model)
            place = None
            begins_anew = as_given or (epoch == 0 and models.batches_trained(model) == 0)
            directory = run.directory
            if directory is not None and (restored or (known is None and self._earlier and not begins_anew)):
                place = find_place(
                    directory, epoch, model, own=None if known is None else known.number, restored=restored,
                    earlier=self._earlier, taken=self._taken, steps=steps,
                )  # fmt: skip
            if place is not None:
                training = known if known is not None and known.number == place.training else None
                training = training or self._add(run, model, place.training)
                self._taken.add(training.number)
                training.repeat(place.step, place.batches, place.held_step, place.held_batch, model)
                step = place.step
                _say(run, training, restored=restored, batches=batches)
            else:
                training = known or self._add(run, model, None)
                goes_on = known is not None and not (restored or as_given) and epoch in (0, training.epoch)
                step = training.step if goes_on else epoch
            training.begin_fit(epoch, step, model, steps)
            return training, step

    def _find(self, model: Any) -> Training | None:
        found = self._known.get(id(model))
        return found[1] if found is not None and found[0]() is model else None

    def _add(self, run: Run, model: Any, number: int | None) -> Training:
        """Create the training of a model that has none here, with the given number or the next free one."""
        if number is None:
            number = run.integration.new_training()
        training, key = Training(run, number), id(model)
        with contextlib.suppress(TypeError):  # no model, or one that cannot be weakly referenced
            self._known[key] = weakref.ref(model, lambda _: self._known.pop(key, None)), training
        return training


def _say(run: Run, training: Training, *, restored: bool, batches: bool) -> None:
    """Log how many epochs and batches will be skipped."""
    epochs = training.held_step + 1 - training.step
    trained = training.held_batch - training.batches if batches else 0
    held = [f"{epochs} epoch{'s' if epochs > 1 else ''}"] * (epochs > 0)
    held += [f"{trained} batch{'es' if trained > 1 else ''}"] * (trained > 0)
    if held:
        log.warning(
            "multitrack: run %s: %s, which it holds already, will be trained again and not recorded a second time, for "
            "%s; DeliveryReport.skipped counts what was left out", run.id, " and ".join(held),
            "BackupAndRestore went back to a backup" if restored else "the run was continued with run_id=",
        )  # fmt: skip


_trainings: Final[weakref.WeakKeyDictionary[Run, Trainings]] = weakref.WeakKeyDictionary()
