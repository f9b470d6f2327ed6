"""The facts, params and tags among a run's fields; the same names in all of Neptune's formats."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from multitrack.hookspecs import Gap, SourceRecord, SourceRun
from multitrack.inputs.params import flatten_params
from multitrack.records import ArtifactRef, Params, Status, Tags
from multitrack_neptune.sources.fields import Fields, Value
from multitrack_neptune.sources.times import milliseconds

#: What is said of each run whose files have no end.
NO_END: Final = Gap("Neptune's client notes no end on disk: the run counts as ended at its last operation")
#: The project of a forked run's parent, if it is another one.
PARENT_PROJECT: Final = "sys/forking/project"
#: Fields that become facts of the run.
_FACTS: Final = {
    "sys/name", "sys/description", "sys/owner", "sys/hostname", "sys/failed", "sys/creation_time", "sys/trashed",
    "sys/custom_run_id", "sys/forking/parent", "sys/forking/step", PARENT_PROJECT, "source_code/entrypoint",
    "source_code/commit",
}  # fmt: skip
_LABELS: Final = "sys/tags"
_GROUPS: Final = "sys/group_tags"
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
#: Longest list of names in one sentence.
_NAMED: Final = 5


def run_of(
    fields: Fields, run_id: str, project: str, created: int, ended: int | None, status: Status, **facts: Any
) -> SourceRun:
    """The facts of a run that another program than multitrack recorded.

    Args:
        fields: Its fields.
        run_id: Its id.
        project: Its project.
        created: Its start (ms), unless a field has it.
        ended: Its end (ms).
        status: Its status, unless a field says that it failed.
        facts: Other attributes.
    """
    groups = sorted(fields.sets.get(_GROUPS, ()))
    started = milliseconds(fields.values.get("sys/creation_time"))
    return SourceRun(
        id=run_id,
        project=project,
        name=fields.text("sys/name") or run_id,
        created=created if started is None else started,
        ended=ended,
        status="failed" if fields.values.get("sys/failed") is True else status,
        group=groups[0] if len(groups) == 1 else None,
        notes=fields.text("sys/description"),
        user=fields.text("sys/owner"),
        host=fields.text("sys/hostname"),
        program=fields.text("source_code/entrypoint"),
        commit=fields.text("source_code/commit"),
        parent=None if PARENT_PROJECT in fields.values else fields.text("sys/forking/parent"),
        deleted=fields.values.get("sys/trashed") is True,
        **facts,
    )


def records_of(fields: Fields, time: int, around: Path) -> Iterator[SourceRecord]:
    """Yield params, tags and references; numbers that changed are metrics, and not among them.

    Args:
        fields: The fields.
        time: The run's start (ms).
        around: The directory that relative paths of artifacts start at.
    """
    own = [path for path in fields.values if _is_own(path) and path not in _FACTS]
    given = {
        path: _plain(value)
        for path, value in fields.values.items()
        if not _is_own(path) and path not in _FACTS and path not in fields.changing
    }
    yield from valid(given, lambda values: params(values, time))
    tags = dict.fromkeys(fields.sets.get(_LABELS, ()), "true")  # labels without values
    groups = sorted(fields.sets.get(_GROUPS, ()))
    tags |= dict.fromkeys(groups if len(groups) > 1 else (), "true")
    for path, members in fields.sets.items():
        if path not in (_LABELS, _GROUPS):
            tags |= {f"{path}/{member}": "true" for member in members}
    tags |= _fork(fields)
    if tags:
        yield Tags(time=time, values=tags)
    for path, files in fields.files.items():
        for file in files:
            name = path if len(files) == 1 else f"{path}/{file.place.rpartition('/')[2]}"
            uri = file.place if _SCHEME.match(file.place) else (around / file.place).as_uri()
            yield ArtifactRef(time=time, name=name, uri=uri, kind=file.kind, size=file.size)
    if own:
        names = ", ".join(own[:_NAMED]) + (f" and {len(own) - _NAMED} more" if len(own) > _NAMED else "")
        yield Gap(f"fields of Neptune's own left out: {names}")


def _fork(fields: Fields) -> dict[str, str]:
    """What a manifest does not have of a run's fork: the step, and a parent in another project."""
    tags = {}
    step, project = fields.text("sys/forking/step"), fields.text(PARENT_PROJECT)
    if project is not None:
        tags["forking/parent"] = f"{project}/{fields.text('sys/forking/parent')}"
    if step is not None:
        tags["forking/step"] = step
    return tags


def params(values: dict[str, Any], time: int) -> Params:
    """Params with their types.

    Raises:
        ValueError: If a journal cannot have one of the names.
    """
    flat = flatten_params(values, "fields")
    return Params(time=time, values=flat.values, types=flat.types, source="neptune")


def valid(values: dict[str, Any], record: Callable[[dict[str, Any]], SourceRecord]) -> Iterator[SourceRecord]:
    """Yield the record of some values, or without those whose names a journal cannot have, and a gap for each."""
    try:
        if values:
            yield record(values)
    except ValueError:
        good = {}
        for name, value in values.items():
            try:
                record({name: value})
            except ValueError as error:
                yield Gap(f"a field left out: {error}")
            else:
                good[name] = value
        if good:
            yield record(good)


def _plain(value: Value) -> Any:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime.datetime) else value


def _is_own(path: str) -> bool:
    """Return True for what Neptune's client and server note for themselves."""
    return path.startswith("sys/") or (
        path.startswith("monitoring/") and path.rpartition("/")[2] in {"hostname", "pid", "tid"}
    )
