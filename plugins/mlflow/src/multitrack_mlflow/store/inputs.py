"""Dataset inputs and model inputs and outputs of runs.

A dataset is recorded as a reference in the journal, so that multitrack's comparisons and lineage know it, and whole in
the run's notes, so that MLflow's clients get it back as they gave it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from multitrack_mlflow import internals
from multitrack_mlflow.store.files import Files
from multitrack_mlflow.store.notes import DatasetNote, RunNotes
from multitrack_mlflow.store.run_state import RunState
from multitrack_mlflow.store.writing import writing


def log_inputs(files: Files, state: RunState, datasets: Iterable[Any], models: Iterable[Any]) -> None:
    """Record the inputs of a run; those that it has already are left out."""
    notes = state.notes.get()
    known = {(note.dataset["name"], note.dataset["digest"]) for note in notes.datasets}
    new = []
    for each in datasets:
        dataset = each.dataset
        if (dataset.name, dataset.digest) not in known:
            known.add((dataset.name, dataset.digest))
            new.append(DatasetNote(dict(dataset), {tag.key: tag.value for tag in each.tags}))
    internals.validate("dataset_inputs", list(datasets))
    ids = [model.model_id for model in models]

    def change(notes: RunNotes) -> None:
        notes.datasets = [*notes.datasets, *new]
        notes.models = list(dict.fromkeys([*notes.models, *ids]))

    if new:
        with writing(state) as run:
            for note in new:
                name, digest = note.dataset["name"], note.dataset["digest"]
                run.log_artifact_ref(name, _address(note.dataset), "dataset", "input", digest=f"mlflow:{digest}")
    if new or ids:
        state.notes.change(files, change)


def log_outputs(files: Files, state: RunState, models: Iterable[Any]) -> None:
    """Record the logged models that a run made."""
    outputs = {model.model_id: model.step for model in models}

    def change(notes: RunNotes) -> None:
        notes.outputs = {**outputs, **notes.outputs}

    if outputs:
        state.notes.change(files, change)


def _address(dataset: dict[str, Any]) -> str:
    """The address of a dataset's source; MLflow keeps it in JSON of one of several shapes."""
    source = str(dataset["source"])
    with suppress(ValueError):
        found = json.loads(source)
        if isinstance(found, dict):
            for key in ("uri", "url", "path", "delta_table_name"):
                if isinstance(found.get(key), str) and found[key]:
                    return str(found[key])
    return f"mlflow-dataset:{dataset['source_type']}/{dataset['name']}"
