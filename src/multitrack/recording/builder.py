"""The steps that start one run: its config, backends and parent, and then its directory, manifest and journal."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any, cast

import msgspec

from multitrack import plugins
from multitrack._text import check_name, clean_text, plain_text, shown
from multitrack.config import Config, Settings
from multitrack.courier.hosts import Delivery
from multitrack.environment.allowed import allowed
from multitrack.environment.context import quick_context
from multitrack.environment.notebook import current_cell
from multitrack.errors import ConfigError, JournalError, RunError
from multitrack.inputs.captures import captures_in
from multitrack.inputs.prepare import PreparedParams, prepare_params, prepare_tags
from multitrack.journal.fsync import keep_durable, put_on_medium
from multitrack.journal.layout import check_links, runs_directory
from multitrack.journal.manifest import BackendEntry, Manifest, read_manifest, write_manifest
from multitrack.journal.run_directory import made
from multitrack.journal.run_ids import check_run_id, new_run_id
from multitrack.journal.segments import cannot_write, opening
from multitrack.journal.writer import Writer
from multitrack.recording import lifecycle
from multitrack.recording.capture import Capture
from multitrack.recording.history import Past
from multitrack.recording.remote_run import RunElsewhere
from multitrack.recording.run import Run
from multitrack.recording.run_names import random_name
from multitrack.security.redaction import Redactor, secret_values

log = logging.getLogger("multitrack")


class Request(msgspec.Struct, frozen=True):
    """What ``start_run`` was asked for; the fields are its arguments, but for ``wrong``."""

    project: str | None = None
    name: str | None = None
    params: Any = None
    tags: Mapping[str, Any] | None = None
    notes: str | None = None
    group: str | None = None
    parent: Any = None
    backends: Any = None
    run_id: str | None = None
    capture: Any = ()
    wrong: tuple[Exception, ...] = ()  # arguments that were found wrong before, and left out


class Start:
    """The steps of starting one run; nothing is written before everything is checked.

    Args:
        loaded: The config that holds.
        request: What ``start_run`` was asked for.
        inherited: The parent's manifest, where it may not be on disk yet.
        override: Whether the config was given for a run whose parent is one of this process: its keys and tables
            replace the parent's, which hold otherwise.
    """

    def __init__(
        self, loaded: Config, request: Request, *, inherited: Manifest | None = None, override: bool = False
    ) -> None:
        self.request = request
        self.parent: Run | None = request.parent if isinstance(request.parent, Run) else None
        self.settings = loaded.settings
        if self.parent is not None:
            given = {key: getattr(loaded.settings, key) for key in loaded.given} if override else {}
            self.settings = msgspec.structs.replace(self.parent.settings, **given)
        # calls that are set aside once the run is open
        self._wrong: list[tuple[str, Exception]] = [("start_run", error) for error in request.wrong]
        self._check_arguments()
        self.inherited = inherited or self._find_parent()
        self.extensions = plugins.extensions(self.settings.plugins)
        self.delivery = self._delivery(loaded, override=override)
        secrets = [value for some in self.delivery.options.values() for value in secret_values(some)]
        self.redactor = Redactor(self.extensions, secrets)
        redaction = Redactor(secrets=secrets).begin()  # no plugin's: sync goes by what is left
        self.entries = [
            BackendEntry.of(entry.name, entry.load, redaction.options(self.delivery.options[entry.name]))
            for entry in self.delivery.entries
        ]
        self.redacted = redaction.count

    def _delivery(self, loaded: Config, *, override: bool) -> Delivery:
        interval = self.settings.interval
        if self.parent is None:
            chosen = self.settings.backends if self.request.backends is None else self._given()
            return _choose(loaded, chosen, self.settings)
        inherited = self.parent.delivery
        if self.request.backends is not None:
            chosen = self._given()
        elif override and "backends" in loaded.given:
            chosen = self.settings.backends
        elif override and loaded.tables:
            chosen = [inherited.objects.get(entry.name, entry.load) for entry in inherited.entries]
        else:
            return dataclasses.replace(inherited, interval=interval)
        return _choose(loaded, chosen, self.settings, inherited.options if override else {})

    def _check_arguments(self) -> None:
        """Check what the run is called and belongs to; with ``mistakes = "warn"`` a wrong argument is left out."""
        request = self.request
        checked: dict[str, Any] = {"capture": self._checked(captures_in, request.capture, self._checked) or ()}
        for what in ("project", "name", "group"):
            value = getattr(request, what)
            if value is not None:
                checked[what] = self._checked(check_name, value, "run" if what == "name" else what)
        if request.notes is not None:
            checked["notes"] = self._checked(_text, request.notes, "notes")
        if request.run_id is not None:
            checked["run_id"] = self._checked(check_run_id, request.run_id)
        if request.parent is not None and self.parent is None:
            checked["parent"] = self._checked(_parent_id, request.parent)
        self.request = msgspec.structs.replace(request, **checked)

    def _given(self) -> list[object]:
        """The backends of the call; an object that is none is a wrong argument, an unknown name an error of set-up."""
        several = self._checked(_several, self.request.backends) or []
        return [one for one in several if isinstance(one, str) or self._checked(plugins.load_backend, one)]

    def _checked(self, check: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return check(*arguments)
        except Exception as error:
            if self.settings.mistakes != "warn":
                raise
            self._wrong.append(("start_run", error))
            return None

    def _find_parent(self) -> Manifest | None:
        if self.parent is not None:
            return self.parent.manifest
        if self.request.parent is None:
            return None
        directory = runs_directory(Path(self.settings.journal)) / self.request.parent
        if not directory.exists():
            return None  # in the journal of another machine
        try:
            return read_manifest(directory)
        except JournalError as error:
            raise RunError(f"parent={self.request.parent!r}: {error}") from error

    def manifest(self, run_id: str) -> Manifest:
        """What the run will be."""
        request, inherited, redaction = self.request, self.inherited, self.redactor.begin()
        project = request.project or (inherited.project if inherited else self.settings.project)
        group = request.group or (inherited.group if inherited else None)
        manifest = Manifest(
            id=run_id, project=redaction.text(clean_text(project or _directory_name() or "project")),
            name=redaction.text(request.name or "") or random_name(),
            created=int(time.time() * 1000), context=quick_context(redaction) if self._comes_from_elsewhere() else None,
            parent=inherited.id if inherited else request.parent,
            group=group and redaction.text(clean_text(group)), notes=request.notes and redaction.text(request.notes),
            backends=self.entries,
        )  # fmt: skip
        return msgspec.structs.replace(manifest, redacted=self.redacted + redaction.count)

    def _comes_from_elsewhere(self) -> bool:
        """Whether the run needs a context of its own, as its parent's is another's or cannot be looked up."""
        if self.inherited is None or isinstance(self.parent, RunElsewhere):
            return True
        return self.parent is not None and self.parent.settings.journal != self.settings.journal

    def open(self) -> Run:
        """Write the journal's first records and give back the run."""
        request, redactor = self.request, self.redactor
        params = tags = None
        if request.params is not None:
            params = self._checked(prepare_params, request.params, None, redactor.begin())
        if request.tags is not None:
            redaction = redactor.begin()
            tags = self._checked(prepare_tags, request.tags, redaction)
        run_id = request.run_id or new_run_id()
        manifest = self.manifest(run_id)
        directory = runs_directory(Path(self.settings.journal)) / run_id
        with made(directory):
            manifest, past, writer = self._open_journal(directory, manifest, params)
        if self.settings.fsync:
            put_on_medium(directory / "manifest.json")
            keep_durable(writer, self.settings.fsync)
        host = lifecycle.host_for(self.settings)
        run = Run(
            manifest, directory, self.settings, writer=writer, past=past, parent=self.parent, host=host,
            redactor=redactor, delivery=self.delivery,
        )  # fmt: skip
        self._notice_open_cells(run)
        lifecycle.remember(run)
        if self.parent is not None:
            self.parent.adopt(run)
        self._add_context(run)
        if tags:
            run.record_tags(tags, redaction.count)
        if params is not None:
            self._checked(run.record_params, params)
        for call, error in self._wrong:
            run.set_aside(call, error)
        lifecycle.gather_context(run, directory, redactor)
        if host is not None and manifest.backends:
            host.add(directory, self.delivery)
        if request.capture:
            run.start_capture(Capture(run, request.capture).close)
        return run

    def _open_journal(
        self, directory: Path, manifest: Manifest, params: PreparedParams | None
    ) -> tuple[Manifest, Past, Writer]:
        """The run's manifest, as it was where the run is continued; what it holds; and its new segment."""
        past = Past()
        check_links(directory)
        with opening(directory):
            if (directory / "manifest.json").exists():
                manifest = self._continued(read_manifest(directory), manifest)
                past = Past.of(directory)
                if params is not None and self.settings.mistakes == "raise":
                    past.check_params(directory.name, params)
            writer = Writer(directory, not_before=past.last_time, manifest=msgspec.to_builtins(manifest))
            try:
                write_manifest(directory, manifest)
            except OSError as error:
                writer.close()
                raise cannot_write(directory, error) from error
        return manifest, past, writer

    def _continued(self, manifest: Manifest, asked: Manifest) -> Manifest:
        """The manifest of a resumed run: what it was, delivered where this process wants it as well.

        Raises:
            RunError: It is to become one of another project, group or parent, which ``mistakes = "warn"`` leaves out.
        """
        request = self.request
        for what, given in (("project", request.project), ("group", request.group), ("parent", request.parent)):
            was, wanted = getattr(manifest, what), getattr(asked, what)
            if given is not None and was != wanted:
                self._checked(_refuse_change, manifest.id, what, was, wanted)
        chosen = {entry.name: entry for entry in (*manifest.backends, *self.entries)}
        return msgspec.structs.replace(
            manifest, backends=list(chosen.values()), name=asked.name if request.name else manifest.name,
            notes=asked.notes or manifest.notes, redacted=manifest.redacted + self.redacted,
        )  # fmt: skip

    def _notice_open_cells(self, run: Run) -> None:
        """In a notebook, name the runs that earlier cells left open; of several that capture output, the last does."""
        run.cell = current_cell()
        if run.cell is None:
            return
        for other in cast(list[Run], lifecycle.open_runs()):
            if other.disabled or other.in_block or other.cell in (None, run.cell) or other in run.ancestors():
                continue
            log.warning(
                "multitrack: run %s (%s) of cell %s is still open: end() it, or multitrack.active_run().end() before "
                "this one starts", other.id, other.name, other.cell,
            )  # fmt: skip
            if self.request.capture:
                other.stop_capture()

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


def _choose(
    loaded: Config,
    backends: Sequence[object],
    settings: Settings,
    inherited: Mapping[str, dict[str, Any]] | None = None,
) -> Delivery:
    """Load and check the backends and their options; those of a parent hold where the config has none."""
    delivery = Delivery(interval=settings.interval)
    for given in backends:
        backend = plugins.load_backend(plain_text(given) if isinstance(given, str) else given)
        if backend.name in delivery.options:
            raise ConfigError(f"backends: {backend.name!r} is named twice")
        options, _ = loaded.options(backend, (inherited or {}).get(backend.name))
        plain = msgspec.to_builtins(options)
        delivery.options[backend.name] = plain
        delivery.entries.append(BackendEntry(name=backend.name, load=backend.load))
        delivery.environment |= allowed(backend.environment_variables())
        if backend.local:
            if settings.delivery == "process":
                raise ConfigError(
                    f"backend {backend.name!r} is an object of this process, which a courier process cannot reach: "
                    'set delivery = "thread", or name it by import path, "package.module:attribute"'
                )
            delivery.objects[backend.name] = backend.plugin
    loaded.check_tables(delivery.options)
    loaded.check_variables(delivery.options)
    return delivery


def _several(backends: object) -> list[object]:
    if isinstance(backends, (list, tuple, AbstractSet)):
        return list(backends)
    return [backends]


def _refuse_change(run_id: str, what: str, was: str | None, wanted: str | None) -> None:
    raise RunError(
        f"run {run_id} has the {what} {was!r}, which a continued run keeps: start_run("
        f"{what}={wanted!r}, run_id=…) asks for another"
    )


def _parent_id(parent: Any) -> str:
    if not isinstance(parent, str):
        raise TypeError(f"parent must be a run or the id of one, got {shown(parent)}")
    return check_run_id(parent)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a string, got {shown(value)}")
    return clean_text(value)


def _directory_name() -> str:
    try:
        return Path.cwd().name
    except OSError:  # it was deleted
        return ""
