"""Open the run of ``init_run``: a new one, one that an earlier process recorded, or one to read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from multitrack.compat.neptune.exceptions import (
    NeedExistingRunForReadOnlyMode,
    NeptuneRunResumeAndCustomIdCollision,
    RunNotFound,
)
from multitrack.compat.neptune.fields import SET, TAGS, Field, Fields, kind_of, recorded_fields
from multitrack.compat.starting import find_run, run_id_of, start_or_join
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.active import disabled_run
from multitrack.recording.run import Run
from multitrack.recording.start import journal_here, start_run


class Opened(NamedTuple):
    """An open run.

    Attributes:
        run: The run to record into; it records nothing in the modes ``debug`` and ``read-only``.
        fields: Its fields so far.
        directory: Where it can be read; None in mode ``debug``.
        shared: True if another process writes the run that was asked for: this one is its child.
    """

    run: Run
    fields: Fields
    directory: Path | None
    shared: bool = False


def open_run(
    with_id: str | None,
    custom_run_id: str | None,
    mode: str | None,
    project: str | None,
    name: str | None,
    description: str | None,
    tags: Iterable[str],
    capture: Iterable[str],
) -> Opened:
    """Open a run; arguments that are None are taken from Neptune's variables in the environment.

    Args:
        with_id: Id of a run of the journal, or the id in Neptune of one that was imported.
        custom_run_id: Id of a run that is new, or of one that an earlier process recorded.
        mode: ``debug`` records nothing, ``read-only`` reads the run ``with_id``; every other mode records.
        project: The project.
        name: The run's name.
        description: Its notes.
        tags: Labels.
        capture: Output to record.

    Raises:
        NeptuneRunResumeAndCustomIdCollision: If both ids are given.
        NeedExistingRunForReadOnlyMode: If there is no run to read.
        RunNotFound: If no run has the id.
        MultitrackError: As :func:`multitrack.start_run`.
    """
    if with_id is not None and custom_run_id is not None:
        raise NeptuneRunResumeAndCustomIdCollision("give with_id or custom_run_id, not both")
    mode = mode or os.environ.get("NEPTUNE_MODE") or "async"
    project = project or os.environ.get("NEPTUNE_PROJECT") or None
    if with_id is None:
        custom_run_id = custom_run_id or os.environ.get("NEPTUNE_CUSTOM_RUN_ID") or None
    if mode == "read-only":
        if with_id is None:
            raise NeedExistingRunForReadOnlyMode('mode="read-only" needs with_id')
        directory = _existing(with_id, journal_here() or Path(".multitrack"))
        return Opened(disabled_run(name=directory.name), recorded_fields(RecordedRun(directory)), directory)
    journal = None if mode == "debug" else journal_here()
    labels = list(tags)
    if journal is None:
        opened = Opened(start_run(project, name, disabled=True), Fields(), None)
    else:
        run_id, known = None, False
        if with_id is not None:
            run_id, known = _existing(with_id, journal).name, True
        elif custom_run_id is not None:
            run_id, known = run_id_of(custom_run_id, project, journal)
        run, is_child = start_or_join(
            run_id, project=None if known else project, name=name, notes=description,
            tags=dict.fromkeys(labels, SET), capture=list(capture),
        )  # fmt: skip
        continues = known and not is_child
        fields = recorded_fields(RecordedRun(run.directory)) if continues and run.directory else Fields()
        opened = Opened(run, fields, run.directory, is_child)
    for label in labels:
        opened.fields.members(TAGS)[label] = None
    own = {"sys/name": name, "sys/description": description, "sys/custom_run_id": custom_run_id}
    for path, value in own.items():
        if value is not None:
            opened.fields[path] = Field(kind_of(value), value)
    return opened


def _existing(with_id: str, journal: Path) -> Path:
    """The directory of the run of an id, of multitrack's or of Neptune's.

    Raises:
        RunNotFound: If there is none.
    """
    found = find_run(with_id, "neptune", journal)
    if found is None:
        raise RunNotFound(
            f"the journal {journal} has no run {with_id!r}; `multitrack import` brings runs of Neptune, and "
            "custom_run_id begins one with an id of your own"
        )
    return found
