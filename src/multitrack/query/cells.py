"""What a run has in a column: the one place where names become values."""

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

#: What stands for nothing: ``None`` is a value, which a param may have.
ABSENT: Final = msgspec.UNSET
_OF_CONTEXT: Final = frozenset({"user", "host", "program", "command", "python"})


class RunFacts(Protocol):
    """A run as far as metadata goes: :class:`~multitrack.reading.recorded_run.RecordedRun`."""

    @property
    def facts(self) -> Manifest:
        """What it is."""

    @property
    def origin(self) -> Context | None:
        """Where it came from."""

    def ended(self, summary: Summary) -> int | None:
        """When it ended, if it has."""

    def took(self, summary: Summary) -> int:
        """Milliseconds until then, or until now."""


class Value(msgspec.Struct, frozen=True):
    """An input or output: what it is and where it came from.

    Attributes:
        type: A Python type's name, with its module where the param was an object; or the kind of a reference
            (``model``, ``dataset``).
        value: The number or text, or a reference's URI.
        source: Of a param: ``code``, ``command line``, ``keras``, ``keras tuner``, or ``file:key``. Of a metric:
            what it is the last of. Of a reference: its digest.
    """

    type: str
    value: Any
    source: str


def cell(column: Column, run: RunFacts, summary: Summary, reduction: str = "last", best: str | None = None) -> Any:
    """What a run has in a column, :data:`ABSENT` where it has nothing.

    Args:
        column: The column.
        run: The run.
        summary: Its summary.
        reduction: What series and lists are reduced to where the column does not say.
        best: ``min`` or ``max``: which is the best; default: as :func:`better` has it.

    Raises:
        QueryError: The column asks for the best, and nobody knows which that is.
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
        case _:
            return outputs_of(summary).get(name, ABSENT)


def _or_absent(value: Any) -> Any:
    return ABSENT if value is None else value


def _reduce(column: Column, found: Statistics, reduction: str, best: str | None) -> int | float | None:
    wanted = column.reduction or reduction
    if wanted == "best":
        wanted = best or better(column.name) or ""
        if not wanted:
            name = excerpt(str(Column(column.group, column.name)))
            raise QueryError(f"is the least or the most of {name} the best? say {name}:min or :max")
    return found.reduce(wanted)


def _metadata(name: str, run: RunFacts, summary: Summary) -> Any:
    facts = run.facts
    match name:
        case "run":
            return facts.id
        case "started":
            return facts.created
        case "ended":
            return run.ended(summary)
        case "took":
            return run.took(summary) / 1000
        case "name" | "project" | "parent" | "group" | "notes":
            return getattr(facts, name)
        case "status" | "records" | "lines":
            return getattr(summary, name)
    context = run.origin
    if context is None:
        return None
    if name == "command":
        return " ".join(context.command)
    return getattr(context, name) if name in _OF_CONTEXT else _of_git(name, context)


def _of_git(name: str, context: Context) -> Any:
    return None if context.git is None else getattr(context.git, name)


def names_of(group: str, summary: Summary) -> list[str]:
    """The columns that a run has in a group."""
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
        case _:
            return list(outputs_of(summary))


def inputs_of(summary: Summary) -> dict[str, Value]:
    """What went in: params, and the references that the run read; ``data (reference)`` beside a param ``data``."""
    inputs = {
        name: Value(
            summary.objects.get(name) or _type(value), value, source_of(summary.sources.get(name, "code"), name)
        )
        for name, value in summary.params.items()
    }
    _put_references(inputs, summary, "input")
    return inputs


def outputs_of(summary: Summary) -> dict[str, Value]:
    """What came out: the last value of each metric and list, and the references that the run wrote.

    Of several under one name a simple metric has it alone, as in ``metrics``; the others say what they are.
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
            values[_free(ref.name, "reference", values)] = Value(ref.kind, ref.uri, ref.digest or "")


def _free(name: str, kind: str, taken: Container[str]) -> str:
    """The name, with what it is of where something else has it."""
    while name in taken:
        name = f"{name} ({kind})"
    return name


def origin_of(summary: Summary, param: str) -> str:
    """Where a param came from, and its type where it was an object."""
    source, kind = source_of(summary.sources.get(param, "code"), param), summary.objects.get(param)
    return source if kind is None else f"{source}, {kind}"


def source_of(source: str, param: str) -> str:
    """Where a param came from; of a file, with the key in it."""
    return f"{source}:{param.replace('/', '.')}" if source.endswith((".yaml", ".yml", ".toml", ".json")) else source


def _type(value: Any) -> str:
    return "none" if value is None else type(value).__name__
