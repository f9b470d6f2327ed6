"""Record a trial: its hyperparameters, its result, and the end of its runs."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np

from multitrack.keras.guard import put_aside
from multitrack.keras.numbers import log_numbers, numbers_in
from multitrack.recording.run import Run
from multitrack.records import KERAS_TUNER, Status

_ENDED_AS: Final[dict[str, Status]] = {"COMPLETED": "finished", "INVALID": "failed", "FAILED": "failed"}


class AlreadyRecorded(NamedTuple):
    """The simple metrics, tags and lines that a run already holds."""

    metrics: Mapping[str, float] = MappingProxyType({})
    tags: Mapping[str, str] = MappingProxyType({})
    lines: frozenset[str] = frozenset()


class ActiveRun:
    """A run that stays the active run until it is closed.

    Args:
        run: The run.
        held: The records that are not repeated, after a kill in the middle of the run's end.

    Attributes:
        run: The run.
        held: As given.
        best_epochs: The best epochs of its executions, if known.
        at_best: The metrics of the best epoch, if it has a single execution.
        executions: The number of executions that have begun in it.
    """

    def __init__(self, run: Run, held: AlreadyRecorded = AlreadyRecorded()) -> None:  # noqa: B008 - immutable
        self.run = run
        self.held = held
        self.best_epochs: list[int] = []
        self.at_best: dict[str, Any] = {}
        self.executions = 0
        self._active = contextlib.ExitStack()
        self._active.enter_context(run.activate())

    def close(self, error: BaseException | None = None, status: Status = "finished") -> None:
        """End the run with ``status``, or with the status of ``error``, whose traceback is recorded if it failed."""
        self._active.close()
        if error is not None:
            status = ended_by(error)
            if status == "failed":
                self.run.log_lines("".join(traceback.format_exception(error)), stream="stderr")
        self.run.end(status)


def log_hyperparameters(current: ActiveRun, values: dict[str, Any]) -> dict[str, str]:
    """Record hyperparameters as params, and the tuner's own ``tuner/…`` values as tags, which are returned.

    Called at the start and again at the end, since conditional and fit-time hyperparameters appear in between.
    """
    run = current.run
    steering: dict[str, str] = {}
    for name, value in values.items():
        if name.startswith("tuner/"):
            steering[name] = str(value)
            continue
        try:
            run.log_params({name: value}, source=KERAS_TUNER)
        except Exception as error:  # noqa: BLE001 - one by one: an error must not cost the others
            put_aside(run, "hyperparameter", error)
    run.set_tags({name: value for name, value in steering.items() if current.held.tags.get(name) != value})
    return steering


def status_of(trial: Any, final: Any) -> str:
    """Return KerasTuner's status of an attempt that has just ended.

    Args:
        trial: The trial as it was run.
        final: The oracle's trial. In a distributed search another worker may already be running it again.
    """
    if final.status in _ENDED_AS and (trial.status == "COMPLETED" or final.status != "COMPLETED"):
        return str(final.status)
    return "INVALID" if trial.status == "COMPLETED" else str(trial.status)


def ended_as(status: str) -> Status:
    """Return the run status for KerasTuner's status of an attempt."""
    return _ENDED_AS.get(status, "killed")


def log_result(current: ActiveRun, trial: Any, status: str) -> None:
    """Record the status, and for a completed trial its score, best epoch and every metric's value at that epoch."""
    run = current.run
    if current.held.tags.get("keras_tuner/status") != status:
        run.set_tags({"keras_tuner/status": status})
    if status != "COMPLETED":  # a retried trial may still hold the metrics of an earlier attempt
        return
    numbers: dict[str, Any] = dict(current.at_best)
    for name, metric in trial.get_state()["metrics"]["metrics"].items():
        observed = {seen["step"]: np.mean(seen["value"]) for seen in metric["observations"]}
        if observed:
            numbers[name] = observed.get(trial.best_step, observed[max(observed)])
            # KerasTuner averages a metric of several numbers; they are recorded beside the mean.
            numbers.update({f"{name}/{key}": each for key, each in several(current.at_best.get(name)).items()})
    numbers.pop("score", None)
    if trial.score is not None:
        numbers["score"] = trial.score
    numbers.update(best_epoch(current.best_epochs))
    held = current.held.metrics
    log_numbers(run, {name: value for name, value in numbers.items() if name not in held}, None, "trial")


def best_epoch(epochs: list[int]) -> dict[str, float]:
    """Return ``best_epoch`` of a single training, or ``best_epoch_mean`` of several; empty if there is none."""
    if not epochs:
        return {}
    return {"best_epoch": epochs[0]} if len(epochs) == 1 else {"best_epoch_mean": sum(epochs) / len(epochs)}


def several(value: Any) -> dict[str, Any]:
    """Return the numbers of a metric with several numbers, by their index or key."""
    found, _ = numbers_in({"": value})
    return {name.removeprefix("/"): number for name, number in found.items() if name}


def ended_by(error: BaseException) -> Status:
    """Return the status of runs that end with this exception."""
    return "killed" if isinstance(error, (KeyboardInterrupt, SystemExit)) else "failed"
