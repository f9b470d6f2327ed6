"""Artifacts: named sets of files, which become references."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from multitrack.compat.wandb.data_types import Media, content_of

#: The most files of a directory that get a reference each; a larger directory is one reference.
_FILES: Final = 1000


class Entry:
    """A file of an artifact.

    Attributes:
        path: Its name in the artifact.
        ref: Its URI.
        content: Its content, if it is written when the artifact is logged.
    """

    def __init__(self, path: str, ref: str, content: bytes | str | None = None) -> None:
        self.path = path
        self.ref = ref
        self.content = content

    def local_path(self) -> Path | None:
        """The file on this machine; None if it is elsewhere."""
        parts = urlsplit(self.ref)
        if parts.scheme not in ("", "file"):
            return None
        return Path(unquote(parts.path) if parts.scheme else self.ref)

    def download(self, root: str | None = None) -> str:
        """Copy the file below a directory, and return its path.

        Raises:
            ValueError: If it is not on this machine.
        """
        source = self.local_path()
        if source is None or not source.exists():
            raise ValueError(f"{self.ref} is not on this machine: a run has references to files, no copies")
        target = Path(root or "artifacts") / self.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)
        return str(target)


class Artifact:
    """A named set of files.

    Args:
        name: Its name.
        type: Its type, such as ``dataset`` or ``model``; the kind of its references.
        description: A text, which is left out.
        metadata: Values, which are left out.
        options: Other arguments of W&B.

    Attributes:
        version: ``latest``: the journal keeps each version in the run that wrote it.
        aliases: Names of this version, which are left out.
    """

    version = "latest"

    def __init__(
        self,
        name: str,
        type: str,  # noqa: A002 - W&B's name
        description: str | None = None,
        metadata: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        del options
        self.name = str(name)
        self.type = str(type)
        self.description = description
        self.metadata = dict(metadata or {})
        self.aliases: list[str] = []
        self.entries: dict[str, Entry] = {}

    def add_file(self, local_path: str, name: str | None = None, **options: Any) -> Entry:
        """Add a file.

        Raises:
            ValueError: If there is no such file.
        """
        del options
        path = Path(local_path)
        if not path.is_file():
            raise ValueError(f"{local_path} is no file")
        return self._add(Entry(name or path.name, str(path.absolute())))

    def add_dir(self, local_path: str, name: str | None = None, **options: Any) -> None:
        """Add the files of a directory.

        Raises:
            ValueError: If there is no such directory.
        """
        del options
        path = Path(local_path)
        if not path.is_dir():
            raise ValueError(f"{local_path} is no directory")
        files = sorted(file for file in path.rglob("*") if file.is_file())
        if len(files) > _FILES:
            self._add(Entry(name or path.name, str(path.absolute())))
            return
        for file in files:
            inside = file.relative_to(path).as_posix()
            self._add(Entry(f"{name}/{inside}" if name else inside, str(file.absolute())))

    def add_reference(self, uri: Any, name: str | None = None, **options: Any) -> list[Entry]:
        """Add a URI."""
        del options
        text = str(getattr(uri, "ref", uri))
        return [self._add(Entry(str(name) if name else text.rstrip("/").rpartition("/")[2] or text, text))]

    def add(self, obj: Any, name: str, **options: Any) -> Entry:
        """Add a table, an image or another value of W&B's types."""
        del options
        if not isinstance(obj, Media):
            raise TypeError(f"a table or image is needed, got {type(obj).__qualname__}")
        if obj.path is not None:
            return self.add_file(str(obj.path), name)
        return self._add(Entry(f"{name}{obj.suffix}", "", content_of(obj) or ""))

    @contextlib.contextmanager
    def new_file(self, name: str, mode: str = "x", encoding: str | None = None, **options: Any) -> Iterator[Any]:
        """Add a file that the block writes."""
        del options, encoding
        stream: io.BytesIO | io.StringIO = io.BytesIO() if "b" in mode else io.StringIO()
        yield stream
        self._add(Entry(name, "", stream.getvalue()))

    def get_entry(self, name: str) -> Entry:
        """A file by its name.

        Raises:
            KeyError: If there is none.
        """
        return self.entries[str(name)]

    get_path = get_entry

    def files(self, names: list[str] | None = None) -> list[Entry]:
        """The files, or those of some names."""
        return [entry for name, entry in self.entries.items() if names is None or name in names]

    def download(self, root: str | None = None, **options: Any) -> str:
        """Copy the files below a directory, and return it; those that are elsewhere are left out.

        Raises:
            ValueError: If none of them is on this machine.
        """
        del options
        place = root or f"artifacts/{self.name}"
        found = [entry for entry in self.entries.values() if (path := entry.local_path()) is not None and path.exists()]
        if not found:
            raise ValueError(f"no file of artifact {self.name!r} is on this machine: runs have references, no copies")
        for entry in found:
            entry.download(place)
        return place

    def file(self, root: str | None = None) -> str:
        """Copy the only file below a directory, and return its path."""
        (entry,) = self.entries.values()
        return entry.download(root or f"artifacts/{self.name}")

    def wait(self, timeout: float | None = None) -> Artifact:
        """Return the artifact: it is recorded already."""
        del timeout
        return self

    def _add(self, entry: Entry) -> Entry:
        self.entries[entry.path] = entry
        return entry
