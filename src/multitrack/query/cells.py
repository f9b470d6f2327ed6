"""Look up a run's value in a column."""

from __future__ import annotations

from collections.abc import Container
from typing import Any, Final, Protocol

import msgspec

from multitrack.errors import QueryError
from multitrack.journal.manifest import Context, Manifest
from multitrack.query.columns import METADATA, Column, better
from multitrack.security.terminal import excerpt
from multitrack.summaries.statistics import Statistics
from multitrack.summaries.summary import Summary

#: Marks a missing value; ``None`` is a value that a param may have.
ABSENT: Final = msgspec.UNSET
_OF_CONTEXT: Final = frozenset({"user", "host", "program", "command", "python"})


class RunFacts(Protocol):
    """The metadata of a run; implemented by :class:`~multitrack.reading.recorded_run.RecordedRun`."""

    @property
    def id(self) -> str:
        """The run's id, unique among the runs."""

    @property
    def parent(self) -> str | None:
        """The parent's id."""

    @property
    def journal(self) -> str:
        """The label of the run's journal."""

    @property
    def facts(self) -> Manifest:
        """The run's manifest."""

    @property
    def origin(self) -> Context | None:
        """The run's context, or None."""

    def ended(self, summary: Summary) -> int | None:
        """Return the end time in milliseconds, or None if the run has not ended."""

    def took(self, summary: Summary) -> int:
        """Return the duration in milliseconds until the end, or until now."""


class Value(msgspec.Struct, frozen=True):
    """An input or output: its type, value and source.

    Attributes:
        type: The name of a Python type, with its module if the param was an object; or the kind of a reference
            (``model``, ``dataset``).
        value: The number or text, or a reference's URI.
        source: For a param: ``code``, ``command line``, ``keras``, ``keras tuner``, or ``file:key``. For a metric: its
            kind, such as ``series of 30, the last``. For a reference: its version, or else its digest.
    """

    type: str
    value: Any
    source: str


def cell(column: Column, run: RunFacts, summary: Summary, reduction: str = "last", best: str | None = None) -> Any:
    """Return a run's value in a column, or :data:`ABSENT` if it has none.

    Args:
        column: The column.
        run: The run.
        summary: Its summary.
        reduction: The reduction of series and lists if the column has none.
        best: ``min`` or ``max``, the end that is best; default: the result of :func:`better`.

    Raises:
        QueryError: The reduction is ``best``, and it is unknown which end is best.
    """
    name = column.name
    match column.group:
        case "metadata":
            return _or_absent(_metadata(name, run, summary))
        case "tags":
            return summary.tags.get(name, ABSENT)
        case "params":
            return summary.params.get(name, ABSENT)
        case "metrics":
            found = summary.series.get(name)
            simple = summary.simple.get(name)
            if found is None or (simple is not None and column.reduction is None):
                return 1 if simple is not None and column.reduction == "count" else _or_absent(simple)
            return _or_absent(_reduce(column, found, reduction, best))
        case "lists":
            listed = summary.lists.get(name)
            return ABSENT if listed is None else _or_absent(_reduce(column, listed, reduction, best))
        case "inputs":
            return inputs_of(summary).get(name, ABSENT)
        case "versions":
            return versions_of(summary).get(name, ABSENT)
        case "models":
            return summary.models[name].version if name in summary.models else ABSENT
        case _:
            return outputs_of(summary).get(name, ABSENT)


def _or_absent(value: Any) -> Any:
    return ABSENT if value is None else value


def _reduce(column: Column, found: Statistics, reduction: str, best: str | None) -> int | float | None:
    figure = figure_of(column, reduction, best)
    if figure is None:
        raise no_best(column)
    return found.reduce(figure)


def figure_of(column: Column, reduction: str = "last", best: str | None = None) -> str | None:
    """Return the figure of a series or list that a column shows; None if it is unknown which end is best.

    Args:
        column: The column.
        reduction: As for :func:`cell`.
        best: As for :func:`cell`.
    """
    wanted = column.reduction or reduction
    return (best or better(column.name)) if wanted == "best" else wanted


def no_best(column: Column) -> QueryError:
    """Create the error for a column of which it is unknown which end is best."""
    name = excerpt(str(Column(column.group, column.name)))
    return QueryError(f"is a low or a high {name} better? say {name}:min or :max")


def _metadata(name: str, run: RunFacts, summary: Summary) -> Any:
    facts = run.facts
    match name:
        case "run":
            return run.id
        case "parent":
            return run.parent
        case "journal":
            return run.journal
        case "started":
            return facts.created
        case "ended":
            return run.ended(summary)
        case "took":
            return run.took(summary) / 1000
        case "name" | "project" | "group" | "notes":
            return getattr(facts, name)
        case "status" | "records" | "lines":
            return getattr(summary, name)
        case "tracker" | "tracker_id":
            origin = facts.imported
            return None if origin is None else origin.tracker if name == "tracker" else origin.id
    return of_context(name, run.origin)


def of_context(name: str, context: Context | None) -> Any:
    """Return the metadata column of a name from a run's context; None if there is none."""
    if context is None:
        return None
    if name == "command":
        return " ".join(context.command)
    if name in _OF_CONTEXT:
        return getattr(context, name)
    return None if context.git is None else getattr(context.git, name)


def names_of(group: str, summary: Summary) -> list[str]:
    """Return the names of a run's columns in a group."""
    match group:
        case "metadata":
            return list(METADATA)
        case "tags":
            return list(summary.tags)
        case "params":
            return list(summary.params)
        case "metrics":
            return list({**summary.series, **summary.simple})
        case "lists":
            return list(summary.lists)
        case "inputs":
            return list(inputs_of(summary))
        case "versions":
            return list(versions_of(summary))
        case "models":
            return list(summary.models)
        case _:
            return list(outputs_of(summary))


def inputs_of(summary: Summary) -> dict[str, Value]:
    """Return the inputs: params, and references that the run read, as ``data (reference)`` beside a param ``data``."""
    inputs = {
        name: Value(
            summary.objects.get(name) or _type(value), value, source_of(summary.sources.get(name, "code"), name)
        )
        for name, value in summary.params.items()
    }
    _put_references(inputs, summary, "input")
    return inputs


def versions_of(summary: Summary) -> dict[str, str]:
    """Return the version of each reference that the run read, by name: a tool's, or else the digest.

    A reference without either is left out.
    """
    found = {ref.name: ref.version or ref.digest for ref in summary.artifacts if ref.role == "input"}
    return {name: version for name, version in found.items() if version}


def outputs_of(summary: Summary) -> dict[str, Value]:
    """Return the outputs: the last value of each metric and list, and the references that the run wrote.

    If several share a name, a simple metric keeps it, as in ``metrics``; the others get their kind as a suffix.
    """
    outputs: dict[str, Value] = {}
    for kind, found in (("series", summary.series), ("list", summary.lists)):
        for name, numbers in found.items():
            called = _free(name, kind, summary.simple)
            outputs[called] = Value(_type(numbers.last), numbers.last, f"{kind} of {numbers.count}, the last")
    for name, value in summary.simple.items():
        outputs[name] = Value(_type(value), value, "simple metric")
    _put_references(outputs, summary, "output")
    return outputs


def _put_references(values: dict[str, Value], summary: Summary, role: str) -> None:
    for ref in summary.artifacts:
        if ref.role == role:
            values[_free(ref.name, "reference", values)] = Value(ref.kind, ref.uri, ref.version or ref.digest or "")


def _free(name: str, kind: str, taken: Container[str]) -> str:
    """Return the name, with its kind as a suffix if it is taken."""
    while name in taken:
        name = f"{name} ({kind})"
    return name


def origin_of(summary: Summary, param: str) -> str:
    """Return the source of a param, and its type if it was an object."""
    source, kind = source_of(summary.sources.get(param, "code"), param), summary.objects.get(param)
    return source if kind is None else f"{source}, {kind}"


def source_of(source: str, param: str) -> str:
    """Return the source of a param; for a file, with the key in it."""
    return f"{source}:{param.replace('/', '.')}" if source.endswith((".yaml", ".yml", ".toml", ".json")) else source


def _type(value: Any) -> str:
    return "none" if value is None else type(value).__name__
