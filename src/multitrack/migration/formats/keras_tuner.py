"""Read the directory of a KerasTuner search that was not tracked: ``oracle.json`` and ``trial_*/trial.json``.

KerasTuner keeps no times and no curves: a trial has its hyperparameters, its score, and of each metric the value at its
best epoch, one for each execution (keras_tuner/engine/trial.py and metrics_tracking.py). The times here are those of
the files. Neither KerasTuner nor Keras is imported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, Source, SourceRecord, SourceRun
from multitrack.inputs.params import flatten_params
from multitrack.markers import hookimpl
from multitrack.records import KERAS_TUNER, ListMetric, Metric, Params, Status, Tags

_NAME: Final = "keras-tuner"
#: Statuses of a trial (keras_tuner/engine/trial.py). A trial that is running belongs to a search that was interrupted.
_STATUS: Final[dict[str, Status]] = {
    "COMPLETED": "finished",
    "INVALID": "failed",
    "FAILED": "failed",
    "STOPPED": "killed",
}


class KerasTunerPlugin:
    """Opens the directories of searches."""

    name = _NAME

    @hookimpl
    def open_source(self, address: str, tracker: str | None) -> Source | None:
        """Open a search's directory, or one with those of searches."""
        if tracker not in (None, _NAME) or not address.startswith("/"):
            return None
        found = _searches(Path(address))
        if not found and tracker is None:
            return None
        return KerasTunerSource(Path(address), found)


class KerasTunerSource:
    """The searches of a directory: each is a run, and its trials are its children.

    Args:
        directory: The directory.
        searches: The directories of the searches.

    Attributes:
        tracker: ``keras-tuner``.
        address: The directory.
        notes: That there are no times.

    Raises:
        SourceError: If there is no search.
    """

    tracker = _NAME
    notes = ("KerasTuner keeps no times and no curves: times are those of files, points those of best epochs",)

    def __init__(self, directory: Path, searches: list[Path]) -> None:
        self.address = str(directory)
        self._searches = searches
        self._records: dict[str, list[SourceRecord]] = {}
        if not searches:
            raise SourceError(f"{directory} is no directory of KerasTuner: there is no oracle.json in it")

    def runs(self) -> Iterator[SourceRun | Gap]:
        """Yield each search before its trials, in the order of their ids."""
        for search in self._searches:
            try:
                json.loads((search / "oracle.json").read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                yield Gap(f"{search / 'oracle.json'}: damaged or missing: {error}; the trials do not need it")
            trials: list[tuple[Path, dict[str, Any]]] = []
            for path in sorted(search.glob("trial_*/trial.json")):
                try:
                    trials.append((path, _read(path)))
                except (OSError, ValueError) as error:
                    yield Gap(f"{path}: {error}; it was not imported")
            yield self._search(search, trials)
            for path, trial in trials:
                yield self._trial(search, path, trial)

    def records(self, run: SourceRun) -> Iterator[SourceRecord]:
        """Yield the records of the run that was yielded last."""
        yield from self._records[run.id]

    def close(self) -> None:
        """Do nothing: every file is closed."""

    def _search(self, search: Path, trials: list[tuple[Path, dict[str, Any]]]) -> SourceRun:
        oracle = search / "oracle.json"
        last = _modified(oracle if oracle.is_file() else search)
        times = [_modified(path) for path, _ in trials] or [last]
        ended = max(*times, last)
        records: list[SourceRecord] = []
        scores = {
            str(trial["trial_id"]): float(trial["score"]) for _, trial in trials if _is_number(trial.get("score"))
        }
        if scores:
            ranked = sorted(scores, key=lambda name: scores[name], reverse=_direction(trials) == "max")
            records += [
                Metric(time=ended, values={"best_score": scores[ranked[0]]}),
                Tags(time=ended, values={"best_trial": ranked[0]}),
            ]
        is_over = all(str(trial.get("status")) in _STATUS for _, trial in trials)
        self._records = {search.name: records}
        return SourceRun(
            id=search.name, scope=str(search.parent), project=search.name, name=search.name, created=min(times),
            ended=ended, status="finished" if is_over else "running",
        )  # fmt: skip

    def _trial(self, search: Path, path: Path, trial: dict[str, Any]) -> SourceRun:
        name = str(trial["trial_id"])
        run = SourceRun(
            id=f"{search.name}-{name}", scope=str(search.parent), project=search.name, name=f"trial {name}",
            created=_modified(path), ended=_modified(path), status=_STATUS.get(str(trial.get("status")), "running"),
            parent=search.name,
        )  # fmt: skip
        self._records = {run.id: list(_records(trial))}
        return run


def _records(trial: dict[str, Any]) -> Iterator[SourceRecord]:
    yield Tags(time=0, values={"trial_id": str(trial["trial_id"])})
    hyperparameters = trial.get("hyperparameters")
    values = hyperparameters.get("values") if isinstance(hyperparameters, dict) else None
    if isinstance(values, dict) and values:
        flat = flatten_params(values, "hyperparameters")
        yield Params(time=0, values=flat.values, types=flat.types, source=KERAS_TUNER)
    for name, history in _metrics(trial):
        for observation in history:
            executions = observation.get("value")
            numbers = [value for value in executions if _is_number(value)] if isinstance(executions, list) else []
            step = observation.get("step")
            if not numbers or not isinstance(step, int):
                yield Gap(f"metric {name}: an observation without a value or step was left out")
                continue
            yield Metric(time=0, values={name: sum(numbers) / len(numbers)}, step=step)
            if len(numbers) > 1:
                yield ListMetric(time=0, name=f"{name}/executions", values=list(numbers))
    if _is_number(trial.get("score")):
        yield Metric(time=0, values={"score": trial["score"]})
    if isinstance(trial.get("best_step"), int):
        yield Metric(time=0, values={"best_step": trial["best_step"]})
    if trial.get("message"):
        yield Tags(time=0, values={"error": str(trial["message"])})


def _metrics(trial: dict[str, Any]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    tracked = trial.get("metrics")
    found = tracked.get("metrics") if isinstance(tracked, dict) else None
    for name, history in found.items() if isinstance(found, dict) else ():
        observations = history.get("observations") if isinstance(history, dict) else None
        yield str(name), [each for each in observations or () if isinstance(each, dict)]


def _direction(trials: list[tuple[Path, dict[str, Any]]]) -> str:
    """Whether a higher score is better: the direction of the metric whose value is the score."""
    for _, trial in trials:
        for name, history in _metrics(trial):
            values = [each.get("value") for each in history]
            if any(isinstance(value, list) and trial.get("score") in value for value in values):
                return str(trial["metrics"]["metrics"][name].get("direction", "min"))
    return "min"


def _searches(directory: Path) -> list[Path]:
    """The directories of searches: this one, or some in it."""
    found = (directory, *sorted(directory.glob("*/"))) if directory.is_dir() else ()
    return [each for each in found if (each / "oracle.json").is_file() or any(each.glob("trial_*/trial.json"))]


def _read(path: Path) -> dict[str, Any]:
    """Read a trial.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"damaged: {error}") from error
    if not isinstance(found, dict) or "trial_id" not in found:
        raise ValueError("damaged: no trial in it")
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _modified(path: Path) -> int:
    return path.stat().st_mtime_ns // 1_000_000


plugin = KerasTunerPlugin()
