"""The manifest of a run, kept beside its journal: ``manifest.json`` in the run's directory."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack.errors import JournalError
from multitrack.journal.atomic import write_json
from multitrack.journal.encoding import decode_or_none
from multitrack.journal.layout import cannot_read
from multitrack.journal.prepared import prepared
from multitrack.journal.provenance import CodeState, Hardware
from multitrack.journal.run_ids import check_run_id
from multitrack.records import Segment

log = logging.getLogger("multitrack")

#: Surrogates that stand for bytes that are not valid UTF-8 (PEP 383).
_UNDECODABLE: Final = re.compile("[\udc80-\udcff]")


class GitState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The git repository of the training's source."""

    commit: str
    branch: str | None = None
    dirty: bool | None = None
    remote: str | None = None
    root: str | None = None


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """The origin of a run: user, host, program, packages and source.

    Attributes:
        user: Login name.
        host: Host name.
        pid: Process id of the training process.
        cwd: Its working directory.
        program: Absolute path of the script, or ``None`` in a notebook or shell.
        command: The command line of the interpreter, ``sys.orig_argv``, redacted.
        executable: Path of the Python interpreter.
        python: Its version.
        platform: The operating system.
        git: The source's repository, if there is one.
        packages: Version of each installed distribution.
        urls: Source URLs of distributions installed from a directory, an archive or a repository (PEP 610).
        code: The source in the run's directory; ``None`` if none was asked for.
        hardware: The machine; ``None`` if it was not asked for.
        complete: False while the facts that take longer are still being gathered.
    """

    user: str
    host: str
    pid: int
    cwd: str
    program: str | None
    command: list[str]
    executable: str
    python: str
    platform: str
    git: GitState | None = None
    packages: dict[str, str] = {}
    urls: dict[str, str] = {}
    code: CodeState | None = None
    hardware: Hardware | None = None
    complete: bool = True


class BackendEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A backend of a run: how to load it, and its options without secrets.

    Attributes:
        name: The backend's name in the config.
        load: The name or import path to load it by.
        options: Its options; bytes of a path that are not valid UTF-8 become visible escapes.
        paths: The original bytes of the options that were escaped.
    """

    name: str
    load: str
    options: dict[str, Any] = {}
    paths: dict[str, bytes] = {}

    @classmethod
    def of(cls, name: str, load: str, options: Mapping[str, Any]) -> BackendEntry:
        """Create an entry whose options can be written as JSON."""
        paths = {
            key: os.fsencode(value)
            for key, value in options.items()
            if isinstance(value, str) and not value.isascii() and _UNDECODABLE.search(value)
        }
        texts = {key: path.decode("utf-8", "backslashreplace") for key, path in paths.items()}
        return cls(name, load, {**options, **texts}, paths)

    @property
    def given(self) -> dict[str, Any]:
        """The original options, with unescaped paths."""
        return {**self.options, **{key: os.fsdecode(path) for key, path in self.paths.items()}}


class Compaction(msgspec.Struct, frozen=True, omit_defaults=True):
    """How old records of a run are compacted (:mod:`multitrack.compaction`).

    Attributes:
        after: Age in seconds from which records are compacted.
        kinds: The kinds of records: ``metrics``, which are simple metrics, and ``lines``.
    """

    after: float
    kinds: list[str]

    @property
    def period(self) -> float:
        """Seconds after which the writer begins a new segment: a day, an hour, or the age if that is shorter."""
        return next((seconds for seconds in (86_400.0, 3_600.0) if self.after >= seconds), self.after)

    @property
    def look_every(self) -> float:
        """Seconds between looks of a courier for records that are old enough."""
        return min(600.0, self.after / 4)


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where an imported run was recorded (:mod:`multitrack.migration`).

    Attributes:
        tracker: The tracker or format: ``mlflow``, ``csv``.
        id: The tracker's id of the run.
        source: The address that it was read from, without credentials.
        scope: The part of the tracker within which the id is unique; empty if it is unique in all of it.
        url: The run's web page there.
        complete: False while the import goes on, or after it was interrupted.
        files: The directory with copies of its files; None if they were left where they are.
        project: The project that its program told; None if it is the tracker's.
    """

    tracker: str
    id: str
    source: str
    scope: str = ""
    url: str | None = None
    complete: bool = False
    files: str | None = None
    project: str | None = None


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The identity of a run: its names, origin, parent and backends.

    Attributes:
        id: The run id, unique within the journal; letters, digits, ``-`` and ``_``.
        project: The project it belongs to.
        name: Readable name; any Unicode.
        created: Start time in milliseconds since the epoch.
        context: The run's origin; ``None`` for a child, which shares its parent's.
        parent: The parent's run id.
        group: Label that groups runs across parents.
        notes: Free text.
        backends: The backends it is delivered to.
        redacted: Number of redacted values in the manifest.
        compact: How old records are compacted; ``None`` to keep them all.
        imported: Where the run was recorded; ``None`` if it was recorded here.
        format: Version of this file's format.
    """

    id: str
    project: str
    name: str
    created: int
    context: Context | None = None
    parent: str | None = None
    group: str | None = None
    notes: str | None = None
    backends: list[BackendEntry] = []
    redacted: int = 0
    compact: Compaction | None = None
    imported: Origin | None = None
    format: int = 1

    def __post_init__(self) -> None:
        # Both ids become parts of paths and of tracker queries, and a manifest may come from somebody else.
        for run_id in (self.id,) if self.parent is None else (self.id, self.parent):
            check_run_id(run_id)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write or replace the manifest of the run in ``directory``."""
    write_json(directory / "manifest.json", manifest)


def read_manifest(directory: Path) -> Manifest:
    """Read the manifest of the run in ``directory``; if the file is damaged, its copy in the journal.

    Raises:
        JournalError: If the file is missing or cannot be read, belongs to another run, or is damaged together with
            its copies in the journal.
    """
    path = directory / "manifest.json"
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=prepared(Manifest))
    except FileNotFoundError:
        raise JournalError(f"no run in {directory}: manifest.json is missing") from None
    except OSError as error:
        raise cannot_read(path, error) from error
    except ValueError as error:
        kept = _kept_in_journal(directory)
        if kept is None:
            raise JournalError(f"cannot read {path}: {error}") from error
        log.warning("multitrack: %s is damaged (%s); using the copy in the run's journal", path, error)
        manifest = kept
    if manifest.id != directory.name:
        raise JournalError(f"{path} belongs to another run, {manifest.id!r}")
    return manifest


def _kept_in_journal(directory: Path) -> Manifest | None:
    """The copy of the manifest in the newest readable segment; it lacks the facts gathered after the start."""
    for path in sorted(directory.glob("[0-9]*.jsonl"), reverse=True):
        try:
            with path.open("rb") as file:
                first = decode_or_none(file.readline())
        except OSError:
            continue
        if isinstance(first, Segment) and first.manifest is not None:
            try:
                return msgspec.convert(first.manifest, prepared(Manifest))
            except msgspec.ValidationError:
                continue
    return None


def context_of(directory: Path, manifest: Manifest) -> Context | None:
    """The run's own context, or the nearest ancestor's; None if an ancestor's manifest cannot be read."""
    return origin_of(directory, manifest)[1]


def origin_of(directory: Path, manifest: Manifest) -> tuple[Path, Context | None]:
    """The context of a run as :func:`context_of`, and the directory of the run that it belongs to."""
    seen = {manifest.id}
    while manifest.context is None and manifest.parent is not None and manifest.parent not in seen:
        seen.add(manifest.parent)
        directory = directory.parent / manifest.parent
        try:
            manifest = read_manifest(directory)
        except JournalError:
            return directory, None
    return directory, manifest.context
