"""Logged models of MLflow 3: one file a model, with its tags, params and metrics.

Their files lie in the artifact store, where MLflow's client puts them.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from typing import Any

import msgspec
from mlflow.entities import Metric
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.uri import append_to_uri_path

from multitrack_mlflow import internals
from multitrack_mlflow.store.entities import text_of
from multitrack_mlflow.store.errors import invalid, not_found
from multitrack_mlflow.store.files import Files, read, write


class ModelNote(msgspec.Struct):
    """The file of a logged model.

    Attributes:
        model: The fields of MLflow's ``LoggedModel`` but its metrics.
        metrics: The fields of its metrics.
        stage: ``active`` or ``deleted``.
    """

    model: dict[str, Any]
    metrics: list[dict[str, Any]] = []
    stage: str = "active"


class LoggedModels:
    """The logged models of a journal.

    Args:
        files: The store's files.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    def create(self, fields: dict[str, Any], location: str, tags: Iterable[Any], params: Iterable[Any]) -> Any:
        """Create a model that is not ready yet.

        Args:
            fields: Experiment id, name, source run and type.
            location: The URI below which the experiment keeps its artifacts.
            tags: Its tags.
            params: Its params.
        """
        internals.validate("logged_model_name", fields["name"])
        for param in params:
            internals.validate("param", param.key, param.value)
        now = int(time.time() * 1000)
        model_id = f"m-{uuid.uuid4().hex}"
        model = {
            **fields, "name": fields["name"] or internals.random_name(), "model_id": model_id,
            "artifact_location": str(append_to_uri_path(location, "models", model_id, "artifacts")),
            "creation_timestamp": now, "last_updated_timestamp": now, "status": _status("PENDING").to_int(),
            "tags": {tag.key: text_of(tag.value) for tag in tags},
            "params": {param.key: text_of(param.value) for param in params},
        }  # fmt: skip
        with self._files.changing():
            write(self._files.model(model_id), ModelNote(model))
        return self.get(model_id)

    def get(self, model_id: str, *, deleted: bool = False) -> Any:
        """Read a model.

        Raises:
            MlflowException: If there is none, or it was deleted and ``deleted`` is False.
        """
        return _entity(self._note(model_id, deleted=deleted))

    def finalize(self, model_id: str, status: Any) -> Any:
        """Set a model's status."""
        note = self._note(model_id)
        note.model["status"] = status.to_int()
        self._changed(note)
        return self.get(model_id)

    def delete(self, model_id: str) -> None:
        """Mark a model as deleted."""
        note = self._note(model_id)
        note.stage = "deleted"
        self._changed(note)

    def set_tags(self, model_id: str, tags: Iterable[Any]) -> None:
        """Set tags of a model."""
        with self._files.changing():
            note = self._note(model_id)
            for tag in tags:
                internals.validate("tag_name", tag.key)
                note.model["tags"][tag.key] = text_of(tag.value)
            write(self._files.model(model_id), note)

    def delete_tag(self, model_id: str, key: str) -> None:
        """Delete a tag of a model."""
        with self._files.changing():
            note = self._note(model_id)
            if note.model["tags"].pop(key, None) is None:
                raise not_found(f"No tag with key {key!r} found for model with ID {model_id!r}.")
            write(self._files.model(model_id), note)

    def log_params(self, model_id: str, params: Iterable[Any]) -> None:
        """Add params to a model."""
        with self._files.changing():
            note = self._note(model_id)
            for param in params:
                internals.validate("param", param.key, param.value)
                note.model["params"][param.key] = text_of(param.value)
            write(self._files.model(model_id), note)

    def log_metrics(self, run_id: str, metrics: Iterable[Any]) -> None:
        """Add those metrics of a run that belong to a model."""
        for metric in metrics:
            model_id = getattr(metric, "model_id", None)
            if model_id is None:
                continue
            with self._files.changing():
                note = self._note(model_id)
                note.metrics.append({
                    "key": metric.key, "value": repr(float(metric.value)), "timestamp": int(metric.timestamp),
                    "step": int(metric.step), "model_id": model_id, "dataset_name": metric.dataset_name,
                    "dataset_digest": metric.dataset_digest, "run_id": run_id,
                })  # fmt: skip
                write(self._files.model(model_id), note)

    def search(
        self,
        experiment_ids: list[str],
        filter_string: str | None,
        datasets: list[dict[str, Any]] | None,
        max_results: int | None,
        order_by: list[dict[str, Any]] | None,
        page_token: str | None,
    ) -> PagedList[Any]:
        """Search models with MLflow's own filters; the arguments are those of its store."""
        from mlflow.utils.search_utils import SearchLoggedModelsUtils  # noqa: PLC0415 - MLflow 3

        if datasets and not all(each.get("dataset_name") for each in datasets):
            raise invalid("`dataset_name` in the `datasets` clause must be specified.")
        paths = sorted(self._files.models.glob("*.json")) if self._files.models.is_dir() else []
        notes = [note for path in paths if (note := read(path, ModelNote)) is not None and note.stage == "active"]
        found = [_entity(note) for note in notes if str(note.model["experiment_id"]) in set(map(str, experiment_ids))]
        found = SearchLoggedModelsUtils.filter_logged_models(found, filter_string, datasets)
        found = SearchLoggedModelsUtils.sort(found, order_by)
        return PagedList(*SearchLoggedModelsUtils.paginate(found, page_token, max_results or 100))

    def _note(self, model_id: str, *, deleted: bool = False) -> ModelNote:
        note = read(self._files.model(model_id), ModelNote)
        if note is None or (note.stage == "deleted" and not deleted):
            raise not_found(f"Logged model with ID '{model_id}' not found.")
        return note

    def _changed(self, note: ModelNote) -> None:
        with self._files.changing():
            note.model["last_updated_timestamp"] = int(time.time() * 1000)
            write(self._files.model(note.model["model_id"]), note)


def _entity(note: ModelNote) -> Any:
    from mlflow.entities import LoggedModel  # noqa: PLC0415 - MLflow 3

    latest: dict[tuple[Any, ...], tuple[tuple[int, int, float], dict[str, Any]]] = {}
    for fields in note.metrics:
        fields = {**fields, "value": float(fields["value"])}
        of = (fields["key"], fields["dataset_name"], fields["dataset_digest"])
        point = (fields["step"], fields["timestamp"], fields["value"])
        if of not in latest or point > latest[of][0]:
            latest[of] = (point, fields)
    return LoggedModel(**note.model, metrics=[Metric(**fields) for _, fields in latest.values()])


def _status(name: str) -> Any:
    from mlflow.entities import LoggedModelStatus  # noqa: PLC0415 - MLflow 3

    return LoggedModelStatus[name]
