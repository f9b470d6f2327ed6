"""The versions and aliases of a journal's models: ``models.jsonl`` beside its runs.

The file is append-only, one JSON line for each version or alias. A lock on it makes numbers unique among processes.
Versions are journal-wide: runs of several projects that write a model of one name number it together.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from multitrack._hints import did_you_mean, there_are
from multitrack.errors import JournalError, ModelError
from multitrack.journal.layout import cannot_read
from multitrack.journal.prepared import prepared
from multitrack.models.line_file import LineFile
from multitrack.models.versions import Alias, Model, Version
from multitrack.reading.opening import open_journal
from multitrack.security.terminal import excerpt

log = logging.getLogger("multitrack")

#: The file's name, in the journal's directory.
FILE: Final = "models.jsonl"

_DECODER: Final = msgspec.json.Decoder(prepared(Version | Alias))


class ModelRegistry:
    """The models of one journal; made by :func:`multitrack.open_models`.

    Args:
        journal: The journal's directory.
    """

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self._path = journal / FILE

    def models(self) -> dict[str, Model]:
        """Read all models, by name. Damaged lines are passed over with a warning.

        Raises:
            JournalError: If the file cannot be read.
        """
        try:
            with contextlib.closing(LineFile(self._path, os.O_RDONLY)) as file:
                return self._models(file.read())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise cannot_read(self._path, error) from error

    def model(self, name: str) -> Model:
        """Read one model; without versions if it is not known."""
        return self.models().get(name) or Model(name)

    def get(self, spec: str) -> Version:
        """Return one version of a model: ``registry.get("classifier@prod").path``.

        Args:
            spec: ``NAME`` for the highest version, ``NAME@1.2.0`` or ``NAME@ALIAS``.

        Raises:
            ModelError: If there is no such model, version or alias.
            JournalError: If the file cannot be read.
        """
        return self.find(spec)[1]

    def find(self, spec: str) -> tuple[Model, Version]:
        """As :meth:`get`, with the model."""
        models = self.models()
        name, sign, wanted = spec.rpartition("@")
        if not sign or spec in models:  # a name may contain an @
            name, wanted = spec, ""
        model = self.named(name, models)
        if not model.versions:
            raise ModelError(f"model {excerpt(name)!r} has no versions")
        if not wanted:
            return model, model.versions[-1]
        found = model.version(model.aliases.get(wanted, wanted))
        if found is None:
            known = [*sorted(model.aliases), *(version.version for version in reversed(model.versions))]
            raise ModelError(f"model {excerpt(name)!r} has no version or alias {excerpt(wanted)!r}{there_are(known)}")
        return model, found

    def named(self, name: str, models: dict[str, Model] | None = None) -> Model:
        """Return a model by its name.

        Raises:
            ModelError: If there is none.
            JournalError: If the file cannot be read.
        """
        models = self.models() if models is None else models
        if name not in models:
            hint = did_you_mean(name, sorted(models)) or there_are(sorted(models))
            raise ModelError(f"no model {excerpt(name)!r} in {self.journal}{hint}")
        return models[name]

    def add(self, name: str, make: Callable[[Model], Version | None]) -> Version | None:
        """Add a version, while no other process does.

        Args:
            name: The model.
            make: Makes the new version from the model's earlier ones; None adds nothing.

        Raises:
            JournalError: If the file cannot be read or written, or another process keeps it locked.
        """
        with self._locked() as file:
            version = make(self._models(file.read()).get(name) or Model(name))
            if version is not None:
                file.append(version)
        return version

    def set_alias(self, name: str, alias: str, version: str | None) -> None:
        """Point an alias at a version, or remove it.

        Raises:
            JournalError: As :meth:`add`.
        """
        with self._locked() as file:
            file.append(Alias(time=time.time_ns() // 1_000_000, name=name, alias=alias, version=version))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[LineFile]:
        try:
            with contextlib.closing(LineFile(self._path, os.O_RDWR | os.O_CREAT)) as file:
                file.lock()
                yield file
        except OSError as error:
            if isinstance(error, JournalError):
                raise
            raise JournalError(error.errno, f"cannot write {self._path}: {error.strerror or error}") from error

    def _models(self, content: bytes) -> dict[str, Model]:
        found: dict[str, Model] = {}
        damaged = 0
        for line in content.splitlines():
            try:
                record: Version | Alias = _DECODER.decode(line)
            except msgspec.MsgspecError:
                damaged += bool(line.strip())
                continue
            model = found.setdefault(record.name, Model(record.name))
            if isinstance(record, Version):
                model.versions.append(record)
            elif record.version is None:
                model.aliases.pop(record.alias, None)
            else:
                model.aliases[record.alias] = record.version
        for model in found.values():
            model.versions.sort(key=lambda one: one.number)
        if damaged:
            log.warning("multitrack: %s: %d damaged lines were passed over", self._path, damaged)
        return found


def open_models(path: str | Path | None = None) -> ModelRegistry:
    """Open the models of a journal.

    Args:
        path: The journal's directory, or one with a journal in ``.multitrack``; default: the config's.

    Raises:
        JournalError: If there is no journal, or it cannot be read.
    """
    return ModelRegistry(open_journal(path).directory)
