"""Which part of a run's journal a training repeats: found by where the model stands as a ``fit`` begins.

A training that was interrupted goes on from a backup, so that some batches, and perhaps epochs, are trained again whose
points the run holds already. Each model's training has noted where it stood as each of its epochs began: the epoch as
Keras counts, and what the optimizer had counted. A ``fit`` that begins at such a place repeats that training.
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
    """A model as Keras puts the callbacks of a ``fit`` together, before any of them is called.

    Attributes:
        initial_epoch: The epoch that ``BackupAndRestore`` has told the model to begin with.
        counted: What its optimizer has counted; ``None`` where it cannot be asked.
    """

    initial_epoch: int | None
    counted: int | None

    @classmethod
    def of(cls, model: Any) -> Mark:
        """The mark of a model as it is now."""
        try:
            counted = models.batches_trained(model)
        except Exception:  # noqa: BLE001 - an optimizer of the user's own; as the fit begins, it is asked again
            counted = None
        return cls(internals.initial_epoch(model), counted)

    def was_restored(self, model: Any) -> bool:
        """Whether a ``BackupAndRestore`` has gone back to a backup since, asked as the first epoch begins.

        It leaves the epoch in the model for good, so that by itself it may be that of an earlier ``fit``. In a release
        of Keras that does not, a callback has restored the model if the optimizer's count has moved before anything
        was trained.
        """
        now = Mark.of(model)
        moved = now.counted != self.counted
        if not internals.has_initial_epoch(model):
            return moved
        return now.initial_epoch is not None and (moved or now.initial_epoch != self.initial_epoch)


class HeldPlace(NamedTuple):
    """A place in a training that the run holds.

    Attributes:
        training: Which of the run's trainings; ``None`` where it may be one of several.
        step: The step of the epoch that begins there.
        batches: The batches trained by then.
        held_step: The last epoch that the run holds of this training, as its step; -1 for none.
        held_batch: The last step that it holds under ``batch/``; 0 for none.
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
    """Find the place where a ``fit`` begins that repeats, or goes on with, a training of the journal in ``directory``.

    Args:
        directory: The run's directory; all of its journal is read.
        epoch: The first epoch of the ``fit``, as Keras counts.
        model: The model, as the epoch begins.
        own: The model's training in this process, if it has one; it comes first.
        restored: Whether a backup was restored in this ``fit``: then it may be a training of this process as well.
        earlier: How many of the run's trainings were begun by processes before this one.
        taken: Those that a model of this process has gone on with already.
        steps: Batches of an epoch of the ``fit``, where Keras knows.
    """
    counted, name = models.batches_trained(model), models.name_of(model)
    found: dict[tuple[bool, bool, int, bool], list[HeldPlace]] = {}
    for number, training in _read(directory).items():
        if training.ended if restored else (number > earlier or number in taken):
            continue  # the backup of a fit that has ended is gone
        if not models.may_be_named(model, training.name):
            continue
        match = training.match(epoch, counted, restored=restored)
        if match is not None:
            rank, at = match
            if rank < 2 and not restored and None not in (steps, at.steps) and steps != at.steps:
                continue  # other data, or other batches: it goes on from there, and repeats nothing
            place = HeldPlace(
                number, at.step, at.batches + counted - at.counted, training.held_step, training.held_batch
            )
            found.setdefault((number != own, number in taken, rank, training.name != name), []).append(place)
    if not found:
        return None
    alike = found[min(found)]
    least = min(alike, key=lambda place: (place.held_step, place.held_batch))
    # Of several that it may be, only what all of them hold is known to be held.
    return least if len(alike) == 1 else least._replace(training=None, held_batch=min(p.held_batch for p in alike))


class _Held:
    """One training, as the journal has it."""

    def __init__(self) -> None:
        self.places: list[Trained] = []
        self.name: str | None = None
        self.ended = False
        self.held_step = -1
        self.held_batch = 0

    def match(self, epoch: int, counted: int, *, restored: bool) -> tuple[int, Trained] | None:
        """Where in this training a ``fit`` begins, and how sure that is: 0 for the begin of one of its epochs."""
        for at in reversed(self.places):
            if (at.epoch, at.counted) == (epoch, counted):
                return 0, at
        if epoch > 0 or restored:  # a backup from the middle of an epoch
            for at, after in zip(reversed(self.places), [None, *reversed(self.places[1:])], strict=True):
                end = self.held_batch - at.batches + at.counted if after is None else after.counted
                if at.epoch == epoch and at.counted < counted and (counted <= end or (restored and after is None)):
                    return 1, at
        last = self.places[-1]
        if epoch == 0 and last.counted == counted:  # a later fit of the same model, which counts from 0 again
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
                    continue  # at the same place as the epoch before
                current.places.append(record)
                current.name = record.model or current.name
            elif isinstance(record, Metric) and record.step is not None and current is not None:
                if "epoch_seconds" in record.values:
                    current.held_step = max(current.held_step, record.step)
                elif any(name.startswith("batch/") for name in record.values):
                    current.held_batch = max(current.held_batch, record.step)
    return trainings
