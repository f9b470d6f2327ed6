"""The facts about a run that decide the version of a model that it wrote."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from multitrack.errors import JournalError, QueryError
from multitrack.journal.manifest import Context
from multitrack.journal.provenance import NOTEBOOK, PATCH, SCRIPT
from multitrack.query.criteria import objective_of
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import ArtifactRef
from multitrack.summaries.summary import Summary


class Objective(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value by which versions are compared.

    Attributes:
        metric: The criterion as the caller gave it: ``val_accuracy``, ``val_loss:min``.
        direction: ``min`` or ``max``, the end that is better.
        value: The run's value; None if it has no finite one.
    """

    metric: str
    direction: str
    value: float | None = None


class Facts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Facts of a version, as far as known.

    Attributes:
        schema: The model's inputs, outputs, architecture and framework.
        data: The version or digest of each dataset that the run read, by name; None if it is not known.
        digests: The digest of each dataset, as far as known: equal data may have several versions.
        schemas: The columns and target of each dataset, by name.
        objective: The value by which versions are compared.
        commit: The git commit of the source.
        source: Digest of the source beyond the commit: its patch, or else the script.
        params: Digest of the params, without those that Keras derives from the others.
    """

    schema: dict[str, Any] | None = None
    data: dict[str, str | None] = {}
    digests: dict[str, str] = {}
    schemas: dict[str, dict[str, Any]] = {}
    objective: Objective | None = None
    commit: str | None = None
    source: str | None = None
    params: str = ""


def facts_of(run: RecordedRun, summary: Summary, model: ArtifactRef) -> Facts:
    """Gather the facts about a model that a run wrote.

    Raises:
        JournalError: If the run's manifest or its source cannot be read.
    """
    context = run.context
    read = [ref for ref in summary.artifacts if ref.role == "input" and ref.kind == "dataset"]
    return Facts(
        schema=model.schema,
        data={ref.name: ref.version or ref.digest for ref in read},
        digests={ref.name: ref.digest for ref in read if ref.digest is not None},
        schemas={ref.name: ref.schema for ref in read if ref.schema is not None},
        objective=_objective(run, summary, model),
        commit=context.git.commit if context is not None and context.git is not None else None,
        source=_source(run, context),
        params=_digest(msgspec.json.encode(sorted(summary.given.items()))),
    )


def _objective(run: RecordedRun, summary: Summary, model: ArtifactRef) -> Objective | None:
    metric = (model.model.objective if model.model is not None else None) or _of_search(run)
    if metric is None:
        return None
    try:
        direction, value = objective_of(summary, metric)
    except QueryError:  # checked at the call; a journal may come from somebody else
        return None
    return Objective(metric, direction, value)


def _of_search(run: RecordedRun) -> str | None:
    """The objective of the search that the run is a trial of."""
    parent = run.facts.parent
    if parent is None:
        return None
    try:
        params = run.relatives.run(run.directory.parent / parent).summary().params
    except JournalError:
        return None
    metric, direction = params.get("search/objective"), params.get("search/direction")
    return f"{metric}:{direction}" if isinstance(metric, str) and direction in ("min", "max") else None


def _source(run: RecordedRun, context: Context | None) -> str | None:
    """The digest of the changes since the commit; where there is no repository, of the script or notebook."""
    if context is None or context.code is None:
        return None
    names = (PATCH,) if context.git is not None else (SCRIPT, NOTEBOOK)
    kept = [content for name in names if (content := run.get_code(name)) is not None]
    return _digest(b"".join(kept)) if kept or context.git is not None else None


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
