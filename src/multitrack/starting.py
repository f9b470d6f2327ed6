"""The steps that start one run: its config, backends and parent, and then its directory, manifest and journal."""

from __future__ import annotations

import errno
import logging
import os
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from multitrack import plugins, process
from multitrack.config import Config
from multitrack.context import quick_context
from multitrack.durability import keep_durable, put_on_medium
from multitrack.elsewhere import RunElsewhere
from multitrack.environment.allowed import allowed
from multitrack.errors import ConfigError, JournalError, RunError
from multitrack.host import Delivery
from multitrack.inputs import prepare_params, prepare_tags
from multitrack.journal import Writer
from multitrack.manifest import (
    BackendEntry,
    Manifest,
    check_links,
    check_run_id,
    new_run_id,
    read_manifest,
    runs_directory,
    write_manifest,
)
from multitrack.naming import random_name
from multitrack.past import Past
from multitrack.redaction import Redactor, secret_values
from multitrack.run import Run
from multitrack.segments import cannot_write, opening

log = logging.getLogger("multitrack")


class Request(msgspec.Struct, frozen=True):
    """What ``start_run`` was asked for; the fields are its arguments."""

    project: str | None = None
    name: str | None = None
    params: Any = None
    tags: Mapping[str, Any] | None = None
    notes: str | None = None
    group: str | None = None
    parent: Any = None
    backends: Any = None
    run_id: str | None = None
    captures: tuple[str, ...] = ()


class Start:
    """The steps of starting one run; nothing is written before everything is checked.

    Args:
        loaded: The config that holds.
        request: What ``start_run`` was asked for.
        inherited: The parent's manifest, where it may not be on disk yet.
    """

    def __init__(self, loaded: Config, request: Request, *, inherited: Manifest | None = None) -> None:
        self.request = request
        self.parent: Run | None = request.parent if isinstance(request.parent, Run) else None
        self.settings = self.parent.settings if self.parent is not None else loaded.settings
        self.inherited = inherited or self._find_parent()
        self.extensions = plugins.extensions(self.settings.plugins)
        if request.backends is None and self.parent is not None:
            self.delivery = self.parent.delivery
        else:
            chosen = self.settings.backends if request.backends is None else _several(request.backends)
            self.delivery = _choose(loaded, chosen)
        secrets = [value for some in self.delivery.options.values() for value in secret_values(some)]
        self.redactor = Redactor(self.extensions, secrets)
        redaction = Redactor(secrets=secrets).begin()  # no plugin's: sync goes by what is left
        self.entries = [
            msgspec.structs.replace(entry, options=redaction.options(self.delivery.options[entry.name]))
            for entry in self.delivery.entries
        ]
        self.redacted = redaction.count

    def _find_parent(self) -> Manifest | None:
        if self.parent is not None:
            return self.parent.manifest
        if self.request.parent is None:
            return None
        directory = runs_directory(Path(self.settings.journal)) / check_run_id(self.request.parent)
        if not directory.exists():
            return None  # in the journal of another machine
        try:
            return read_manifest(directory)
        except JournalError as error:
            raise RunError(f"parent={self.request.parent!r}: {error}") from error

    def manifest(self, run_id: str) -> Manifest:
        """What the run will be."""
        request, inherited, redaction = self.request, self.inherited, self.redactor.begin()
        apart = inherited is None or isinstance(
            self.parent, RunElsewhere
        )  # it comes from another place than its parent
        project = request.project or (inherited.project if inherited else self.settings.project)
        group = request.group or (inherited.group if inherited else None)
        manifest = Manifest(
            id=run_id, project=redaction.text(project or Path.cwd().name or "project"),
            name=redaction.text(request.name or "") or random_name(),
            created=int(time.time() * 1000), context=quick_context(redaction) if apart else None,
            parent=inherited.id if inherited else request.parent,
            group=group and redaction.text(group), notes=request.notes and redaction.text(request.notes),
            backends=self.entries,
        )  # fmt: skip
        return msgspec.structs.replace(manifest, redacted=self.redacted + redaction.count)

    def open(self) -> Run:
        """Write the journal's first records and give back the run."""
        request, redactor = self.request, self.redactor
        params = None if request.params is None else prepare_params(request.params, None, redactor.begin())
        tags = prepare_tags(request.tags or {}, redactor.begin())
        directory = runs_directory(Path(self.settings.journal))
        directory /= new_run_id() if request.run_id is None else check_run_id(request.run_id)
        _make_directory(directory)
        manifest = self.manifest(directory.name)
        past = Past()
        check_links(directory)
        with opening(directory):
            if (directory / "manifest.json").exists():
                manifest = self._continued(read_manifest(directory), manifest.name)
                past = Past.of(directory)
                if params is not None:
                    past.check_params(directory.name, params.values, params.types)
            writer = Writer(directory, not_before=past.last_time, manifest=msgspec.to_builtins(manifest))
            try:
                write_manifest(directory, manifest)
            except OSError as error:
                writer.close()
                raise cannot_write(directory, error) from error
        if self.settings.fsync:
            put_on_medium(directory / "manifest.json")
            keep_durable(writer, self.settings.fsync)
        host = process.host_for(self.settings)
        run = Run(
            manifest, directory, self.settings, writer=writer, past=past, parent=self.parent, host=host,
            redactor=redactor, delivery=self.delivery,
        )  # fmt: skip
        process.remember(run)
        if self.parent is not None:
            self.parent.adopt(run)
        self._add_context(run)
        if tags:
            run.set_tags(request.tags or {})
        if params is not None:
            run.log_params(request.params)
        process.gather_context(run, directory, redactor)
        if host is not None and manifest.backends:
            host.add(directory, self.delivery)
        run.start_capture(request.captures)
        return run

    def _continued(self, manifest: Manifest, name: str) -> Manifest:
        """The manifest of a resumed run: what it was, delivered where this process wants it as well."""
        chosen = {entry.name: entry for entry in (*manifest.backends, *self.entries)}
        return msgspec.structs.replace(
            manifest, backends=list(chosen.values()), name=name if self.request.name else manifest.name,
            redacted=manifest.redacted + self.redacted,
        )  # fmt: skip

    def _add_context(self, run: Run) -> None:
        for extension in self.extensions:
            if not extension.adds_context:
                continue
            try:
                added = extension.run_context(run.project, run.name)
                run.set_tags(added.get("tags", {}))
                run.log_params(added.get("params", {}), source=extension.origin)
            except Exception as error:  # noqa: BLE001 - a plugin must not keep a run from starting
                log.warning("multitrack: %s raised in run_context: %s; left out", extension.origin, error)


def _choose(loaded: Config, backends: Sequence[object]) -> Delivery:
    """Load and check the backends and their options."""
    delivery = Delivery(interval=loaded.settings.interval)
    for given in backends:
        backend = plugins.load_backend(given)
        if backend.name in delivery.options:
            raise ConfigError(f"backends: {backend.name!r} is named twice")
        options, _ = loaded.options(backend)
        plain = msgspec.to_builtins(options)
        delivery.options[backend.name] = plain
        delivery.entries.append(BackendEntry(name=backend.name, load=backend.load))
        delivery.environment |= allowed(backend.environment_variables())
        if backend.local:
            if loaded.settings.delivery == "process":
                raise ConfigError(
                    f"backend {backend.name!r} is an object of this process, which a courier process cannot reach: "
                    'set delivery = "thread", or name it by import path, "package.module:attribute"'
                )
            delivery.objects[backend.name] = backend.plugin
    loaded.check_tables(delivery.options)
    return delivery


def _several(backends: object) -> list[object]:
    if isinstance(backends, (list, tuple, set)):
        return list(backends)
    return [backends]


def _make_directory(directory: Path) -> None:
    """Make a run's directory, and those above it that are missing, for their owner alone.

    A directory that was there keeps its permissions: it may be one that the user shares, such as ``.`` or a home.
    """
    runs, journal = directory.parent, directory.parent.parent
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        for path in (journal, runs, directory, directory / "lanes"):
            path.mkdir(mode=0o700, exist_ok=True)
            if path != journal:
                _check_owner(path)
    except OSError as error:
        raise JournalError(
            error.errno, f"cannot write the journal: {error.strerror}; choose another place with journal = "
            f'"…" in the config or MULTITRACK_JOURNAL', str(journal)
        ) from error  # fmt: skip


def _check_owner(path: Path) -> None:
    """In a directory that several users may write, another one may have put something in a run's place."""
    found = path.lstat()
    if found.st_uid != os.geteuid() and (os.geteuid() != 0 or stat.S_ISLNK(found.st_mode)):
        raise PermissionError(errno.EPERM, f"{path} belongs to another user")
