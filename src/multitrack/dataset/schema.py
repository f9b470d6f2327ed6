"""The tables of a data set, their columns and the version of both: the contract with everyone who reads it.

A change that could break a reader (a column removed, renamed, or with another type or meaning) needs a new
:data:`VERSION`. New columns and tables do not. docs/export.md has the meaning of each column.
"""

from __future__ import annotations

from typing import Final

from multitrack.tables.schema import LINES as _LINES
from multitrack.tables.schema import PARAMS as _PARAMS
from multitrack.tables.schema import POINTS as _POINTS
from multitrack.tables.schema import TAGS as _TAGS
from multitrack.tables.schema import ColumnSchema, TableSchema, table

VERSION: Final = 1
"""Version of the tables; in ``dataset.json`` and in every file's metadata."""

_PROJECT: Final = ColumnSchema("project", "text")


def _of_project(given: TableSchema) -> TableSchema:
    """Return a table with the column ``project`` behind ``run``."""
    return TableSchema(given.name, (given.columns[0], _PROJECT, *given.columns[1:]))


RUNS: Final = table(
    "runs", run="text", project="text", id="text", journal="text", name="text", status="text", started="time",
    ended="time", took="number", parent="text", run_group="text", notes="text", user="text", host="text",
    program="text", command="text", directory="text", python="text", platform="text", git_commit="text",
    git_branch="text", git_dirty="flag", git_remote="text", tracker="text", tracker_id="text", records="integer",
    lines="integer", mistakes="integer", gaps="integer", lost="integer", damaged="integer", redacted="integer",
    skipped_epochs="integer", skipped_batches="integer", compacted="integer", compacted_until="time", writer="text",
    manifest="text",
)  # fmt: skip
PARAMS: Final = _of_project(_PARAMS)
TAGS: Final = _of_project(_TAGS)
METRICS: Final = table(
    "metrics", run="text", project="text", name="text", kind="text", count="integer", first="number", last="number",
    min="number", max="number", mean="number", median="number", first_text="text", last_text="text", min_text="text",
    max_text="text",
)  # fmt: skip
ARTIFACTS: Final = table(
    "artifacts", run="text", project="text", name="text", kind="text", role="text", uri="text", digest="text",
    version="text", size="integer", time="time", data="text", model_version="text", model="text",
    objective="text", schema="text", ordinal="integer",
)  # fmt: skip
POINTS: Final = _of_project(_POINTS)
LINES: Final = _of_project(_LINES)
COMPACTED: Final = table(
    "compacted", run="text", project="text", name="text", since="time", until="time", count="integer",
    not_finite="integer", sum="number", min="number", max="number", last="number", last_text="text", digest="text",
    records="integer", lines="integer", ordinal="integer",
)  # fmt: skip

#: Tables of the state of a run, which are written anew when it changes.
STATE: Final = (RUNS, PARAMS, TAGS, METRICS, ARTIFACTS)
#: Tables that only grow with a run.
EVENTS: Final = (POINTS, LINES, COMPACTED)
#: Every table.
TABLES: Final = (*STATE, *EVENTS)
