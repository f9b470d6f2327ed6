"""The versions of the models that a run writes: asked for at the call, given at the run's end."""

from __future__ import annotations

import logging

from multitrack._text import error_text, plain_text, shown
from multitrack.config import reproduced_run
from multitrack.models.numbers import Number
from multitrack.recording.run_journal import RunJournal
from multitrack.records import ModelVersion, Versioning

log = logging.getLogger("multitrack")


def versioning_of(
    journal: RunJournal, name: str, version: str | None, objective: str | None
) -> tuple[Versioning, str | None]:
    """Check how a model is to be versioned.

    Args:
        journal: The run's journal.
        name: The model.
        version: ``MAJOR.MINOR.PIPELINE``, or the version that a tool gave the file, as ``dvc:md5:<hash>``.
        objective: The metric by which versions are compared.

    Returns:
        How the run's end gives a version, and the version that a tool gave.

    Raises:
        TypeError: If the objective is no string.
        ValueError: If the version is neither, or another run has it; or the objective is no column (``QueryError``).
    """
    if objective is not None:
        from multitrack.query.criteria import parse_metric  # noqa: PLC0415 - only models need it

        if not isinstance(objective, str):
            raise TypeError(f"objective must be the name of a metric, got {shown(objective)}")
        objective = plain_text(objective)
        parse_metric(objective)
    if version is None or ":" in version:
        return Versioning(objective), version
    number = Number.parse(plain_text(version))
    if number is None:
        raise ValueError(
            f"version of a model must be MAJOR.MINOR.PIPELINE, such as '2.0.0', or that of a tool, such as "
            f"'dvc:md5:…' or 's3:<version id>', got {version!r}"
        )
    if journal.directory is not None:
        from multitrack.models.registry import ModelRegistry  # noqa: PLC0415 - as above

        taken = ModelRegistry(journal.directory.parent.parent).model(name).version(str(number))
        if taken is not None and taken.run != journal.id:
            raise ValueError(f"version {number} of model {name!r} exists already: run {taken.run} wrote it")
    return Versioning(objective, str(number)), None


def versions_at_end(journal: RunJournal) -> list[ModelVersion]:
    """Give the models that the run wrote their versions; an error is logged, and leaves them without.

    What a reproduction writes is a copy of a model, not a version of it.
    """
    if journal.directory is None or not journal.past.writes_models or reproduced_run() is not None:
        return []
    from multitrack.models.numbering import number_models  # noqa: PLC0415 - as above
    from multitrack.reading.recorded_run import RecordedRun  # noqa: PLC0415

    try:
        return number_models(RecordedRun(journal.directory))
    except Exception as error:  # noqa: BLE001 - the run must end
        log.warning(
            "multitrack: run %s: its models have no versions: %s; `multitrack models add %s` gives them",
            journal.id, error_text(error), journal.id,
        )  # fmt: skip
        return []
