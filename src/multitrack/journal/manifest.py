"""What a run is, kept beside its journal: ``manifest.json`` in the run's directory.

A journal's directory looks like this::

    .multitrack/
      courier-<pid>.log               what trackers' SDKs print while delivering
      runs/<run id>/
        manifest.json                 this module
        000001.jsonl, 000002.jsonl    the segments
        lanes/<backend>.json          how far that backend is, and how it fares
        lanes/<backend>/              the backend's own notes

A directory without a manifest is no run yet. Everything is readable by its owner alone.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack._text import plain_text
from multitrack.errors import JournalError
from multitrack.records import Segment, decode_or_none

log = logging.getLogger("multitrack")

_last_id_time = 0
_MADE_ID: Final = re.compile(r"(20[0-9]{6}-[0-9]{6}-[0-9]{3})-[0-9a-f]{6}")
#: What stands for bytes that are no UTF-8 (PEP 383).
_UNDECODABLE: Final = re.compile("[\udc80-\udcff]")
_RUN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


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


def runs_directory(journal: Path) -> Path:
    """Where the journal at ``journal`` keeps its runs."""
    return journal / "runs"


def is_run_id(text: str) -> bool:
    """Whether this can be a run's id."""
    return _RUN_ID.fullmatch(text) is not None


def check_run_id(run_id: Any) -> str:
    """A run id that is safe as a directory's name and in every tracker.

    Raises:
        TypeError: It is no string.
        ValueError: It holds anything but letters, digits, ``-`` and ``_``, or is longer than 64.
    """
    if not isinstance(run_id, str):
        raise TypeError(f"run_id must be a string, got {type(run_id).__qualname__}")
    if not is_run_id(run_id):
        raise ValueError(f"run_id {run_id!r} must be 1 to 64 letters, digits, '-' or '_', the first a letter or digit")
    return plain_text(run_id)


def new_run_id() -> str:
    """A run id that is unique and sorts by time (UTC, with milliseconds): ``20261121-025828-417-5f3a9c``."""
    global _last_id_time  # ids of one process sort in their order even within a millisecond
    _last_id_time = max(_last_id_time + 1, time.time_ns() // 1_000_000)
    return f"{text_of_time(_last_id_time)}-{os.urandom(3).hex()}"


def text_of_time(milliseconds: int) -> str:
    """A time (ms since the epoch) as it begins a run's id."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{milliseconds:03}"


def time_in_id(run_id: str) -> str | None:
    """The time that begins an id which :func:`new_run_id` made; ``None`` for one of somebody's own."""
    match = _MADE_ID.fullmatch(run_id)
    return match and match[1]


def write_json(path: Path, value: msgspec.Struct) -> None:
    """Write ``value`` as a file, whole."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Write a file so that a reader sees the old one or the new one, whole."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_output(path: Path, content: bytes) -> None:
    """Write a file that somebody asked for, whole, with the permissions of their umask.

    Into what is there and no file, such as ``/dev/stdout``, it is written as it is.

    Raises:
        OSError: It cannot be written; names the file.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
        else:
            write_whole(path, content, 0o666)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # what was asked for, not the draft
        raise


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Write or replace the manifest of the run in ``directory``."""
    write_json(directory / "manifest.json", manifest)


def check_links(directory: Path) -> None:
    """Refuse a run's directory with symbolic links, which we never make and which lead out of it.

    Raises:
        JournalError: There is one, or the directory cannot be read.
    """
    try:
        paths = [directory, *directory.rglob("*")]
    except OSError as error:
        raise cannot_read(directory, error) from error
    for path in paths:
        if path.is_symlink():
            raise JournalError(f"{path} is a symbolic link, which multitrack never makes: the run is left alone")


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
        log.warning("multitrack: %s is damaged (%s); what it said is taken from the run's journal", path, error)
        manifest = kept
    if manifest.id != directory.name:
        raise JournalError(f"{path} calls itself {manifest.id!r}: it is another run's")
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


def run_directories(journal: Path) -> Iterator[Path]:
    """The directories of all runs in a journal, oldest id first.

    Raises:
        JournalError: The journal cannot be read.
    """
    runs = runs_directory(journal)
    try:
        names = sorted(os.listdir(runs))  # noqa: PTH208 - thousands of runs, and a path for each takes its time
    except OSError as error:
        raise cannot_read(runs, error) from error
    for name in names:
        if is_run(f"{runs}/{name}"):
            yield runs / name


def is_run(directory: str | Path) -> bool:
    """Whether a directory has a manifest, or may have one that this user cannot see."""
    try:
        return stat.S_ISREG(os.stat(f"{directory}/manifest.json").st_mode)  # noqa: PTH116 - as above
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # whoever reads it says why that cannot be


def cannot_read(path: Path, trouble: OSError) -> JournalError:
    """A trouble of the machine, with what could not be read, and whose it is."""
    owner = f"; it belongs to {_owner(path)}" if isinstance(trouble, PermissionError) else ""
    return JournalError(trouble.errno, f"cannot read {path}: {trouble.strerror}{owner}")


def _owner(path: Path) -> str:
    """Who owns a path, or the nearest of the directories around it that can be seen."""
    for place in (path, *path.parents):
        try:
            return f"user {place.owner()}"
        except KeyError:
            return f"user {place.stat().st_uid}"
        except OSError:
            continue
    return "another user"


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
