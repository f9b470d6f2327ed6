"""Describe a search in its own run: the search space, the settings, and the best trial so far."""

from __future__ import annotations

import json
from typing import Any, Final

from multitrack.journal.segments import last_segment
from multitrack.keras.guard import guarded
from multitrack.keras.sections import log_section
from multitrack.keras_tuner import internals
from multitrack.keras_tuner.checkpoint import OF_BEST_TRIAL, TunerCheckpoint
from multitrack.keras_tuner.notes import Notes
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.run import Run

#: Settings of KerasTuner's oracles that are recorded; each oracle has some of them.
_SETTINGS: Final = (
    "max_trials", "max_retries_per_trial", "max_consecutive_failed_trials", "seed", "tune_new_entries",
    "allow_new_entries", "num_initial_points", "alpha", "beta", "max_epochs", "factor", "hyperband_iterations",
)  # fmt: skip


class SearchDescription:
    """Keeps the search's run up to date. Values that the run already holds are not recorded again.

    Args:
        tuner: The KerasTuner tuner.
        run: The search's run.
        notes: The notes on the search.
    """

    def __init__(self, tuner: Any, run: Run, notes: Notes) -> None:
        self._tuner = tuner
        self._run = self.guarding_run = run
        self._notes = notes
        self._best: tuple[dict[str, str], float | None] = ({}, None)
        self._read_best()

    @guarded
    def _read_best(self) -> None:
        """Read the recorded best trial from the search's run, if it continues an earlier process."""
        if self._run.directory is not None and last_segment(self._run.directory) > 1:
            summary = RecordedRun(self._run.directory).summary()
            tags = {name: value for name, value in summary.tags.items() if name in ("best_trial", "best_run")}
            self._best = tags, summary.metrics.get("best_score")

    @guarded
    def describe(self) -> None:
        """Record the settings and the search space, which grows as trials find new hyperparameters."""
        tuner, oracle = self._tuner, self._tuner.oracle
        objective = oracle.objective
        params: dict[str, Any] = {
            "tuner": type(tuner).__name__,
            "oracle": type(oracle).__name__,
            "project_name": tuner.project_name,
            "objective": getattr(objective, "name", None),
            "direction": getattr(objective, "direction", None),
            "executions_per_trial": getattr(tuner, "executions_per_trial", 1),
        }
        for name, direction in internals.directions(objective).items():
            params[f"objectives/{name}"] = direction
        params.update({name: getattr(oracle, name, None) for name in _SETTINGS})
        self._log({name: value for name, value in params.items() if value is not None})
        self._describe_space(oracle)

    @guarded
    def _describe_space(self, oracle: Any) -> None:
        params: dict[str, Any] = {}
        spaces: dict[str, list[Any]] = {}
        for entry in oracle.get_space().get_config()["space"]:
            spaces.setdefault(entry["config"]["name"], []).append(entry)
        for name, entries in spaces.items():  # several entries: one name under several conditions
            params[f"space/{name}"] = json.dumps(entries[0] if len(entries) == 1 else entries, sort_keys=True)
        self._log(params)

    def _log(self, params: dict[str, Any]) -> None:
        try:
            log_section(self._run, "search", params)
        except (TypeError, ValueError):  # one by one, so that an invalid param does not cost the others
            for name, value in params.items():
                self._log_one(name, value)

    @guarded
    def _log_one(self, name: str, value: Any) -> None:
        log_section(self._run, "search", {name: value})

    @guarded
    def name_best(self) -> None:
        """Record the best completed trial, its run and its score, if they have changed."""
        best = next(iter(self._tuner.oracle.get_best_trials(1)), None)
        if best is None or best.status != "COMPLETED" or best.score is None:
            return
        named, score = self._best
        if (best.trial_id, best.score) == (named.get("best_trial"), score):  # NaN is no best score
            return
        attempts = self._notes.attempts(best.trial_id)
        tags = {"best_trial": best.trial_id, **({"best_run": attempts[-1]} if attempts else {})}
        if tags != named:
            self._run.set_tags(tags)
        if best.score != score:
            self._run.log_metric("best_score", best.score)
        self._best = tags, best.score

    def refer_to_best(self) -> None:
        """Record a reference to the weights of the best trial, if KerasTuner keeps them; at the end of the search."""
        trial_id = self._best[0].get("best_trial")
        if trial_id is not None:
            TunerCheckpoint(self._tuner, trial_id).log(self._run, OF_BEST_TRIAL)
