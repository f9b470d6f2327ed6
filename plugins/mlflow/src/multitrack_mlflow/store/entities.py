"""Runs as MLflow's objects."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Param, Run, RunData, RunInfo, RunInputs, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_RUN_NAME
from mlflow.utils.uri import append_to_uri_path

from multitrack.journal.deletion import is_deleted
from multitrack.journal.manifest import context_of
from multitrack_mlflow.store.metrics import metric_of
from multitrack_mlflow.store.notes import RunNotes
from multitrack_mlflow.store.run_state import RunState

try:  # MLflow 3
    from mlflow.entities import LoggedModelInput, LoggedModelOutput, RunOutputs
except ImportError:
    LoggedModelInput = LoggedModelOutput = RunOutputs = None


def run_of(state: RunState, experiment_id: str, artifacts: str, *, deleted: bool) -> Run:
    """A run as MLflow's object.

    Args:
        state: The run.
        experiment_id: Its experiment.
        artifacts: The URI below which the experiment's runs keep their artifacts.
        deleted: True if its experiment is deleted.
    """
    notes = state.notes.get()
    with state.lock:
        tags = state.shown_tags()
        name = state.tags.get(MLFLOW_RUN_NAME, state.manifest.name)  # stays when the tag is deleted
        data = RunData(
            metrics=[metric_of(key, point, state.id) for key, point in state.latest.items()],
            params=[Param(key, value) for key, value in state.params.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )
    info = _info(
        run_id=state.id, run_name=name, experiment_id=experiment_id,
        user_id=_user(state) if notes.user is None else notes.user, status=state.status(),
        start_time=state.manifest.created if notes.experiment is None else notes.started, end_time=state.ended(),
        lifecycle_stage="deleted" if deleted or is_deleted(state.directory) else "active",
        artifact_uri=notes.artifacts or artifacts_of(artifacts, state.id),
    )  # fmt: skip
    inputs = [_dataset_input(note.dataset, note.tags) for note in notes.datasets]
    if RunOutputs is None:
        return Run(info, data, RunInputs(dataset_inputs=inputs))
    return Run(
        info, data, RunInputs(dataset_inputs=inputs, model_inputs=[LoggedModelInput(each) for each in notes.models]),
        RunOutputs(model_outputs=[LoggedModelOutput(each, step) for each, step in notes.outputs.items()]),
    )  # fmt: skip


def artifacts_of(location: str, run_id: str) -> str:
    """The URI of a run's artifacts below its experiment's location."""
    return str(append_to_uri_path(location, run_id, "artifacts"))


def text_of(value: Any) -> str:
    """The text of a param or tag; clients send nothing for an empty one."""
    return "" if value is None else str(value)


def contexts(notes: RunNotes) -> set[tuple[str, str, str | None]]:
    """Name, digest and context of each dataset of a run."""
    return {
        (note.dataset["name"], note.dataset["digest"], note.tags.get(MLFLOW_DATASET_CONTEXT)) for note in notes.datasets
    }


def _user(state: RunState) -> str:
    context = context_of(state.directory, state.manifest)
    return "" if context is None else context.user


def _info(**fields: Any) -> RunInfo:
    if _has_old_id():
        fields["run_uuid"] = fields["run_id"]
    return RunInfo(**fields)


@functools.cache
def _has_old_id() -> bool:
    """Return True for MLflow 2, whose runs have their id twice."""
    return "run_uuid" in inspect.signature(RunInfo.__init__).parameters


def _dataset_input(dataset: dict[str, Any], tags: dict[str, str]) -> DatasetInput:
    return DatasetInput(Dataset(**dataset), [InputTag(key, value) for key, value in tags.items()])
