"""Record files as references: paths stay where they are, and content becomes a file in the run's directory."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from multitrack.compat.neptune.exceptions import FileNotFound
from multitrack.compat.neptune.fields import Field, Fields
from multitrack.compat.neptune.recording import FieldRecorder
from multitrack.compat.neptune.types import File
from multitrack.compat.omissions import Omissions
from multitrack.compat.written_files import write_file
from multitrack.recording.run import Run


class FileRecorder:
    """Records the files of one run.

    Args:
        run: The run.
        fields: Its fields.
        recorder: Records references.
        omissions: Counts what cannot be recorded.
    """

    def __init__(self, run: Run, fields: Fields, recorder: FieldRecorder, omissions: Omissions) -> None:
        self._run = run
        self._fields = fields
        self._recorder = recorder
        self._omissions = omissions

    def upload(self, path: str, value: Any) -> None:
        """Record a file, or an object that becomes one: an image, a chart, a data frame."""
        with self._omissions.attempt("upload"):
            place = self._place(path, File.create_from(value))
            self._fields[path] = Field("File", place)
            if place is not None:
                self._recorder.refer(path, place, _kind(place))

    def append(self, path: str, value: Any, step: int) -> None:
        """Record the image of one step."""
        with self._omissions.attempt("append"):
            place = self._place(f"{path}/{step}", File.create_from(value))
            self._fields.series(path, "File Series").value = place
            if place is not None:
                self._recorder.refer(f"{path}/{step}", place, "figure")

    def upload_files(self, path: str, patterns: str | Iterable[str]) -> None:
        """Record each file that matches a pattern, or each of several patterns, and files in directories."""
        given = [patterns] if isinstance(patterns, (str, os.PathLike)) else list(patterns)
        found: dict[str, Path] = {}
        for pattern in map(os.fspath, given):
            with self._omissions.attempt("upload_files"):
                for match in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - Path.glob refuses ".."
                    found |= _files_below(Path(match))
        if not found:
            self._omissions.leave_out("upload_files", "no file matches")
        places = self._fields.get(path)
        known = places.value if places is not None and places.kind == "File Set" else {}
        self._fields[path] = Field("File Set", {**known, **found})
        for name, file in found.items():
            self._recorder.refer(f"{path}/{name}", str(file))

    def track_files(self, path: str, uri: str) -> None:
        """Record a reference to a file, directory or URI."""
        self._fields[path] = Field("Artifact", str(uri))
        self._recorder.refer(path, str(uri), "artifact")

    def download(self, path: str, destination: str | None) -> None:
        """Copy a file of this machine to a directory, or to the path of a file."""
        field = self._fields.get(path)
        value = None if field is None else field.value
        if isinstance(value, dict):
            for name, file in value.items():
                _copy(Path(file), Path(destination or ".") / name)
            return
        source = _local(value)
        if source is None:
            self._omissions.leave_out("download", "the run has a reference alone: its content is elsewhere")
            return
        target = Path(destination or ".")
        _copy(source, target / source.name if target.is_dir() else target)

    def _place(self, path: str, file: File) -> str | None:
        """Where a file is; content is written into the run's directory. None if the run records nothing."""
        if file.content is None:
            return None if file.path is None else str(Path(file.path).absolute())
        suffix = f".{file.extension}" if file.extension else ""
        written = write_file(self._run, path, file.content, suffix)
        return None if written is None else str(written.absolute())


def _kind(place: str) -> str:
    return "figure" if place.endswith((".png", ".jpg", ".jpeg", ".svg")) else "file"


def _files_below(match: Path) -> dict[str, Path]:
    """The files of a match by the names that they have in the run: paths from the current directory."""
    files = [match] if match.is_file() else [file for file in sorted(match.rglob("*")) if file.is_file()]
    here = Path.cwd()
    found = {}
    for file in files:
        whole = file.absolute()
        found[whole.relative_to(here).as_posix() if whole.is_relative_to(here) else file.name] = whole
    return found


def _local(value: Any) -> Path | None:
    if not isinstance(value, str):
        return None
    parts = urlsplit(value)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(value) if not parts.scheme else None


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        raise FileNotFound(f"{source} is gone: a run has references to files, no copies")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.absolute() != target.absolute():
        shutil.copyfile(source, target)
