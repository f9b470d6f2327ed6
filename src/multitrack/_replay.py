"""How far a training is: the batches it has seen, and what of it is trained again after an interruption.

A training that was killed goes on from a backup, so that some batches, and perhaps epochs, are trained again
whose points the run holds already. Those are not recorded a second time. A ``fit`` that is wanted once more in
the same run is no such thing, and all its points are kept. What tells them apart:

- the optimizer has counted batches already: the model was not made anew;
- the ``fit`` begins in a later epoch than the first, or ``BackupAndRestore`` says where;
- within one process, the optimizer has counted fewer batches than were trained: the training went back.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Final

from multitrack import _model
from multitrack.run import Run

#: What an optimizer had counted when an epoch last ended, and how many batches that were. These differ: TensorFlow
#: counts the end of a dataset of unknown length, loss scaling leaves out batches that overflow, and a
#: ``train_step`` may use the optimizer twice, or another one.
_counts: Final[weakref.WeakKeyDictionary[Any, tuple[int, int]]] = weakref.WeakKeyDictionary()


def batches_before(model: Any) -> int:
    """How many batches a model was trained on: what its optimizer has counted, put right where that is known."""
    counted = _model.batches_trained(model)
    then, batches = _counts.get(getattr(model, "optimizer", None), (0, 0))
    return batches + counted - then if counted >= then else counted


def remember_count(model: Any, batches: int) -> None:
    """An epoch has ended, after so many batches in all."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        _counts[optimizer] = _model.batches_trained(model), batches


class Reached:
    """How far a run's training is.

    Attributes:
        epoch: The last epoch that the run holds; -1 for none.
        batch: The last step that it holds under ``batch/``.
        count: The last batch of this process, as far as is known; ``None`` before any.
    """

    def __init__(self, steps: Mapping[str, int]) -> None:
        self.epoch = steps.get("epoch_seconds", -1)
        always = (
            "batch/learning_rate",
            "batch/learning_rate/0",
            "batch/loss",
        )  # but with a train_step without all of them
        self.batch = next((steps[name] for name in always if name in steps), 0)
        self.count: int | None = None

    @classmethod
    def by(cls, run: Run) -> Reached:
        """How far ``run`` is, whichever callback records it."""
        if run not in _reached:
            _reached[run] = cls(run._past.steps)
        return _reached[run]

    def is_trained_again(self, model: Any, epoch: int, count: int) -> bool:
        """Whether a ``fit`` that begins with ``epoch``, after ``count`` batches, goes on from before what is held."""
        goes_on = count > 0 and (epoch > 0 or getattr(model, "_initial_epoch", None) is not None)
        return goes_on and (self.count is None or count < self.count)


_reached: Final[weakref.WeakKeyDictionary[Run, Reached]] = weakref.WeakKeyDictionary()
