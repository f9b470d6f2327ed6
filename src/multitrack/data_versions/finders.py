"""Choose the finders that may know a reference's version, and ask them in turn.

A finder has the hook ``find_data_version``. Those of plugins come first. Ours are the modules beside this one, for one
tool each; they read the tool's own files, and do not need the tool.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from multitrack._text import error_text
from multitrack.data_versions import delta, dvc, git, hugging_face, lfs, uris
from multitrack.data_versions.places import placed
from multitrack.plugins.facade import Extension

log = logging.getLogger("multitrack")

#: Asks one finder, with the URI, the local path or None, and the digest if multitrack computed one.
Finder = Callable[[str, Path | None, str | None], str | None]

#: Finders of local data. Git comes last: a repository also tracks the files of the other tools.
_LOCAL: Final[dict[str, tuple[Callable[[Path], bool], Finder]]] = {
    "dvc": (dvc.is_near, lambda _, path, digest: dvc.find_data_version(path, digest)),
    "delta": (delta.is_near, lambda _, path, __: delta.find_data_version(path)),
    "hugging_face": (hugging_face.is_near, lambda _, path, __: hugging_face.find_data_version(path)),
    "lfs": (lfs.is_near, lambda _, path, digest: lfs.find_data_version(path, digest)),
    "git": (git.is_near, lambda _, path, __: git.find_data_version(path)),
}  # fmt: skip
#: Finders that only inputs are worth: a run has not committed what it has just written.
_OF_INPUTS: Final = ("lfs", "git")


def finders_of(path: Path | None, role: str, plugins: Sequence[Extension]) -> dict[str, Finder]:
    """Return the finders that may know a version, by name; for a local path after a few stat calls.

    Args:
        path: The local path; None for a URI.
        role: The role of the reference.
        plugins: The plugins with the hook.
    """
    found: dict[str, Finder] = {plugin.origin: plugin.find_data_version for plugin in plugins}
    if path is not None:
        try:
            place = placed(path)
            for name, (is_near, finder) in _LOCAL.items():
                if (role == "input" or name not in _OF_INPUTS) and is_near(place):
                    found[name] = finder
        except (OSError, RuntimeError):  # no permission to look there, or a link that leads to itself
            return found
    return found


def version_of(uri: str, path: Path | None, finders: dict[str, Finder], digest: str | None) -> str | None:
    """Return the first version that a finder finds, or that the URI states.

    A finder that raises is passed over with a warning. May take seconds: a tool such as git may be slow.
    """
    for name, finder in finders.items():
        try:
            found: Any = finder(uri, None if path is None else placed(path), digest)
        except Exception as error:  # noqa: BLE001 - a version must not cost the reference
            log.warning("multitrack: %s could not find the version of %s: %s", name, uri, error_text(error))
            continue
        if isinstance(found, str) and found:
            return found
        if found is not None:
            log.warning("multitrack: %s must return a string or None from find_data_version, got %r", name, found)
    return uris.find_data_version(uri) if path is None else None
