"""Send recorded runs to a backend that they did not have."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from multitrack.config import load_config
from multitrack.errors import ConfigError
from multitrack.journal.manifest import BackendEntry, read_manifest, write_manifest
from multitrack.journal.segments import opening
from multitrack.plugins import load_backend
from multitrack.reading.recorded_run import RecordedRun
from multitrack.security.redaction import Redactor, secret_values


def add_backend(runs: Iterable[RecordedRun], backend: str) -> tuple[str, list[str]]:
    """Add a backend, with its options from the config here, to the manifests of runs that do not have it.

    ``multitrack.sync`` then delivers them from their first record. Runs that have the backend keep their options.

    Args:
        runs: The runs; none may be written now.
        backend: The backend's name or import path.

    Returns:
        The backend's name, and the ids of all of the runs, parents before their children.

    Raises:
        RunInUseError: If a live process writes a run; those before it have the backend already.
        ConfigError: If an option is invalid, or a run has the backend with other options.
        JournalError: If a manifest cannot be written.
    """
    entry = check_backend(backend)
    chosen = _parents_first(runs)
    for run in chosen:
        with opening(run.directory):
            manifest = read_manifest(run.directory)
            there = next((one for one in manifest.backends if one.name == entry.name), None)
            if there is None:
                backends = [*manifest.backends, entry]
                write_manifest(run.directory, msgspec.structs.replace(manifest, backends=backends))
            elif there != entry:
                raise ConfigError(
                    f"run {run.id} goes to {entry.name} with other options already: {_differences(there, entry)}"
                )
    return entry.name, [run.id for run in chosen]


def check_backend(backend: str) -> BackendEntry:
    """A backend, with its options from the config here, as it stands in a manifest.

    Raises:
        UnknownBackendError: If there is no such backend.
        ConfigError: If an option is invalid, or the backend is an object of this process.
    """
    loaded = load_backend(backend)
    if loaded.local:
        raise ConfigError(f"backend {loaded.name!r} is an object of this process: name an installed one")
    plain = msgspec.to_builtins(load_config().options(loaded)[0])
    options = Redactor(secrets=secret_values(plain)).begin().options(plain)
    return BackendEntry.of(loaded.name, loaded.load, options)


def _parents_first(runs: Iterable[RecordedRun]) -> list[RecordedRun]:
    """The runs by start time, each after its parent."""
    chosen = {run.id: run for run in sorted(runs, key=lambda run: (run.manifest.created, run.id))}
    ordered: dict[str, RecordedRun] = {}
    for run in chosen.values():
        line = [run]
        while (parent := line[-1].manifest.parent) in chosen and chosen[parent] not in line:
            line.append(chosen[parent])
        ordered |= {each.id: each for each in reversed(line) if each.id not in ordered}
    return list(ordered.values())


def _differences(there: BackendEntry, here: BackendEntry) -> str:
    keys = [key for key in {**there.given, **here.given} if there.given.get(key) != here.given.get(key)]
    said = (f"{key} = {there.given.get(key)!r}, here {here.given.get(key)!r}" for key in keys)
    return ", ".join(said) or f"loaded as {there.load!r}, here {here.load!r}"
