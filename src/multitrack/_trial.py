"""What is recorded of a trial: its hyperparameters, what came of it, and how its runs end."""

from __future__ import annotations

import contextlib
import traceback
from typing import Any

from keras_tuner.src.engine import tuner_utils  # how KerasTuner reads a result; it has no public name

from multitrack._guard import put_aside
from multitrack.records import Status
from multitrack.run import Run


class OpenRun:
    """A run that is the active one until it is closed.

    Attributes:
        run: The run.
        best_epochs: Of the executions in it, where they are known.
        executions: How many have begun in it.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.best_epochs: list[int] = []
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


def log_hyperparameters(run: Run, values: dict[str, Any]) -> dict[str, str]:
    """Hyperparameters as params; what the tuner steers itself by (``tuner/…``) as tags, given back.

    Called at the begin and again at the end, for conditional and fit-time ones appear in between.
    """
    steering: dict[str, str] = {}
    for name, value in values.items():
        if name.startswith("tuner/"):
            steering[name] = str(value)
            continue
        try:
            run.log_params({name: value})
        except Exception as error:  # noqa: BLE001 - one by one: its trouble must not cost the others
            put_aside(run, "hyperparameter", error)
    run.set_tags(steering)
    return steering


def log_result(current: OpenRun, trial: Any) -> None:
    """Status, and of a completed trial its score, best epoch and every metric's value at the best epoch."""
    run = current.run
    run.set_tags({"keras_tuner/status": trial.status})
    if trial.status != "COMPLETED":  # a retried trial may still hold the metrics of an earlier attempt
        return
    numbers: dict[str, float] = {}
    for name, history in trial.metrics.metrics.items():
        observed = {seen.step: seen.mean() for seen in history.get_history()}
        value = observed.get(trial.best_step, history.get_last_value())
        if value is not None:
            numbers[name] = value
    if trial.score is not None:
        numbers["score"] = trial.score
    epochs = current.best_epochs
    if epochs:
        numbers.update(
            {"best_epoch": epochs[0]} if len(epochs) == 1 else {"best_epoch_mean": sum(epochs) / len(epochs)}
        )
    run.log_metrics(numbers)


def ended_by(error: BaseException) -> Status:
    """How the runs of a search end that this exception cuts short."""
    return "killed" if isinstance(error, (KeyboardInterrupt, SystemExit)) else "failed"


def best_epoch(result: Any, objective: Any) -> int | None:
    """The epoch at which a ``History`` has its best objective; ``None`` where the result is no history.

    KerasTuner's ``best_step`` is an index into the history, which is not the epoch if training began at a later one.

    Args:
        result: What ``HyperModel.fit`` returned.
        objective: The search's.
    """
    epochs = getattr(result, "epoch", None)
    if not isinstance(epochs, list) or not epochs:
        return None
    return int(epochs[tuner_utils.get_best_step(result, objective)])
