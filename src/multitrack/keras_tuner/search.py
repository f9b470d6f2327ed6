"""Record one search as runs: a parent, a child per trial attempt, and a grandchild per execution if there are several.

Everything runs on the thread that searches. Only :meth:`Search.begin` raises (an invalid config, before any trial).
Every other error is set aside in a run, since KerasTuner would count it as a failure of the trial.

In a distributed search the chief has the parent run, and the workers the trials' (:mod:`.distributed`).
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from multitrack.journal.run_ids import new_run_id
from multitrack.keras import TrackingCallback
from multitrack.keras.guard import guarded, put_aside
from multitrack.keras_tuner import distributed
from multitrack.keras_tuner.checkpoint import OF_TRIAL, TunerCheckpoint
from multitrack.keras_tuner.execution import Execution
from multitrack.keras_tuner.lost_workers import Heartbeat, LostWorkers
from multitrack.keras_tuner.notes import Notes
from multitrack.keras_tuner.parent_run import ParentRun
from multitrack.keras_tuner.recovery import Interrupted
from multitrack.keras_tuner.search_run import SearchDescription
from multitrack.keras_tuner.trial import ActiveRun, ended_as, log_hyperparameters, log_result, status_of
from multitrack.recording.active import disabled_run
from multitrack.recording.run import Run
from multitrack.recording.start import start_run

log = logging.getLogger("multitrack")


class Search:
    """The runs of one tuner. Created at its first ``search()`` and used again by later ones.

    Args:
        tuner: The KerasTuner tuner.

    Attributes:
        parent: The search's run: the active run, or a run of its own.
        runs: The run of each trial's last attempt in this process, by trial id.
        in_execution: True while a training of a trial is in progress.
    """

    guarding_name = "KerasTuner search"

    def __init__(self, tuner: Any) -> None:
        self._tuner = tuner
        self._worker = distributed.worker_id()
        self.parent = disabled_run()
        self.runs: dict[str, Run] = {}
        self._owned = False
        self._summary: SearchDescription | None = None  # of the parent run, if it is of this process
        self._begun: Any = None  # KerasTuner's trial once it has begun, even if its run could not start
        self._trial: ActiveRun | None = None
        self._checkpoint: TunerCheckpoint | None = None  # of the trial
        self._execution: Execution | None = None
        self._callback: TrackingCallback | None = None  # of a trial without executions
        self.in_execution = False
        self._said_dropped = False
        self._notes = Notes(lambda: str(tuner.project_dir), self._worker)
        self._notes_restorer: distributed.NotesRestorer | None = None
        self._heartbeat: Heartbeat | None = None

    @property
    def guarding_run(self) -> Run:
        """The run that errors are set aside in."""
        return self._trial.run if self._trial is not None and self._summary is None else self.parent

    # -- the search -------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Find the search's run, or start it.

        Raises:
            ConfigError, BackendNotInstalledError, PluginError, JournalError: As ``start_run`` does.
        """
        self._summary, self._said_dropped = None, False
        trouble: Exception | None = None
        try:
            self._notes.load()
        except (ValueError, OSError) as error:
            trouble = error
        chief = distributed.chiefs_notes(self._tuner, self._notes) if self._worker is not None else None
        found = ParentRun.of_chief(chief, self._notes) if chief else ParentRun.find(self._tuner, self._notes)
        self.parent, self._owned, trouble = found.run, found.owned, found.trouble or trouble
        recording = chief is not None or not self.parent.disabled
        self._notes.journal = Path(self.parent.settings.journal) if recording else None
        if trouble is not None:
            put_aside(self.parent, "the search's multitrack.json", trouble)
        if chief is not None and self._worker is not None:
            self._heartbeat = Heartbeat(self._notes, self._worker, chief.worker_timeout)
            return
        self._notes.own.parent, self._notes.own.owned, self._notes.own.begun = self.parent.id, self._owned, True
        self._notes.own.project = self.parent.project
        self._notes.own.worker_timeout = self.parent.settings.worker_timeout if distributed.is_chief() else None
        self._save_notes()
        self._summary = SearchDescription(self._tuner, self.parent, self._notes)
        self._complete_interrupted()
        self._summary.describe()
        if distributed.is_chief():
            self._notes_restorer = distributed.NotesRestorer(self._notes)

    @guarded
    def _complete_interrupted(self) -> None:
        if self._notes.journal is not None:
            Interrupted(self._tuner, self.parent, self._notes).complete()

    def serving(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which KerasTuner searches; the chief looks after its workers in it."""
        if self._notes_restorer is None or self._notes.journal is None:  # not the chief, or nothing is recorded
            return contextlib.nullcontext()
        return LostWorkers(self._tuner, self.parent, self._notes, self.parent.settings.worker_timeout).watched()

    def end(self, error: BaseException | None = None) -> None:
        """End the open runs, including the search's run if the search started it."""
        if self._notes_restorer is not None:
            self._notes_restorer.stop()
        if self._heartbeat is not None:
            self._heartbeat.stop()
        if error is None:
            self._end_left_open()
        else:
            self._note_hyperparameters()
        for unfinished in (None if self._execution is None else self._execution.own, self._trial):
            if unfinished is not None:
                self._close(unfinished, error or RuntimeError("the search ended before this trial did"))
        self._execution = self._trial = self._begun = None
        if self._summary is not None:
            self._summary.describe()
            self._summary.name_best()
            self._summary.refer_to_best()
        else:  # in a worker: the chief may be gone once it knows that this worker is done
            self._complete_interrupted()
        if self._owned:
            self._close(ActiveRun(self.parent), error)

    @guarded
    def _close(self, unfinished: ActiveRun, error: BaseException | None) -> None:
        unfinished.close(error)

    # -- a trial ----------------------------------------------------------------------------------------------

    @guarded
    def begin_trial(self, trial: Any) -> None:
        """Start the run of one attempt, unless it has already begun."""
        if self._begun is trial:
            return
        self._end_left_open()
        self._begun = trial
        run_id, number = self._next_attempt(trial.trial_id)
        name = f"trial-{trial.trial_id}" + (f"-a{number}" if number > 1 else "")
        tags = {"keras_tuner/trial": trial.trial_id, "keras_tuner/attempt": number}
        if self._worker is not None:
            tags["keras_tuner/tuner_id"] = self._worker
        run = self._start(name, self.parent, run_id, tags)
        self.runs[trial.trial_id] = run
        self._trial, self._checkpoint, self._callback = ActiveRun(run), None, None
        steering = log_hyperparameters(self._trial, trial.hyperparameters.values)
        earlier = self._notes.attempts(steering["tuner/trial_id"]) if "tuner/trial_id" in steering else ()
        if earlier:  # Hyperband continues a trial as a new one
            run.set_tags({"keras_tuner/parent_trial_run": earlier[-1]})
        self._checkpoint = TunerCheckpoint(self._tuner, trial.trial_id)

    def _next_attempt(self, trial_id: str) -> tuple[str, int]:
        try:
            return self._notes.begin(trial_id)
        except OSError as error:
            put_aside(self.guarding_run, "the search's multitrack.json", error)
            attempts = self._notes.attempts(trial_id)
            return attempts[-1], len(attempts)

    @guarded
    def keep_notes(self) -> None:
        """Restore the notes before the trial ends: a worker that retries it must find this attempt."""
        if self._worker is not None:
            self._notes.keep()

    @guarded
    def end_trial(self, trial: Any, *, raised: bool = True) -> None:
        """Record the result of the attempt, and end its run.

        Args:
            trial: KerasTuner's trial, after the oracle has ended it.
            raised: True if the attempt may have raised. If False, the trial's message is that of an earlier attempt.
        """
        current, self._trial, self._begun = self._trial, None, None
        if current is None:
            return
        status = trial.status
        try:
            # The oracle's trial, since in a distributed search ``trial`` is a copy without a score.
            final = self._tuner.oracle.get_trial(trial.trial_id)
            status = status_of(trial, final)
            if self._summary is None:
                final = distributed.with_exact_score(self._tuner, final)
            log_hyperparameters(current, final.hyperparameters.values)
            log_result(current, final, status)
            if status == "COMPLETED" and not current.executions and not current.run.disabled:
                self._say_untracked(current.run)
            if self._checkpoint is not None and self._checkpoint.is_new():
                self._checkpoint.log(current.run, OF_TRIAL)
            # In a distributed search the oracle's trial has no message.
            message = (trial.message or final.message) if raised else None
            if status != "COMPLETED":
                message = message or f"KerasTuner counts this attempt as {status}: its score is {final.score}"
                current.run.log_lines(message, stream="stderr")
        finally:
            current.close(status=ended_as(status))
        if self._summary is not None:
            self._summary.name_best()

    @guarded
    def _note_hyperparameters(self) -> None:
        """Record the hyperparameters that an interrupted trial has used so far."""
        if self._trial is not None and self._begun is not None:
            log_hyperparameters(self._trial, self._begun.hyperparameters.values)

    def _end_left_open(self) -> None:
        """End a trial left open by a subclass that does not call our ``on_trial_end``."""
        if self._begun is not None:
            self.end_trial(self._begun)

    @guarded
    def log_epoch(self, model: Any, epoch: int, logs: Any) -> None:
        """Record an epoch that a custom ``run_trial`` reports to the tuner."""
        current = self._trial
        if current is None or self.in_execution:
            return
        if self._callback is None:
            self._callback = TrackingCallback(current.run)
        self._callback.set_model(model)
        self._callback.on_epoch_end(epoch, logs)

    # -- an execution -----------------------------------------------------------------------------------------

    @guarded
    def begin_execution(self, callbacks: Iterable[Any]) -> list[Any] | None:
        """Start one training of the trial, and return its callbacks with a tracking callback added."""
        self.in_execution = True
        current = self._trial
        if current is None:
            return None
        current.executions += 1
        own = None
        if getattr(self._tuner, "executions_per_trial", 1) > 1:
            tags = {"keras_tuner/execution": current.executions}
            name = f"{current.run.name}-e{current.executions}"
            own = ActiveRun(self._start(name, current.run, new_run_id(), tags))
        self._execution = Execution(current, own, self._tuner.oracle.objective, callbacks)
        return self._execution.callbacks

    @guarded
    def end_execution(self, result: Any, error: BaseException | None = None) -> None:
        """End the training, with a result or an error."""
        execution, self._execution, self.in_execution = self._execution, None, False
        if execution is not None:
            dropped = error is None and execution.has_dropped_callbacks
            execution.end(result, error)
            if dropped and not self._said_dropped:
                self._say_dropped()

    def _say_untracked(self, run: Run) -> None:
        """Warn that a custom ``run_trial`` trains the hypermodel itself and has recorded no epochs."""
        if self._said_dropped or getattr(self._tuner, "hypermodel", None) is None or run.integration.has_series:
            return
        self._said_dropped = True
        text = (
            f"{run.name}: {type(self._tuner).__name__}.run_trial() trains by itself, so its epochs are not recorded: "
            "call super().run_trial() or self.on_epoch_end() there, or pass a TrackingCallback() to model.fit()"
        )
        log.warning("multitrack: %s", text)
        run.log_lines(text)

    def _say_dropped(self) -> None:
        """Warn that a custom ``fit`` has not passed its callbacks on, so that a trial has no epochs."""
        self._said_dropped = True
        model = self._tuner.hypermodel
        who = type(self._tuner if model is None else model).__name__
        name = self._trial.run.name if self._trial is not None else "a trial"
        text = (
            f"{name}: {who}.fit() does not pass its callbacks on, so its epochs are not recorded, and KerasTuner keeps "
            "no weights: let it take **kwargs, and train with model.fit(*args, **kwargs) or callbacks=callbacks"
        )
        log.warning("multitrack: %s", text)
        self.guarding_run.log_lines(text)

    # -- inside -----------------------------------------------------------------------------------------------

    def _start(self, name: str, parent: Run, run_id: str, tags: dict[str, Any]) -> Run:
        run = start_run(name=name, parent=parent, group=self._notes.own.search, run_id=run_id, tags=tags)
        run.integration.warn_as(self.parent.integration)  # once per search, not per trial
        return run

    @guarded
    def _save_notes(self) -> None:
        self._notes.save()
