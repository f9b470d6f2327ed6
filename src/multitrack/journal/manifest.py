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
from multitrack.journal.run_ids import check_run_id
from multitrack.records import Segment

log = logging.getLogger("multitrack")

#: What stands for bytes that are no UTF-8 (PEP 383).
_UNDECODABLE: Final = re.compile("[\udc80-\udcff]")


class GitState(msgspec.Struct, frozen=True, omit_defaults=True):
    """The repository that the training's source stands in."""

    commit: str
    branch: str | None = None
    dirty: bool | None = None
    remote: str | None = None
    root: str | None = None


class Context(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a run came from.

    Attributes:
        user: Login name.
        host: Host name.
        pid: The training process.
        cwd: Its working directory.
        program: Absolute path of the script, or ``None`` in a notebook or shell.
        command: ``sys.argv`` as it was.
        executable: The Python interpreter's path.
        python: Its version.
        platform: The operating system.
        git: The source's repository, where there is one.
        packages: Version of each installed distribution.
        urls: Of those that were installed from a directory, an archive or a repository: from which (PEP 610).
        complete: False while the slower facts are still being gathered.
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
    complete: bool = True


class BackendEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A backend of a run: how to load it, and its options without secrets.

    Attributes:
        name: What the config calls it.
        load: How it is found: a name or an import path.
        options: Its options; bytes of a path that are no UTF-8 as visible escapes.
        paths: Those options again whose text was altered so, as their bytes.
    """

    name: str
    load: str
    options: dict[str, Any] = {}
    paths: dict[str, bytes] = {}

    @classmethod
    def of(cls, name: str, load: str, options: Mapping[str, Any]) -> BackendEntry:
        """An entry whose options can be written as they are given."""
        paths = {
            key: os.fsencode(value)
            for key, value in options.items()
            if isinstance(value, str) and not value.isascii() and _UNDECODABLE.search(value)
        }
        texts = {key: path.decode("utf-8", "backslashreplace") for key, path in paths.items()}
        return cls(name, load, {**options, **texts}, paths)

    @property
    def given(self) -> dict[str, Any]:
        """The options as they were given."""
        return {**self.options, **{key: os.fsdecode(path) for key, path in self.paths.items()}}


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a run is.

    Attributes:
        id: Unique within the journal; letters, digits, ``-`` and ``_``.
        project: The project it belongs to.
        name: For people; any Unicode.
        created: Milliseconds since the epoch.
        context: Where it came from; ``None`` for a child, which refers to its parent's.
        parent: The parent's run id.
        group: Label that groups runs across parents.
        notes: Free text.
        backends: Where it is delivered, by backend name.
        redacted: How many values were redacted here.
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
    format: int = 1

    def __post_init__(self) -> None:
        # Both become parts of paths and of trackers' queries, and a manifest may have been sent by somebody else.
        for run_id in (self.id,) if self.parent is None else (self.id, self.parent):
            check_run_id(run_id)


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write or replace the manifest of the run in ``directory``."""
    write_json(directory / "manifest.json", manifest)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the run in ``directory``; from its journal, where the file is damaged.

    Raises:
        JournalError: It is missing, cannot be read, or is damaged like the journal's segments.
    """
    path = directory / "manifest.json"
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
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
    """The manifest as the newest segment that can be read says it: without what was gathered after the start."""
    for path in sorted(directory.glob("[0-9]*.jsonl"), reverse=True):
        try:
            with path.open("rb") as file:
                first = decode_or_none(file.readline())
        except OSError:
            continue
        if isinstance(first, Segment) and first.manifest is not None:
            try:
                return msgspec.convert(first.manifest, Manifest)
            except msgspec.ValidationError:
                continue
    return None


def context_of(directory: Path, manifest: Manifest) -> Context | None:
    """Where the run came from: its own context, or the nearest ancestor's."""
    seen = {manifest.id}
    while manifest.context is None and manifest.parent is not None and manifest.parent not in seen:
        seen.add(manifest.parent)
        directory = directory.parent / manifest.parent
        try:
            manifest = read_manifest(directory)
        except JournalError:
            return None
    return manifest.context
