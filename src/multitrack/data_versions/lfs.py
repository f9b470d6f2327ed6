"""The version of a file in Git LFS: the object id of its pointer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from multitrack.data_versions import git
from multitrack.data_versions.places import read_text
from multitrack.markers import hookimpl

#: Maximum bytes of a pointer, by its specification.
_LONGEST: Final = 1024
_VERSION: Final = re.compile(r"https?://\S+/v1")
_OID: Final = re.compile(r"sha256:([0-9a-f]{64})")


def is_near(path: Path) -> bool:
    """Return True if a path is a pointer, or in the work tree of a repository."""
    return _oid_of_file(path) is not None or git.is_near(path)


@hookimpl
def find_data_version(path: Path | None, digest: str | None) -> str | None:
    """Return ``lfs:sha256:<object id>`` of a pointer, or of a file whose pointer is in git's index.

    None if the file has another digest than its pointer: then it was changed.
    """
    if path is None or path.is_dir():
        return None
    oid = _oid_of_file(path)
    if oid is None and git.is_near(path):
        real = path.resolve()
        oid = _oid_in_git(real.parent, real.name)
        if oid is not None and path.exists() and not _is_unchanged(real, oid, digest):
            return None
    return None if oid is None else f"lfs:sha256:{oid}"


def _oid_of_file(path: Path) -> str | None:
    return _oid(read_text(path, _LONGEST))


def _oid_in_git(folder: Path, name: str) -> str | None:
    blob = f":./{name}"
    size = git.run(folder, "cat-file", "-s", blob)
    if size is None or int(size) > _LONGEST:
        return None
    return _oid(git.run(folder, "cat-file", "blob", blob))


def _is_unchanged(path: Path, oid: str, digest: str | None) -> bool:
    if digest is not None:
        return digest == f"sha256:{oid}"
    return git.run(path.parent, "status", "--porcelain", "--", path.name) == ""


def _oid(text: str | None) -> str | None:
    """Return the object id of a pointer, whose lines are ``key value``, ``version`` first; None for another text."""
    lines = [line.partition(" ") for line in (text or "").splitlines()]
    if not lines or lines[0][0] != "version" or _VERSION.fullmatch(lines[0][2]) is None:
        return None
    found = _OID.fullmatch(dict(line[::2] for line in lines).get("oid", ""))
    return None if found is None else found[1]
