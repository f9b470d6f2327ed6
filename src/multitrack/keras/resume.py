"""Find the part of a run's journal that a training repeats, from the model's state when a ``fit`` begins.

An interrupted training resumes from a backup. So it trains batches, and perhaps epochs, again whose points the run
already holds. Each model's training records its place at the start of each epoch: the epoch as Keras counts, and the
optimizer's count. A ``fit`` that begins at such a place repeats that training.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from multitrack.journal.cursor import Cursor
from multitrack.keras import internals
from multitrack.keras import model as models
from multitrack.records import Metric, Trained


class Mark(NamedTuple):
    """A model's state when Keras builds the callback list of a ``fit``, before any callback is called.

    Attributes:
        initial_epoch: The start epoch that ``BackupAndRestore`` has set in the model.
        counted: The optimizer's count; ``None`` if it cannot be read.
    """

    initial_epoch: int | None
    counted: int | None

    @classmethod
    def of(cls, model: Any) -> Mark:
        """Return the mark of a model now."""
        try:
            counted = models.batches_trained(model)
        except Exception:  # noqa: BLE001 - a custom optimizer; it is read again when the fit begins
            counted = None
        return cls(internals.initial_epoch(model), counted)

    def was_restored(self, model: Any) -> bool:
        """Return True if ``BackupAndRestore`` has restored a backup since; called when the first epoch begins.

        The epoch stays in the model for good, so on its own it may be that of an earlier ``fit``. In a Keras release
        that does not store it, the model was restored if the optimizer's count has changed before any training.
        """
        now = Mark.of(model)
        moved = now.counted != self.counted
        if not internals.has_initial_epoch(model):
            return moved
        return now.initial_epoch is not None and (moved or now.initial_epoch != self.initial_epoch)


class HeldPlace(NamedTuple):
    """A place in a training that the run holds.

    Attributes:
        training: The number of the training in the run; ``None`` if it may be one of several.
        step: The step of the epoch that begins there.
        batches: The number of batches trained by then.
        held_step: The step of the last epoch that the run holds of this training; -1 if none.
        held_batch: The last step that the run holds under ``batch/``; 0 if none.
    """

    training: int | None
    step: int
    batches: int
    held_step: int
    held_batch: int


def find_place(
    directory: Path, epoch: int, model: Any, *, own: int | None, restored: bool, earlier: int, taken: Collection[int],
    steps: int | None,
) -> HeldPlace | None:  # fmt: skip
    """Find the place in a training of the journal that a ``fit`` repeats or continues; None if there is none.

    Args:
        directory: The run's directory; all of its journal is read.
        epoch: The first epoch of the ``fit``, as Keras counts.
        model: The model at the start of the epoch.
        own: The number of the model's training in this process, if any; it takes precedence.
        restored: True if a backup was restored in this ``fit``, which may also be of a training of this process.
        earlier: Number of the run's trainings that were begun by earlier processes.
        taken: Numbers of the trainings that a model of this process already continues.
        steps: Batches per epoch of the ``fit``, if known to Keras.
    """
    counted, name = models.batches_trained(model), models.name_of(model)
    found: dict[tuple[bool, bool, int, bool], list[HeldPlace]] = {}
    for number, training in _read(directory).items():
        if training.ended if restored else (number > earlier or number in taken):
            continue  # Keras deletes the backup when a fit ends
        if not models.may_be_named(model, training.name):
            continue
        match = training.match(epoch, counted, restored=restored)
        if match is not None:
            rank, at = match
            if rank < 2 and not restored and None not in (steps, at.steps) and steps != at.steps:
                continue  # other data or batch size: it continues from there, and repeats nothing
            place = HeldPlace(
                number, at.step, at.batches + counted - at.counted, training.held_step, training.held_batch
            )
            found.setdefault((number != own, number in taken, rank, training.name != name), []).append(place)
    if not found:
        return None
    alike = found[min(found)]
    least = min(alike, key=lambda place: (place.held_step, place.held_batch))
    # If several match, only the points that all of them hold are known to be held.
    return least if len(alike) == 1 else least._replace(training=None, held_batch=min(p.held_batch for p in alike))


class _Held:
    """One training as recorded in the journal."""

    def __init__(self) -> None:
        self.places: list[Trained] = []
        self.name: str | None = None
        self.ended = False
        self.held_step = -1
        self.held_batch = 0

    def match(self, epoch: int, counted: int, *, restored: bool) -> tuple[int, Trained] | None:
        """Return the rank and the place where a ``fit`` begins in this training, or None.

        Rank 0 is the start of an epoch, 1 the middle of one, 2 a later fit of the same model.
        """
        for at in reversed(self.places):
            if (at.epoch, at.counted) == (epoch, counted):
                return 0, at
        if epoch > 0 or restored:  # a backup from the middle of an epoch
            for at, after in zip(reversed(self.places), [None, *reversed(self.places[1:])], strict=True):
                end = self.held_batch - at.batches + at.counted if after is None else after.counted
                if at.epoch == epoch and at.counted < counted and (counted <= end or (restored and after is None)):
                    return 1, at
        last = self.places[-1]
        if epoch == 0 and last.counted == counted:  # a later fit of the same model, with epochs from 0 again
            return 2, last
        return None


def _read(directory: Path) -> dict[int, _Held]:
    trainings: dict[int, _Held] = {}
    current: _Held | None = None
    cursor = Cursor(directory, resolved=False)
    while stretch := cursor.read():
        for record in stretch:
            if isinstance(record, Trained):
                current = trainings.setdefault(record.training, _Held())
                current.ended = record.ended
                if record.ended:
                    continue  # the same place as the start of the next epoch
                current.places.append(record)
                current.name = record.model or current.name
            elif isinstance(record, Metric) and record.step is not None and current is not None:
                if "epoch_seconds" in record.values:
                    current.held_step = max(current.held_step, record.step)
                elif any(name.startswith("batch/") for name in record.values):
                    current.held_batch = max(current.held_batch, record.step)
    return trainings
