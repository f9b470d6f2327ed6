"""Give the models that a run wrote their versions."""

from __future__ import annotations

import time

from multitrack.models.facts import facts_of
from multitrack.models.numbers import Number
from multitrack.models.registry import ModelRegistry
from multitrack.models.rule import next_number
from multitrack.models.versions import Model, Version
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import ArtifactRef, ModelVersion
from multitrack.summaries.summary import Summary


def number_models(run: RecordedRun) -> list[ModelVersion]:
    """Give each model that a run wrote its version, once.

    A file that has a version keeps it, whichever run refers to it. So the same run can be numbered again.

    Raises:
        JournalError: If the run or the models of its journal cannot be read or written.
    """
    summary = run.summary()
    registry = ModelRegistry(run.directory.parent.parent)
    return [_numbered(registry, run, summary, ref) for ref in models_of(summary)]


def models_of(summary: Summary) -> list[ArtifactRef]:
    """The references of a run that are versions of models."""
    return [ref for ref in summary.artifacts if ref.model is not None and ref.role == "output"]


def _numbered(registry: ModelRegistry, run: RecordedRun, summary: Summary, ref: ArtifactRef) -> ModelVersion:
    facts = facts_of(run, summary, ref)
    given = None if ref.model is None or ref.model.version is None else Number.parse(ref.model.version)
    earlier: list[Version] = []

    def make(model: Model) -> Version | None:
        found = _same(model, run.id, ref, given)
        if found is not None:
            earlier.append(found)
            return None
        number, reasons = next_number(facts, model.versions)
        if given is not None:
            taken = model.version(str(given))
            if taken is None:
                number, reasons = given, ["given by the caller"]
            else:
                reasons = [f"{given} was given, but run {taken.run} has that version", *reasons]
        reasons += [f"written over {one.version} at the same path" for one in model.versions if _is_over(ref, one)]
        return Version(
            time=time.time_ns() // 1_000_000, name=ref.name, version=str(number), run=run.id, uri=ref.uri,
            digest=ref.digest, size=ref.size, stored=ref.version, reasons=reasons, facts=facts,
        )  # fmt: skip

    version = registry.add(ref.name, make) or earlier[0]
    reasons = version.reasons
    if version.run != run.id:
        reasons = [f"the same file as {version.version} of run {version.run}"]
    return ModelVersion(ref.name, version.version, ref.uri, ref.digest, ref.size, reasons)


def _is_over(ref: ArtifactRef, version: Version) -> bool:
    """Return True if a file was written over that of an earlier version."""
    return version.path is not None and version.uri == ref.uri and None not in (ref.digest, version.digest)


def _same(model: Model, run_id: str, ref: ArtifactRef, given: Number | None) -> Version | None:
    """The version that a reference has already: of its digest, or of its URI and run, or tool's version."""
    for version in model.versions:
        if given is not None and version.number != given:
            continue
        if ref.digest is not None and version.digest is not None:
            if version.digest == ref.digest:
                return version
        elif version.uri == ref.uri and (version.run == run_id or (ref.version and version.stored == ref.version)):
            return version
    return None
