"""Starting a run: config, backends, where it came from, its journal."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack import plugins, process, values
from multitrack import run as runs
from multitrack.capture import Capture
from multitrack.config import Config, load_config
from multitrack.context import quick_context
from multitrack.errors import ConfigError, JournalError, RunError
from multitrack.journal import Writer, opening
from multitrack.manifest import BackendEntry, Manifest, check_run_id, new_run_id, read_manifest, runs_directory, write_manifest
from multitrack.past import Past
from multitrack.redaction import Redactor, without_credentials
from multitrack.run import Run

log = logging.getLogger("multitrack")

_CAPTURES: Final = ("stdout", "stderr", "logging")
_ADJECTIVES: Final = ("amber", "brisk", "calm", "deft", "eager", "fair", "glad", "hardy", "keen", "light", "mild", "nimble",
                      "open", "plain", "quick", "rapid", "sharp", "still", "tidy", "vivid", "warm", "young")  # fmt: skip
_NOUNS: Final = ("acorn", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "juniper", "knoll",
                 "lagoon", "meadow", "north", "orchard", "pine", "quartz", "river", "stone", "tide", "valley", "willow")  # fmt: skip


def start_run(
    project: str | None = None,
    name: str | None = None,
    *,
    params: Any = None,
    tags: Mapping[str, Any] | None = None,
    notes: str | None = None,
    group: str | None = None,
    parent: Run | str | None = None,
    backends: Sequence[object] | object | None = None,
    run_id: str | None = None,
    config: object = None,
    capture: Iterable[str] = (),
    disabled: bool | None = None,
) -> Run:
    """Start a run, or continue one of an earlier process.

    Args:
        project: The project; default: the parent's, the config's, or the current directory's name.
        name: For people; default: a readable random one.
        params: Recorded at once, as :meth:`Run.log_params` would.
        tags: Set at once.
        notes: Free text kept with the run.
        group: Label of runs that belong together; default: the parent's.
        parent: The run this one is a child of, or its id.
        backends: Names, import paths (``"my_pkg.tracker:backend"``) or plugin objects, one or several; overrides the
            config. Objects need ``delivery = "thread"``.
        run_id: Continue the run of this id, or start it under this id if there is none.
        config: Path of a TOML file, or a mapping of the same shape; default: searched upwards.
        capture: Which output becomes log lines: any of ``stdout``, ``stderr``, ``logging``.
        disabled: Record nothing; default: what ``MULTITRACK_DISABLED`` says, or whether this is not rank 0.

    Returns:
        The open run.

    Raises:
        ConfigError: Something in the config cannot hold, or a backend is unknown.
        BackendNotInstalledError: A backend or its SDK is not installed.
        PluginError: A backend does not implement the hooks as specified.
        JournalError: The journal's directory cannot be written.
        RunInUseError: A live process writes the run of this id.
    """
    captures = _captures(capture)
    for what, value in (("run", name), ("project", project), ("group", group)):
        if value is not None:
            values.check_name(value, what)
    if isinstance(parent, Run) and parent.disabled:
        disabled = True
    if disabled or (disabled is None and _switched_off()):
        return _disabled(project, name)
    loaded = load_config(config, arguments={"project": project})
    rank, size = _rank()
    if size > 1:
        if loaded.settings.ranks == "zero" and rank > 0:
            return _disabled(project, name)
        if loaded.settings.ranks == "all" and parent is None:
            return _ranked(rank, locals())
    return _Start(loaded, parent, backends).open(
        project=project, name=name, params=params, tags=tags, notes=notes, group=group, run_id=run_id, captures=captures
    )


class _Start:
    """The steps of starting one run; nothing is written before everything is checked."""

    def __init__(self, loaded: Config, parent: Run | str | None, backends: Sequence[object] | object | None) -> None:
        self.parent = parent if isinstance(parent, Run) else None
        self.settings = self.parent._settings if self.parent is not None else loaded.settings
        self.parent_manifest = self._find_parent(parent)
        if backends is None and self.parent is not None:
            self.entries, self.options, self.objects = self.parent._delivery
        else:
            self._choose(loaded, self.settings.backends if backends is None else _several(backends))
        self.extensions = plugins.extensions(self.settings.plugins)

    def _find_parent(self, parent: Run | str | None) -> Manifest | None:
        if parent is None:
            return None
        if isinstance(parent, Run):
            return parent._manifest
        directory = runs_directory(Path(self.settings.journal)) / check_run_id(parent)
        try:
            return read_manifest(directory)
        except JournalError as error:
            raise RunError(f"parent={parent!r}: {error}") from error

    def _choose(self, loaded: Config, backends: Sequence[object]) -> None:
        self.entries: list[BackendEntry] = []
        self.options: dict[str, dict[str, Any]] = {}
        self.objects: dict[str, object] = {}
        for given in backends:
            backend = plugins.load_backend(given)
            if backend.name in self.options:
                raise ConfigError(f"backends: {backend.name!r} is named twice")
            options, _ = loaded.options(backend)
            plain = msgspec.to_builtins(options)
            self.options[backend.name] = plain
            self.entries.append(BackendEntry(name=backend.name, load=backend.load, options=_without_secrets(plain)))
            if backend.local:
                if self.settings.delivery == "process":
                    raise ConfigError(
                        f"backend {backend.name!r} is an object of this process, which a courier process cannot reach: "
                        'set delivery = "thread", or name it by import path, "package.module:attribute"'
                    )
                self.objects[backend.name] = backend.plugin

    def open(
        self, *, project: str | None, name: str | None, params: Any, tags: Mapping[str, Any] | None, notes: str | None,
        group: str | None, run_id: str | None, captures: tuple[str, ...],
    ) -> Run:  # fmt: skip
        """Write the journal's first records and give back the run."""
        host = process.host_for(self.settings)
        journal = Path(self.settings.journal)
        directory = runs_directory(journal) / (new_run_id() if run_id is None else check_run_id(run_id))
        _make_directory(directory)
        inherited = self.parent_manifest
        manifest = Manifest(
            id=directory.name,
            project=project or (inherited.project if inherited else self.settings.project) or Path.cwd().name or "project",
            name=name or _random_name(), created=int(time.time() * 1000),
            context=None if inherited is not None else quick_context(),
            parent=inherited.id if inherited else None, group=group or (inherited.group if inherited else None),
            notes=notes, backends=self.entries,
        )  # fmt: skip
        with opening(directory):
            past = Past()
            if (directory / "manifest.json").exists():
                past = Past.of(directory)
                manifest = self._continued(read_manifest(directory), name)
            writer = Writer(directory, not_before=past.last_time)
            write_manifest(directory, manifest)
        run = Run(
            manifest, directory, self.settings, writer=writer, past=past, parent=self.parent, host=host,
            redactor=Redactor(self.extensions), delivery=(self.entries, self.options, self.objects),
        )  # fmt: skip
        process.remember(run)
        if self.parent is not None:
            self.parent.adopt(run)
        try:
            self._first_records(run, tags, params)
        except BaseException:
            run.end("failed")
            raise
        process.gather_context(directory, manifest)
        if host is not None and self.entries:
            host.add(directory, self.options, self.objects)
        run.start_capture(captures)
        return run

    def _continued(self, manifest: Manifest, name: str | None) -> Manifest:
        """The manifest of a resumed run: what it was, delivered where this process wants it as well."""
        chosen = {entry.name: entry for entry in manifest.backends} | {entry.name: entry for entry in self.entries}
        return msgspec.structs.replace(manifest, backends=list(chosen.values()), name=name or manifest.name)

    def _first_records(self, run: Run, tags: Mapping[str, Any] | None, params: Any) -> None:
        for extension in self.extensions:
            if not extension.adds_context:
                continue
            try:
                added = extension.run_context(run.project, run.name)
                run.set_tags(added.get("tags", {}))
                run.log_params(added.get("params", {}), source=extension.origin)
            except Exception as error:  # noqa: BLE001 - a plugin must not keep a run from starting
                log.warning("multitrack: %s raised in run_context: %s; the run starts without it", extension.origin, error)
        if tags:
            run.set_tags(tags)
        if params is not None:
            run.log_params(params)


def _several(backends: object) -> list[object]:
    if isinstance(backends, (list, tuple, set)):
        return list(backends)
    return [backends]


def _captures(capture: Iterable[str] | str) -> tuple[str, ...]:
    wanted = (capture,) if isinstance(capture, str) else tuple(capture)
    for what in wanted:
        if what not in _CAPTURES:
            raise ValueError(f"capture takes {', '.join(map(repr, _CAPTURES))}, got {what!r}")
    return wanted


def _switched_off() -> bool:
    return os.environ.get("MULTITRACK_DISABLED", "").strip().lower() in {"1", "true", "yes", "on"}


def _disabled(project: str | None, name: str | None) -> Run:
    run = runs.disabled_run(project or "", name or "")
    process.remember(run)
    return run


def _rank() -> tuple[int, int]:
    """This process's rank and how many there are, as torchrun and its like say."""
    try:
        return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    except (KeyError, ValueError):
        return 0, 1


def _ranked(rank: int, given: dict[str, Any]) -> Run:
    """With ``ranks = "all"``: a child run for each rank, of a parent that rank 0 opens and ends."""
    base = given["run_id"] or _shared_id(given["project"], given["name"])
    loaded: Config = given["loaded"]
    start = _Start(loaded, None, given["backends"])
    parent = None
    if rank == 0:
        parent = start.open(
            project=given["project"], name=given["name"], params=None, tags=None, notes=given["notes"],
            group=given["group"], run_id=base, captures=(),
        )  # fmt: skip
    child = _Start(loaded, parent, given["backends"])
    child.parent_manifest = child.parent_manifest or Manifest(
        id=base, project=start.settings.project or given["project"] or Path.cwd().name, name=base, created=0, group=given["group"]
    )
    run = child.open(
        project=given["project"], name=f"{given['name'] or base}-rank{rank}", params=given["params"], tags=given["tags"],
        notes=given["notes"], group=given["group"], run_id=f"{base}-rank{rank}", captures=given["captures"],
    )  # fmt: skip
    run.owns(parent)
    return run


def _shared_id(project: str | None, name: str | None) -> str:
    """An id that every rank of one launch arrives at by itself."""
    launch = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    if launch == "none":
        launch = "{MASTER_ADDR}:{MASTER_PORT}".format_map({"MASTER_ADDR": "", "MASTER_PORT": "", **os.environ})
    if launch == ":":
        raise ConfigError(
            'ranks = "all" needs an id that all ranks share: pass run_id=, or start with torchrun (TORCHELASTIC_RUN_ID, '
            "or MASTER_ADDR and MASTER_PORT)"
        )
    digest = hashlib.sha256(f"{launch}\0{project}\0{name}".encode()).hexdigest()[:12]
    return time.strftime("%Y%m%d-", time.gmtime()) + digest


def _make_directory(directory: Path) -> None:
    journal = directory.parent.parent
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        journal.chmod(0o700)
        (directory / "lanes").mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise JournalError(
            error.errno, f"cannot write the journal: {error.strerror}; choose another place with journal = "
            f'"…" in the config or MULTITRACK_JOURNAL', str(journal)
        ) from error  # fmt: skip


def _without_secrets(options: dict[str, Any]) -> dict[str, Any]:
    return {key: without_credentials(value) if isinstance(value, str) else value for key, value in options.items()}


def _random_name() -> str:
    fresh = random.SystemRandom()  # training's seed neither decides the name nor is moved by it
    return f"{fresh.choice(_ADJECTIVES)}-{fresh.choice(_NOUNS)}-{fresh.randrange(1000):03}"
