"""The calls of MLflow's store on experiments."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from mlflow.entities import LifecycleStage, ViewType
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_MAX_RESULTS_DEFAULT, SEARCH_MAX_RESULTS_THRESHOLD
from mlflow.utils.search_utils import SearchExperimentsUtils, SearchUtils
from mlflow.utils.uri import resolve_uri_if_local

from multitrack.journal.deletion import Deletion, delete, deletion_of, is_deleted, restore
from multitrack_mlflow import internals
from multitrack_mlflow.store.entities import text_of
from multitrack_mlflow.store.errors import invalid, translated
from multitrack_mlflow.store.experiments import Experiments
from multitrack_mlflow.store.run_state import RunState, RunStates


class ExperimentCalls:
    """The calls on experiments; the store sets the attributes."""

    _experiments: Experiments
    _states: RunStates

    def search_experiments(
        self,
        view_type: Any = ViewType.ACTIVE_ONLY,
        max_results: int = SEARCH_MAX_RESULTS_DEFAULT,
        filter_string: str | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Any]:
        """Search experiments; the arguments are MLflow's."""
        _check(max_results)
        stages = LifecycleStage.view_type_to_stages(view_type)
        found = [
            self._experiments.entity(each, note)
            for each, note in self._experiments.all().items()
            if note.stage in stages
        ]
        found = SearchExperimentsUtils.filter(found, filter_string)
        found = SearchExperimentsUtils.sort(found, order_by or ["creation_time DESC", "experiment_id ASC"])
        return PagedList(*SearchUtils.paginate(found, page_token, max_results))

    def create_experiment(self, name: str, artifact_location: str | None = None, tags: Any = None) -> str:
        """Create an experiment and return its id."""
        return self._experiments.create(
            name, resolve_uri_if_local(artifact_location) if artifact_location else None, tags or ()
        )

    def get_experiment(self, experiment_id: str) -> Any:
        """Return an experiment, deleted or not."""
        experiment_id = "0" if experiment_id is None else str(experiment_id)
        return self._experiments.entity(experiment_id, self._experiments.note(experiment_id))

    def get_experiment_by_name(self, experiment_name: str) -> Any:
        """Return an experiment, deleted or not; None if there is none of this name."""
        for each, note in self._experiments.all().items():
            if note.name == experiment_name:
                return self._experiments.entity(each, note)
        return None

    def delete_experiment(self, experiment_id: str) -> None:
        """Mark an experiment and its runs as deleted."""
        self._experiments.set_stage(experiment_id, "deleted")
        for state in self._runs_of(experiment_id):
            if not is_deleted(state.directory):
                with translated():
                    delete(state.directory, Deletion(int(time.time() * 1000), group=True))

    def restore_experiment(self, experiment_id: str) -> None:
        """Restore a deleted experiment, and the runs that were deleted with it."""
        self._experiments.set_stage(experiment_id, "active")
        for state in self._runs_of(experiment_id):
            mark = deletion_of(state.directory)
            if mark is not None and mark.group:
                with translated():
                    restore(state.directory)

    def _runs_of(self, experiment_id: str) -> Iterator[RunState]:
        known = self._experiments.all()
        for state in self._states.all():
            if self._experiments.of_run(state, known) == str(experiment_id):
                yield state

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Rename an experiment; its runs keep their project in the journal."""
        self._experiments.rename(experiment_id, new_name)

    def set_experiment_tag(self, experiment_id: str, tag: Any) -> None:
        """Set a tag of an experiment."""
        internals.validate("experiment_tag", tag.key, tag.value)
        self._experiments.set_tag(experiment_id, tag.key, text_of(tag.value))

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Delete a tag of an experiment."""
        self._experiments.delete_tag(experiment_id, key)


def _check(max_results: Any) -> None:
    if not isinstance(max_results, int) or max_results < 1:
        raise invalid(
            f"Invalid value {max_results} for parameter 'max_results' supplied. It must be a positive integer"
        )
    if max_results > SEARCH_MAX_RESULTS_THRESHOLD:
        raise invalid(
            f"Invalid value {max_results} for parameter 'max_results' supplied. "
            f"It must be at most {SEARCH_MAX_RESULTS_THRESHOLD}"
        )
