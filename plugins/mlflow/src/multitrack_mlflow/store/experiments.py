"""Experiments: the projects of a journal, and those that MLflow's clients create.

A project that multitrack recorded itself is an experiment whose id follows from its name, so that it is the same in
each process without being written anywhere. What a client creates, renames, tags or deletes is kept in a file.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from mlflow.entities import Experiment, ExperimentTag
from mlflow.utils.uri import append_to_uri_path

from multitrack.journal.prepared import prepared
from multitrack_mlflow import internals
from multitrack_mlflow.store.entities import text_of
from multitrack_mlflow.store.errors import exists, invalid, not_found, wrong_state
from multitrack_mlflow.store.files import Files, read, write
from multitrack_mlflow.store.run_state import RunState, RunStates

#: Id and name of the experiment of runs without one, as in every store of MLflow.
DEFAULT: Final = "0"
DEFAULT_NAME: Final = "Default"


class ExperimentNote(msgspec.Struct):
    """One experiment.

    Attributes:
        name: Its name in MLflow.
        project: The project of its runs in the journal, which a new name does not change.
        created: Time of its creation (ms).
        updated: Time of its last change (ms).
        artifacts: The URI below which its runs keep their artifacts, if the client gave one.
        stage: ``active`` or ``deleted``.
        tags: Its tags.
    """

    name: str
    project: str
    created: int
    updated: int
    artifacts: str | None = None
    stage: str = "active"
    tags: dict[str, str] = {}


class ExperimentFile(msgspec.Struct):
    """The file: experiments by their ids."""

    experiments: dict[str, ExperimentNote] = {}


class Experiments:
    """The experiments of a journal.

    Args:
        files: The store's files.
        states: The journal's runs.
        root: The URI below which experiments keep artifacts.
    """

    def __init__(self, files: Files, states: RunStates, root: str) -> None:
        self._files = files
        self._states = states
        self._root = root
        self._opened = int(time.time() * 1000)
        self._stamp: tuple[int, int, int] | None = None
        self._read: dict[str, ExperimentNote] = {}

    def _kept(self) -> dict[str, ExperimentNote]:
        """The experiments of the file, in a new mapping; the file is read when it has changed."""
        try:
            found = self._files.experiments.stat()
        except FileNotFoundError:
            return {}
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if stamp != self._stamp:
            kept = read(self._files.experiments, ExperimentFile)
            self._read, self._stamp = {} if kept is None else kept.experiments, stamp
        return dict(self._read)

    def all(self) -> dict[str, ExperimentNote]:
        """All experiments by id: those of the file, the default one, and the other projects of the journal."""
        found = self._kept()
        if DEFAULT not in found:
            found[DEFAULT] = ExperimentNote(DEFAULT_NAME, DEFAULT_NAME, self._opened, self._opened)
        projects = {note.project for note in found.values()}
        others: dict[str, list[int]] = {}
        for state in self._states.all():
            project = state.manifest.project
            if project not in projects and state.notes.get().experiment is None:
                others.setdefault(project, []).append(state.manifest.created)
        for project, times in others.items():
            found[_id_of(project)] = ExperimentNote(project, project, min(times), max(times))
        return found

    def of_run(self, state: RunState, known: dict[str, ExperimentNote] | None = None) -> str:
        """The id of a run's experiment."""
        given = state.notes.get().experiment
        if given is not None:
            return given
        project = state.manifest.project
        kept = self._kept() if known is None else known
        return next((each for each, note in kept.items() if note.project == project), None) or (
            DEFAULT if project == DEFAULT_NAME else _id_of(project)
        )

    def note(self, experiment_id: str | None) -> ExperimentNote:
        """One experiment, deleted or not.

        Raises:
            MlflowException: If there is none of this id.
        """
        experiment_id = DEFAULT if experiment_id is None else str(experiment_id)
        internals.validate("experiment_id", experiment_id)
        note = self._kept().get(experiment_id) or self.all().get(experiment_id)
        if note is None:
            raise not_found(f"No Experiment with id={experiment_id} exists")
        return note

    def is_deleted(self, experiment_id: str) -> bool:
        """Return True if an experiment is deleted."""
        note = self._kept().get(experiment_id)
        return note is not None and note.stage == "deleted"

    def entity(self, experiment_id: str, note: ExperimentNote) -> Experiment:
        """The experiment as MLflow's object."""
        return Experiment(
            experiment_id, note.name, self.artifacts(experiment_id, note), note.stage,
            tags=[ExperimentTag(key, value) for key, value in note.tags.items()],
            creation_time=note.created, last_update_time=note.updated,
        )  # fmt: skip

    def artifacts(self, experiment_id: str, note: ExperimentNote) -> str:
        """The URI below which the experiment's runs keep their artifacts."""
        return note.artifacts or str(append_to_uri_path(self._root, experiment_id))

    def create(self, name: str, artifacts: str | None, tags: Iterable[Any]) -> str:
        """Create an experiment and return its id.

        Raises:
            MlflowException: If the name is invalid or taken.
        """
        internals.validate("experiment_name", name)
        if artifacts:
            internals.validate("experiment_artifact_location_length", artifacts)
        for tag in tags:
            internals.validate("experiment_tag", tag.key, tag.value)
        with self._changing() as kept:
            known = self.all()
            self._check_free(name, known)
            experiment_id = str(max((int(each) for each in known if len(each) < _DIGITS), default=0) + 1)
            now = max(int(time.time() * 1000), *(note.created + 1 for note in kept.values()))
            kept[experiment_id] = ExperimentNote(
                name, _project_for(name, {note.project for note in known.values()}), now, now,
                artifacts=artifacts or None, tags={tag.key: text_of(tag.value) for tag in tags},
            )  # fmt: skip
        return experiment_id

    def rename(self, experiment_id: str, name: str) -> None:
        """Rename an experiment; the journal's runs keep their project."""
        internals.validate("experiment_name", name)
        with self._changed(experiment_id) as note:
            self._check_free(name, self.all())
            if note.stage != "active":
                raise wrong_state(
                    f"Cannot rename experiment in non-active lifecycle stage. Current stage: {note.stage}"
                )
            note.name = name

    def set_stage(self, experiment_id: str, stage: str) -> None:
        """Delete or restore an experiment, and with it its runs."""
        if str(experiment_id) == DEFAULT and stage == "deleted":
            raise invalid(
                f"Cannot delete the default experiment '{DEFAULT}'. This is an internally reserved experiment."
            )
        with self._changed(experiment_id) as note:
            if note.stage == stage:
                wanted = "deleted" if stage == "active" else "active"
                raise not_found(f"No {wanted} Experiment with id={experiment_id} exists")
            note.stage = stage

    def set_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of an active experiment."""
        with self._changed(experiment_id) as note:
            if note.stage != "active":
                raise invalid(
                    f"The experiment {experiment_id} must be in the 'active' state. Current state is {note.stage}."
                )
            note.tags[key] = value

    def delete_tag(self, experiment_id: str, key: str) -> None:
        """Delete a tag of an active experiment."""
        with self._changed(experiment_id) as note:
            if note.stage != "active":
                raise invalid(
                    f"The experiment {experiment_id} must be in the 'active' state. Current state is {note.stage}."
                )
            if key not in note.tags:
                raise not_found(f"No tag with name: {key} in experiment with id {experiment_id}")
            del note.tags[key]

    @contextmanager
    def _changing(self) -> Iterator[dict[str, ExperimentNote]]:
        """Yield the file's experiments, and write them if the block does not raise."""
        with self._files.changing():
            kind = prepared(dict[str, ExperimentNote])
            kept = msgspec.convert(msgspec.to_builtins(self._kept()), kind)  # a copy
            if DEFAULT not in kept:
                kept[DEFAULT] = ExperimentNote(DEFAULT_NAME, DEFAULT_NAME, self._opened, self._opened)
            yield kept
            write(self._files.experiments, ExperimentFile(kept))

    @contextmanager
    def _changed(self, experiment_id: str) -> Iterator[ExperimentNote]:
        with self._changing() as kept:
            note = kept.setdefault(str(experiment_id), self.note(experiment_id))
            yield note
            note.updated = max(int(time.time() * 1000), note.updated + 1)

    @staticmethod
    def _check_free(name: str, known: dict[str, ExperimentNote]) -> None:
        taken = next((note for note in known.values() if note.name == name), None)
        if taken is not None and taken.stage == "deleted":
            raise exists(f"Experiment {name!r} already exists in deleted state. You can restore it, or rename it then.")
        if taken is not None:
            raise exists(f"Experiment(name={name}) already exists.")


#: Ids that follow from names have this many digits, more than those that are counted.
_DIGITS: Final = 18


def _id_of(project: str) -> str:
    number = int.from_bytes(hashlib.sha256(project.encode()).digest()[:8], "big")
    return str(10 ** (_DIGITS - 1) + number % (9 * 10 ** (_DIGITS - 1)))


def _project_for(name: str, taken: set[str]) -> str:
    """A project for a new experiment: its name, unless a renamed experiment has that project."""
    project, number = name, 2
    while project in taken:
        project, number = f"{name} ({number})", number + 1
    return project
