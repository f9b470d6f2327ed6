"""What the index of a journal holds of a run: a value a column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from multitrack.records import ArtifactRef, ModelVersion
from multitrack.summaries.cached_runs import CachedRun
from multitrack.summaries.statistics import Statistics
from multitrack.summaries.summary import Summary

#: The group of what a run has once.
RUN: Final = "run"
#: The group of a run's own context, which its children share.
CONTEXT: Final = "context"
#: Columns of :data:`CONTEXT` that are attributes of it, and of its repository.
OF_CONTEXT: Final = ("user", "host", "program", "python")
OF_GIT: Final = ("commit", "branch", "dirty")
#: The figures of a series or a list; each has a group of columns: ``series last``.
FIGURES: Final = Statistics.__struct_fields__
#: Most values of a run; one with more is left out, and read from its own cache.
_MOST: Final = 5000

_NO_STATISTICS: Final = Statistics(1, 0, 0, None, None, None, None)


class Names(msgspec.Struct, frozen=True, array_like=True):
    """The names that a run has in each group, in their order; the same in many runs.

    Attributes:
        references: Name, role, and whether it has a version.
    """

    tags: list[str]
    params: list[str]
    simple: list[str]
    series: list[str]
    lists: list[str]
    models: list[str]
    references: list[tuple[str, str, bool]]

    def summary(self) -> Summary:
        """Return a summary with these names; its values mean nothing."""
        return Summary(
            status="finished", ended=0, params=dict.fromkeys(self.params), sources={}, objects={},
            simple=dict.fromkeys(self.simple, 0), series=dict.fromkeys(self.series, _NO_STATISTICS),
            lists=dict.fromkeys(self.lists, _NO_STATISTICS), tags=dict.fromkeys(self.tags, ""),
            artifacts=[
                ArtifactRef(time=0, name=name, uri="", kind="", role=role, version="0" if has_version else None)  # type: ignore[arg-type]  # as it was recorded
                for name, role, has_version in self.references
            ],
            lines=0, records=0, mistakes=0, lost=0, damaged=0, redacted=0,
            models={name: ModelVersion(name, "", "") for name in self.models},
        )  # fmt: skip


def columns_of(run: CachedRun, *, deleted: bool) -> list[tuple[str, str, Any]] | None:
    """Return group, name and value of each column of a run; None if they are too many.

    Args:
        run: The run.
        deleted: True if it is marked as deleted.
    """
    found = run.summary
    count = len(found.tags) + len(found.params) + len(found.simple) + len(found.artifacts) + len(found.models)
    if count + len(FIGURES) * (len(found.series) + len(found.lists)) > _MOST:
        return None
    values: list[tuple[str, str, Any]] = list(_once(run, deleted=deleted))
    for group, named in (("tags", found.tags), ("params", found.params), ("simple", found.simple)):
        values += [(group, name, value) for name, value in named.items()]
    for group, all_ in (("series", found.series), ("lists", found.lists)):
        for figure in FIGURES:
            in_group = f"{group} {figure}"
            values += [
                (in_group, name, value)
                for name, statistics in all_.items()
                if (value := getattr(statistics, figure)) is not None
            ]
    values += [("models", name, model.version) for name, model in found.models.items()]
    # of several references of a name in one role, which there are not, the last: as in a comparison
    versions = {ref.name: ref.version or ref.digest for ref in found.artifacts if ref.role == "input"}
    values += [("versions", name, version) for name, version in versions.items() if version]
    return values


def _once(run: CachedRun, *, deleted: bool) -> Iterator[tuple[str, str, Any]]:
    facts, found = run.facts, run.summary
    for name in ("project", "name", "created", "parent", "group", "notes"):
        if (value := getattr(facts, name)) is not None:
            yield RUN, name, value
    for name in ("status", "ended", "records", "lines", "lost"):
        yield RUN, name, getattr(found, name)
    if run.backends:
        yield RUN, "backends", run.backends
    if deleted:
        yield RUN, "deleted", True
    if facts.imported is not None:
        yield RUN, "tracker", facts.imported.tracker
        yield RUN, "tracker_id", facts.imported.id
    yield RUN, "names", _names(found)
    context = facts.context
    if context is None:
        return
    yield RUN, "context", True
    yield CONTEXT, "command", " ".join(context.command)
    for source, fields in ((context, OF_CONTEXT), (context.git, OF_GIT)):
        for name in fields if source is not None else ():
            if (value := getattr(source, name)) is not None:
                yield CONTEXT, name, value


def _names(found: Summary) -> Names:
    return Names(
        list(found.tags), list(found.params), list(found.simple), list(found.series), list(found.lists),
        list(found.models), [(ref.name, ref.role, bool(ref.version or ref.digest)) for ref in found.artifacts],
    )  # fmt: skip
