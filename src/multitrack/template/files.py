"""Make a new plugin from the template: the folder ``plugin``, a complete backend called ``acme``.

The template is a real plugin. Its files are linted and typed like all others; a copy differs in its names only.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from multitrack.template.names import BackendName


def write_plugin(name: BackendName, directory: Path, version: str, *, overwrite: bool = False) -> list[Path]:
    """Write the files of a new plugin.

    Args:
        name: The backend's name.
        directory: The plugin's folder.
        version: This release of multitrack, which the plugin is for.
        overwrite: Write into a folder that has files. Those of the same names are replaced, the others stay.

    Returns:
        The paths of the files.

    Raises:
        FileExistsError: If the folder has a plugin of another name, or it is not empty and ``overwrite`` is false.
        OSError: If a file cannot be written, or ``directory`` is no folder.
    """
    if not overwrite and directory.is_dir() and any(directory.iterdir()):
        raise FileExistsError(errno.EEXIST, "the folder is not empty", str(directory))
    others = [found for found in directory.glob("src/multitrack_*") if found.name != name.module]
    if others:
        raise FileExistsError(errno.EEXIST, f"the folder has another plugin, {others[0].name}", str(directory))
    written = []
    for path, text in plugin_files(name, version).items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")
        written.append(target)
    return written


def plugin_files(name: BackendName, version: str) -> dict[str, str]:
    """Return the text of each file of a new plugin, by its path in the plugin's folder."""
    template = files("multitrack.template") / "plugin"
    return {
        name.replaced(path): _in_range(name.replaced(file.read_text(encoding="utf-8")), version)
        for path, file in _walk(template, "")
    }


def _walk(folder: Traversable, place: str) -> Iterator[tuple[str, Traversable]]:
    """Yield path and file; not what Python caches beside an installed module."""
    for found in sorted(folder.iterdir(), key=lambda found: found.name):
        if found.name == "__pycache__":
            continue
        if found.is_dir():
            yield from _walk(found, f"{place}{found.name}/")
        else:
            yield f"{place}{found.name}", found


def _in_range(text: str, version: str) -> str:
    """Let the plugin ask for releases of multitrack that are compatible with a version."""
    major, minor = (int(part) for part in re.findall(r"\d+", version)[:2])
    return text.replace('"multitrack>=0,<1"', f'"multitrack>={major}.{minor},<{major}.{minor + 1}"')
