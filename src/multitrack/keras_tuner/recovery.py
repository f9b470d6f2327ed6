"""Complete the runs of trials that KerasTuner has ended, whose process was killed before it recorded the end.

KerasTuner never runs such a trial again. So the run of its last attempt is opened once more, and gets the missing
score, status and tags from KerasTuner's own state of the trial.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from multitrack.errors import RunInUseError
from multitrack.journal.encoding import decode_or_none
from multitrack.journal.layout import runs_directory
from multitrack.journal.segments import last_segment, segment_path
from multitrack.keras_tuner.checkpoint import OF_TRIAL, TunerCheckpoint
from multitrack.keras_tuner.distributed import saved_trial
from multitrack.keras_tuner.epochs import Epochs
from multitrack.keras_tuner.notes import Notes
from multitrack.keras_tuner.trial import ActiveRun, AlreadyRecorded, ended_as, log_hyperparameters, log_result
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.run import Run
from multitrack.recording.start import start_run
from multitrack.records import End, Lines, Metric


class Interrupted:
    """The trials of one search whose end was not recorded.

    Args:
        tuner: The KerasTuner tuner.
        parent: The search's run.
        notes: The notes on the search; their journal is set.
    """

    def __init__(self, tuner: Any, parent: Run, notes: Notes) -> None:
        self._tuner = tuner
        self._parent = parent
        self._notes = notes

    def complete(self) -> None:
        """Complete the runs in this journal of trials that KerasTuner will not run again."""
        assert self._notes.journal is not None  # noqa: S101 - see above
        runs = runs_directory(self._notes.journal)
        for trial_id, attempts in self._notes.trials().items():
            directory = runs / attempts[-1]
            if not (directory / "manifest.json").exists() or _has_ended(directory):
                continue
            trial = self._ended_trial(trial_id)
            if trial is not None:
                with contextlib.suppress(RunInUseError):  # its own worker still writes it
                    self._complete(RecordedRun(directory), trial)

    def _ended_trial(self, trial_id: str) -> Any:
        """Return the trial, or None if KerasTuner may still run it."""
        oracle = self._tuner.oracle
        if hasattr(oracle, "trials"):
            trial = oracle.trials.get(trial_id)
            again = trial_id in oracle.get_state()["retry_queue"]
        else:
            # A worker has no oracle, and gets here at the end of the search, when there are no more retries.
            trial, again = saved_trial(self._tuner, trial_id), False
        return None if trial is None or again or trial.status not in ("COMPLETED", "FAILED") else trial

    def _complete(self, recorded: RecordedRun, trial: Any) -> None:
        if recorded.summary().status in ("finished", "failed"):
            return
        # A search that continues in another active run has earlier trials, which keep their original parent.
        of_this = recorded.manifest.parent == self._parent.id
        run = start_run(run_id=recorded.id, parent=self._parent if of_this else None)
        current = ActiveRun(run, _held(recorded))
        try:
            current.best_epochs += _best_epochs(recorded, trial, self._tuner.oracle.objective)
            log_hyperparameters(current, trial.hyperparameters.values)
            log_result(current, trial, trial.status)
            if trial.status == "COMPLETED":
                TunerCheckpoint(self._tuner, trial.trial_id).log(run, OF_TRIAL)
            if (
                trial.status == "FAILED"
                and trial.message
                and not current.held.lines.issuperset(trial.message.split("\n"))
            ):
                run.log_lines(trial.message, stream="stderr")
        finally:
            current.close(status=ended_as(trial.status))


def _has_ended(directory: Path) -> bool:
    """Return True if the last record of a run's journal is its end; a cheap check, since most runs have ended."""
    path = segment_path(directory, last_segment(directory))
    if not path.exists():
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 1024))
        last = decode_or_none(file.read().rstrip(b"\n").rpartition(b"\n")[2])
    return isinstance(last, End) and last.status in ("finished", "failed")


def _held(recorded: RecordedRun) -> AlreadyRecorded:
    metrics: dict[str, float] = {}
    lines: set[str] = set()
    for record in recorded.records():
        if isinstance(record, Metric) and record.step is None:
            metrics.update(record.numbers)
        elif isinstance(record, Lines):
            lines.update(record.lines)
    return AlreadyRecorded(metrics, recorded.summary().tags, frozenset(lines))


def _best_epochs(recorded: RecordedRun, trial: Any, objective: Any) -> list[int]:
    """Return the best epoch of a completed trial with one execution, as found by :class:`.epochs.Epochs`."""
    epochs = Epochs(objective)
    for record in recorded.records():
        if isinstance(record, Metric) and record.step is not None:
            epochs(0, record.step, record.step, record.numbers)
    return epochs.best() if trial.status == "COMPLETED" else []
