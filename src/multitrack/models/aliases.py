"""Set an alias of a model in the journal, and in the model registries of the trackers that its run went to."""

from __future__ import annotations

from functools import partial

import msgspec

from multitrack._text import check_name, error_text
from multitrack.config import load_config
from multitrack.delivery.lane_state import state_of
from multitrack.delivery.loading import BackendSource, run_info
from multitrack.delivery.trust import Trust
from multitrack.errors import ModelError
from multitrack.models.numbers import Number
from multitrack.models.registry import ModelRegistry
from multitrack.models.versions import Model, Version
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import ModelVersion


def check_alias(model: Model, version: Version, alias: str, *, present: bool = True) -> None:
    """Check that an alias can be set, or removed from a version.

    Raises:
        ModelError: If the alias is no name for one, or is to be removed and the version does not have it.
    """
    try:
        check_name(alias, "alias")
    except ValueError as error:
        raise ModelError(str(error)) from None
    if Number.parse(alias) is not None or "@" in alias:
        raise ModelError(f"an alias must not be a version or contain an @, got {alias!r}")
    if not present and model.aliases.get(alias) != version.version:
        where = f"; {model.aliases[alias]} has it" if alias in model.aliases else ""
        raise ModelError(f"{model.name} {version.version} has no alias {alias!r}{where}")


def set_alias(registry: ModelRegistry, model: Model, version: Version, alias: str, *, present: bool = True) -> None:
    """Point an alias at a version, or remove it, in the journal.

    Raises:
        ModelError: As :func:`check_alias`.
        JournalError: If the journal cannot be written.
    """
    check_alias(model, version, alias, present=present)
    registry.set_alias(model.name, alias, version.version if present else None)


def publish_alias(run: RecordedRun, version: Version, alias: str, *, present: bool = True) -> dict[str, str | None]:
    """Set or remove an alias in the trackers that the run of a version went to.

    Runs in this process, which imports the trackers' SDKs.

    Returns:
        By backend: None if it was set, or why it was not. Backends without a registry are left out.
    """
    model = ModelVersion(version.name, version.version, version.uri, version.digest, version.size, version.reasons)
    trust = Trust((), partial(load_config, arguments={"journal": str(run.directory.parent.parent)}))
    found: dict[str, str | None] = {}
    for entry in run.manifest.backends:
        try:
            backend, options, _ = BackendSource(entry, None, None, trust).load()
            info = run_info(run.directory, entry.name, run.manifest, run.context, options)
            native = state_of(run.directory, entry.name).id
            if backend.set_model_alias(msgspec.structs.replace(info, backend_id=native), model, alias, present):
                found[entry.name] = None
        except Exception as error:  # noqa: BLE001 - a backend may raise anything; the caller shows it
            found[entry.name] = error_text(error)
    return found
