"""MLflow's tracking store over a journal: ``MLFLOW_TRACKING_URI=multitrack:///path/to/.multitrack``."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from typing import Any

from mlflow.entities import LifecycleStage, Run, RunInfo, RunStatus, RunTag
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_MAX_RESULTS_THRESHOLD
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_MODELS, MLFLOW_RUN_NAME
from mlflow.utils.search_utils import SearchUtils
from mlflow.utils.uri import resolve_uri_if_local

from multitrack.journal.deletion import Deletion, delete, is_deleted, restore
from multitrack_mlflow import internals
from multitrack_mlflow.store import writing
from multitrack_mlflow.store.entities import artifacts_of, contexts, run_of, text_of
from multitrack_mlflow.store.errors import invalid, not_found, translated, wrong_state
from multitrack_mlflow.store.experiment_calls import ExperimentCalls
from multitrack_mlflow.store.experiments import Experiments
from multitrack_mlflow.store.files import Files, journal_of
from multitrack_mlflow.store.inputs import log_inputs, log_outputs
from multitrack_mlflow.store.logged_models import LoggedModels
from multitrack_mlflow.store.metrics import Histories
from multitrack_mlflow.store.model_calls import ModelCalls
from multitrack_mlflow.store.notes import RunNotes
from multitrack_mlflow.store.run_state import RunState, RunStates
from multitrack_mlflow.store.unsupported import Unsupported


class MultitrackStore(ExperimentCalls, ModelCalls, Unsupported, AbstractStore):  # type: ignore[misc]
    """A tracking store that keeps runs in a journal of multitrack.

    Args:
        store_uri: The tracking URI.
        artifact_uri: Where a server keeps artifacts; ``mlflow-artifacts:`` only stands for the server itself, and
            the artifacts lie beside the journal.
    """

    def __init__(self, store_uri: str | None = None, artifact_uri: str | None = None) -> None:
        super().__init__()
        with translated():
            journal = journal_of(store_uri)
        self._files = Files(journal)
        self._states = RunStates(journal)
        if not artifact_uri or artifact_uri.startswith("mlflow-artifacts:"):
            artifact_uri = self._files.artifacts.as_uri()
        self._experiments = Experiments(self._files, self._states, resolve_uri_if_local(artifact_uri))
        self._models = LoggedModels(self._files)
        self._histories = Histories()

    # Runs

    def create_run(self, experiment_id: str, user_id: str, start_time: int, tags: Any, run_name: str | None) -> Run:
        """Start a run; the configured backends get it, too."""
        experiment_id = "0" if experiment_id is None else str(experiment_id)
        note = self._experiments.note(experiment_id)
        if note.stage != LifecycleStage.ACTIVE:
            raise wrong_state(f"Could not create run under non-active experiment with ID {experiment_id}.")
        given = {tag.key: text_of(tag.value) for tag in tags or ()}
        named = given.get(MLFLOW_RUN_NAME)
        if run_name and named and run_name != named:
            raise invalid(
                "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
                f"(run_name='{run_name}', mlflow.runName='{named}')."
            )
        given[MLFLOW_RUN_NAME] = run_name or named or internals.random_name()
        run_id = uuid.uuid4().hex
        writing.create(self._files.journal, run_id, note.project, given, given[MLFLOW_RUN_NAME])
        state = self._states.get(run_id)
        artifacts = artifacts_of(self._experiments.artifacts(experiment_id, note), run_id)

        def begin(notes: RunNotes) -> None:
            notes.experiment, notes.user, notes.started, notes.artifacts = experiment_id, user_id, start_time, artifacts

        state.notes.change(self._files, begin)
        return self._entity(state)

    def get_run(self, run_id: str) -> Run:
        """Return a run, deleted or not; also one that multitrack recorded itself."""
        return self._entity(self._state(run_id))

    def update_run_info(self, run_id: str, run_status: Any, end_time: int | None, run_name: str | None) -> RunInfo:
        """Set the status, the end and the name of a run."""
        state = self._active(run_id)
        status = None if run_status is None else RunStatus.to_string(run_status)
        if run_name and run_name != state.shown_tags().get(MLFLOW_RUN_NAME):
            self.set_tag(run_id, RunTag(MLFLOW_RUN_NAME, run_name))

        def change(notes: RunNotes) -> None:
            notes.scheduled, notes.closed = status == "SCHEDULED", status in writing.ENDED
            notes.ended = (
                end_time if status in ("RUNNING", "SCHEDULED") else notes.ended if end_time is None else end_time
            )

        if status in ("RUNNING", "SCHEDULED"):
            writing.resume(state)
        elif status is not None:
            writing.end(state, status)
        if status is not None:  # only now: another process may write the run, and refuse
            state.notes.change(self._files, change)
        return self._entity(state.read_on()).info

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted; its journal stays."""
        state = self._state(run_id)
        with translated():
            delete(state.directory, Deletion(int(time.time() * 1000)))

    def restore_run(self, run_id: str) -> None:
        """Restore a deleted run."""
        state = self._state(run_id)
        with translated():
            restore(state.directory)

    def _search_runs(
        self,
        experiment_ids: list[str],
        filter_string: str | None,
        run_view_type: Any,
        max_results: int,
        order_by: list[str] | None,
        page_token: str | None,
    ) -> tuple[list[Run], str | None]:
        if max_results > SEARCH_MAX_RESULTS_THRESHOLD:
            raise invalid(
                f"Invalid value {max_results} for parameter 'max_results' supplied. "
                f"It must be at most {SEARCH_MAX_RESULTS_THRESHOLD}"
            )
        wanted, known = set(map(str, experiment_ids)), self._experiments.all()
        stages = LifecycleStage.view_type_to_stages(run_view_type)
        runs = []
        for state in self._states.all():
            if self._experiments.of_run(state, known) in wanted:
                run = self._entity(state.read_on(), known)
                if run.info.lifecycle_stage in stages:
                    runs.append(run)
        runs = SearchUtils.sort(SearchUtils.filter(runs, filter_string), order_by)
        found, token = SearchUtils.paginate(runs, page_token, max_results)
        return found, token

    # What is logged

    def log_metric(self, run_id: str, metric: Any) -> None:
        """Record a point; it is in the journal when this returns."""
        internals.validate("metric", metric.key, metric.value, metric.timestamp, metric.step)
        self._log(run_id, metrics=[metric])

    def log_param(self, run_id: str, param: Any) -> None:
        """Record a param."""
        self._log(run_id, params=[internals.validate("param", param.key, param.value) or param])

    def set_tag(self, run_id: str, tag: Any) -> None:
        """Set a tag of a run."""
        self._log(run_id, tags=[internals.validate("tag", tag.key, tag.value) or tag])

    def delete_tag(self, run_id: str, key: str) -> None:
        """Delete a tag of a run; the journal keeps its records."""
        state = self._active(run_id)
        if key not in state.shown_tags():
            raise not_found(f"No tag with name: {key} in run with id {run_id}")
        state.notes.change(self._files, lambda notes: notes.removed.append(key))

    def log_batch(self, run_id: str, metrics: Any, params: Any, tags: Any) -> None:
        """Record points, params and tags."""
        metrics, params, tags = internals.validate("batch_log_data", metrics, params, tags) or (metrics, params, tags)
        internals.validate("batch_log_limits", metrics, params, tags)
        internals.validate("param_keys_unique", params)
        self._log(run_id, metrics, params, tags)

    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[Any]:
        """Return the points of a metric in the order in which they were logged."""
        internals.validate("metric_name", metric_key)
        return self._histories.page(self._state(run_id), metric_key, max_results, page_token)

    def log_inputs(self, run_id: str, datasets: Any = None, models: Any = None) -> None:
        """Record the inputs of a run; datasets become references in the journal."""
        log_inputs(self._files, self._active(run_id), datasets or [], models or [])

    def log_outputs(self, run_id: str, models: Any) -> None:
        """Record the logged models that a run made."""
        log_outputs(self._files, self._active(run_id), models or [])

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        """Record a model of MLflow 2 in the tag that its clients read."""
        from mlflow.models import Model  # noqa: PLC0415 - imports much, and only few clients call this

        if not isinstance(mlflow_model, Model):
            raise TypeError(f"Argument 'mlflow_model' should be mlflow.models.Model, got '{type(mlflow_model)}'")
        state = self._active(run_id)
        models = json.loads(state.shown_tags().get(MLFLOW_LOGGED_MODELS, "[]"))
        self._log(run_id, tags=[RunTag(MLFLOW_LOGGED_MODELS, json.dumps([*models, mlflow_model.get_tags_dict()]))])

    def _search_datasets(self, experiment_ids: list[str]) -> list[Any]:
        """Return name, digest and context of the datasets of experiments, for the filters of MLflow's page."""
        wanted, known, found = set(map(str, experiment_ids)), self._experiments.all(), set()
        for state in self._states.all():
            experiment_id = self._experiments.of_run(state, known)
            if experiment_id in wanted:
                found |= {(experiment_id, *each) for each in contexts(state.notes.get())}
        return [internals.dataset_summary(*each) for each in list(found)[:1000]]

    # Shared

    def _state(self, run_id: str) -> RunState:
        internals.validate("run_id", run_id)
        with translated():
            return self._states.get(run_id)

    def _active(self, run_id: str) -> RunState:
        """Return a run that may be changed.

        Raises:
            MlflowException: If it is deleted.
        """
        state = self._state(run_id)
        if is_deleted(state.directory) or self._experiments.is_deleted(self._experiments.of_run(state)):
            raise invalid(f"The run {run_id} must be in the 'active' state. Current state is deleted.")
        return state

    def _entity(self, state: RunState, known: Any = None) -> Run:
        experiment_id = self._experiments.of_run(state, known)
        note = self._experiments.note(experiment_id) if known is None else known[experiment_id]
        return run_of(
            state, experiment_id, self._experiments.artifacts(experiment_id, note), deleted=note.stage != "active"
        )

    def _log(
        self, run_id: str, metrics: Sequence[Any] = (), params: Sequence[Any] = (), tags: Sequence[Any] = ()
    ) -> None:
        state = self._active(run_id)
        values = {tag.key: text_of(tag.value) for tag in tags}
        with writing.writing(state) as run:
            if params:
                writing.log_params(run, state, {param.key: text_of(param.value) for param in params})
            writing.log_metrics(run, metrics)
            run.set_tags(values)
        if not set(values).isdisjoint(state.notes.get().removed):
            state.notes.change(self._files, lambda notes: notes.keep_tags(values))
        self._models.log_metrics(run_id, metrics)
