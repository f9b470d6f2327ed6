"""Decide which part each column of a table plays: by the user's choice, or by its name."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from multitrack._hints import closest, did_you_mean
from multitrack.errors import QueryError, SourceError
from multitrack.security.terminal import excerpt

#: The roles that one column of a table has at most, and the names by which a column gets one.
SINGLE: Final[Mapping[str, tuple[str, ...]]] = {
    "run": ("run", "run_id", "run id", "runid", "id", "trial_id"),
    "name": ("run_name", "run name", "name"),
    "project": ("project", "experiment", "experiment_name"),
    "group": ("group",),
    "parent": ("parent", "parent_id", "parent_run_id"),
    "user": ("user",),
    "notes": ("notes",),
    "status": ("status", "state"),
    "start": ("start", "start_time", "started", "created", "created_at"),
    "end": ("end", "end_time", "ended", "finished_at"),
    "took": ("took", "runtime", "duration"),
    "step": ("step", "_step", "global_step", "epoch", "iteration"),
    "time": ("time", "timestamp", "_timestamp", "wall time", "wall_time", "datetime"),
    "key": ("metric", "key", "attribute_path"),
    "value": ("value",),
}
#: The roles of any number of columns.
MANY: Final = ("metric", "param", "tag", "ignore")
ROLES: Final = (*SINGLE, *MANY)


class Columns(msgspec.Struct, frozen=True):
    """The parts of a table's columns.

    Attributes:
        single: The index of the column of each role in :data:`SINGLE` that the table has.
        metrics: Names and indexes of the columns with metrics.
        params: Those with params.
        tags: Those with tags.
        rows_are_runs: True if each row is a run; otherwise each is a point of time in a run.
    """

    single: dict[str, int]
    metrics: dict[str, int]
    params: dict[str, int]
    tags: dict[str, int]
    rows_are_runs: bool

    def __str__(self) -> str:
        return "; ".join(
            f"{kind}: {', '.join(excerpt(name) for name in names)}"
            for kind, names in (("metrics", self.metrics), ("params", self.params), ("tags", self.tags))
            if names
        )


def columns_of(header: Sequence[str], chosen: Mapping[str, str]) -> Columns:
    """Give each column its role.

    A column that is not chosen has the role that its name stands for. A table with a column of runs, and none of
    steps, times or keys, has a run in each row; its other columns are params. Otherwise, they are metrics.

    Args:
        header: The names of the columns.
        chosen: Roles by name or pattern of names, such as ``val_*``.

    Raises:
        SourceError: If two columns have the same name, or the same role of :data:`SINGLE`.
    """
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise SourceError(f"there are two columns {excerpt(twice)!r}: rename one")
    roles = _chosen(header, chosen)
    free = {name.strip().casefold(): name for name in reversed(header) if name not in roles}
    for role, names in SINGLE.items():
        found = next((free[name] for name in names if name in free), None)
        if found is not None and role not in roles.values() and _is_apt(role, free, roles):
            roles[found] = role
            del free[found.strip().casefold()]
    single = {role: header.index(name) for name, role in roles.items() if role in SINGLE}
    rows_are_runs = "run" in single and not single.keys() & {"step", "time", "key"}
    for name in header:
        is_index = not name.strip() or name.startswith("Unnamed:")  # as pandas writes and reads it
        roles.setdefault(name, "ignore" if is_index else "param" if rows_are_runs else "metric")
    metrics, params, tags = ({name: header.index(name) for name in header if roles[name] == role} for role in MANY[:3])
    return Columns(single, metrics, params, tags, rows_are_runs)


def check_roles(chosen: Mapping[str, str], headers: Sequence[Sequence[str]]) -> None:
    """Check that each choice names a role, and a column of some table.

    Raises:
        QueryError: If one does not.
    """
    names = sorted({name for header in headers for name in header})
    for pattern, role in chosen.items():
        if role not in ROLES:
            raise QueryError(f"{excerpt(role)!r} is no role of a column{did_you_mean(role, ROLES)}: {', '.join(ROLES)}")
        if not any(_matches(name, pattern) for name in names):
            raise QueryError(f"there is no column {excerpt(pattern)!r}{closest(pattern, names)}")


def _chosen(header: Sequence[str], chosen: Mapping[str, str]) -> dict[str, str]:
    """The roles that the user chose; of several patterns that match, the last counts."""
    roles = {name: role for pattern, role in chosen.items() for name in header if _matches(name, pattern)}
    for role in SINGLE:
        names = [name for name in header if roles.get(name) == role]
        if len(names) > 1:
            raise SourceError(f"columns {excerpt(names[0])!r} and {excerpt(names[1])!r}: only one can be {role}")
    return roles


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatch.fnmatchcase(name, pattern)


def _is_apt(role: str, free: Mapping[str, str], roles: Mapping[str, str]) -> bool:
    """Return False for a key without a value, or the reverse: they are metrics of these names."""
    other = {"key": "value", "value": "key"}.get(role)
    return other is None or other in roles.values() or any(name in free for name in SINGLE[other])
