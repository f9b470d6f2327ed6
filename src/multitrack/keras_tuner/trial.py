"""What is recorded of a trial: its hyperparameters, what came of it, and how its runs end."""

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
    """What a run has already: simple metrics, tags, lines."""

    metrics: Mapping[str, float] = MappingProxyType({})
    tags: Mapping[str, str] = MappingProxyType({})
    lines: frozenset[str] = frozenset()


class ActiveRun:
    """A run that is the active one until it is closed.

    Args:
        run: The run.
        held: What is not recorded again, where it was killed in the middle of its end.

    Attributes:
        run: The run.
        held: As given.
        best_epochs: Of the executions in it, where they are known.
        at_best: What the best epoch of its execution had, where it is the only one.
        executions: How many have begun in it.
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
        """End the run: with ``status``, or as ``error`` says, whose traceback goes into the lines."""
        self._active.close()
        if error is not None:
            status = ended_by(error)
            if status == "failed":
                self.run.log_lines("".join(traceback.format_exception(error)), stream="stderr")
        self.run.end(status)


def log_hyperparameters(current: ActiveRun, values: dict[str, Any]) -> dict[str, str]:
    """Hyperparameters as params; what the tuner steers itself by (``tuner/…``) as tags, given back.

    Called at the begin and again at the end, for conditional and fit-time ones appear in between.
    """
    run = current.run
    steering: dict[str, str] = {}
    for name, value in values.items():
        if name.startswith("tuner/"):
            steering[name] = str(value)
            continue
        try:
            run.log_params({name: value}, source=KERAS_TUNER)
        except Exception as error:  # noqa: BLE001 - one by one: its trouble must not cost the others
            put_aside(run, "hyperparameter", error)
    run.set_tags({name: value for name, value in steering.items() if current.held.tags.get(name) != value})
    return steering


def status_of(trial: Any, final: Any) -> str:
    """KerasTuner's status of an attempt that has just ended.

    Args:
        trial: What was run; its status says how it went.
        final: The oracle's own. In a distributed search another worker may be running it again already.
    """
    if final.status in _ENDED_AS and (trial.status == "COMPLETED" or final.status != "COMPLETED"):
        return str(final.status)
    return "INVALID" if trial.status == "COMPLETED" else str(trial.status)


def ended_as(status: str) -> Status:
    """How the run of an attempt ends that KerasTuner has given this status."""
    return _ENDED_AS.get(status, "killed")


def log_result(current: ActiveRun, trial: Any, status: str) -> None:
    """Status, and of a completed trial its score, best epoch and every metric's value at the best epoch."""
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
            # Of several numbers KerasTuner has the mean; each of them stands beside it.
            numbers.update({f"{name}/{key}": each for key, each in several(current.at_best.get(name)).items()})
    numbers.pop("score", None)
    if trial.score is not None:
        numbers["score"] = trial.score
    numbers.update(best_epoch(current.best_epochs))
    held = current.held.metrics
    log_numbers(run, {name: value for name, value in numbers.items() if name not in held}, None, "trial")


def best_epoch(epochs: list[int]) -> dict[str, float]:
    """The best epoch under its name, or the mean of those of several trainings."""
    if not epochs:
        return {}
    return {"best_epoch": epochs[0]} if len(epochs) == 1 else {"best_epoch_mean": sum(epochs) / len(epochs)}


def several(value: Any) -> dict[str, Any]:
    """The numbers of a metric that has several, by their place in it."""
    found, _ = numbers_in({"": value})
    return {name.removeprefix("/"): number for name, number in found.items() if name}


def ended_by(error: BaseException) -> Status:
    """How the runs of a search end that this exception cuts short."""
    return "killed" if isinstance(error, (KeyboardInterrupt, SystemExit)) else "failed"
