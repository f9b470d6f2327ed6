"""The calls of MLflow's store on logged models of MLflow 3."""

from __future__ import annotations

from typing import Any

from mlflow.entities import LifecycleStage
from mlflow.store.entities.paged_list import PagedList

from multitrack_mlflow.store.errors import wrong_state
from multitrack_mlflow.store.experiments import Experiments
from multitrack_mlflow.store.logged_models import LoggedModels


class ModelCalls:
    """The calls on logged models; the store sets the attributes."""

    _experiments: Experiments
    _models: LoggedModels

    def create_logged_model(
        self,
        experiment_id: str = "0",
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Any = None,
        params: Any = None,
        model_type: str | None = None,
    ) -> Any:
        """Create a logged model."""
        note = self._experiments.note(experiment_id)
        if note.stage != LifecycleStage.ACTIVE:
            raise wrong_state(f"Could not create model under non-active experiment with ID {experiment_id}.")
        fields = {
            "experiment_id": str(experiment_id), "name": name, "source_run_id": source_run_id, "model_type": model_type,
        }  # fmt: skip
        return self._models.create(
            fields, self._experiments.artifacts(str(experiment_id), note), tags or (), params or ()
        )

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> Any:
        """Return a logged model."""
        return self._models.get(model_id, deleted=allow_deleted)

    def finalize_logged_model(self, model_id: str, status: Any) -> Any:
        """Set the status of a logged model."""
        return self._models.finalize(model_id, status)

    def delete_logged_model(self, model_id: str) -> None:
        """Mark a logged model as deleted."""
        self._models.delete(model_id)

    def set_logged_model_tags(self, model_id: str, tags: Any) -> None:
        """Set tags of a logged model."""
        self._models.set_tags(model_id, tags)

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Delete a tag of a logged model."""
        self._models.delete_tag(model_id, key)

    def log_logged_model_params(self, model_id: str, params: Any) -> None:
        """Add params to a logged model."""
        self._models.log_params(model_id, params)

    def search_logged_models(
        self,
        experiment_ids: list[str],
        filter_string: str | None = None,
        datasets: list[dict[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: list[dict[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Any]:
        """Search logged models; the arguments are MLflow's."""
        return self._models.search(experiment_ids, filter_string, datasets, max_results, order_by, page_token)
