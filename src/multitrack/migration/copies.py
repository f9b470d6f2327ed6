"""Copy the local files that imported runs refer to, so that the tracker's directory can go."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

import msgspec

from multitrack.records import ArtifactRef
from multitrack.sources.source import Gap


class Copies:
    """The copies of one run's files: ``<directory>/<run>/<name of the reference>``.

    Args:
        directory: Directory of all copies.
        run_id: The run's id.
        dry_run: True to copy nothing.
    """

    def __init__(self, directory: Path, run_id: str, *, dry_run: bool) -> None:
        self._directory = directory / run_id
        self._is_dry = dry_run

    def copied(self, ref: ArtifactRef) -> ArtifactRef | Gap:
        """Copy what a reference names, and return the reference to the copy.

        A file that was copied before is copied again if its size or time differ. What is elsewhere, such as
        ``s3://bucket/x``, stays there. A copy that was interrupted is never taken for a whole one.

        Returns:
            The reference; a gap if the file cannot be read, and the reference stays as it was.
        """
        parts = urlsplit(ref.uri)
        if parts.scheme != "file":
            return ref
        source, target = Path(os.fsdecode(unquote_to_bytes(parts.path))), self._directory / _plain(ref.name)
        if not self._is_dry:
            try:
                _copy(source, target)
            except OSError as error:
                return Gap(f"reference {ref.name}: {source} was not copied: {error.strerror or error}")
        return msgspec.structs.replace(ref, uri=target.as_uri())


def _plain(name: str) -> str:
    """The name as a relative path that stays inside its directory."""
    return "/".join(quote(part, safe=" ()[]+,=@") if part.strip(".") else quote(part).replace(".", "%2E") or "_"
                    for part in name.split("/"))  # fmt: skip


def _copy(source: Path, target: Path) -> None:
    """Copy a file, or a directory with its regular files and links."""
    found = source.stat()
    if stat.S_ISDIR(found.st_mode):
        target.mkdir(parents=True, exist_ok=True)
        for entry in source.iterdir():
            if entry.is_symlink():
                (target / entry.name).unlink(missing_ok=True)
                (target / entry.name).symlink_to(entry.readlink())
            elif entry.is_dir() or entry.is_file():
                _copy(entry, target / entry.name)
        return
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{source} is neither a file nor a directory")
    if target.is_file():
        there = target.stat()
        if (there.st_size, there.st_mtime_ns) == (found.st_size, found.st_mtime_ns):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name[:200]}.copying")
    shutil.copy2(source, draft)
    draft.replace(target)
