"""Installed distributions, told by the names of their directories.

``importlib.metadata`` tells more. Importing it takes a training process as long as importing this whole package, so
it is asked only for what is not found by name.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from multitrack.markers import PROJECT

_DIST_INFO: Final = re.compile(r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[^-]+)\.dist-info")
_OURS: Final = re.compile(rf"(?i)(?P<name>{PROJECT}[-_.][A-Za-z0-9_.]+)-(?P<version>[^-]+)\.dist-info")


def packages() -> dict[str, str]:
    """Version of each installed distribution: a few milliseconds."""
    return {name: version for name, (version, _) in sorted(_installed().items())}


def urls_of_packages() -> dict[str, str]:
    """Of each distribution that was installed from a directory, an archive or a repository, not an index: its URL.

    As PEP 610 has it; what conda installed names the directory of its own build, and is on indexes.
    """
    found = {}
    for name, (_, info) in sorted(_installed().items()):
        try:
            direct = json.loads((info / "direct_url.json").read_bytes())
            url, vcs = direct["url"], direct.get("vcs_info")
            if vcs is not None:
                url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
            if (info / "INSTALLER").read_text().strip() != "conda":
                found[name] = str(url)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # mostly, there is no such file
            continue
    return found


def _installed() -> dict[str, tuple[str, Path]]:
    """Version and metadata of each installed distribution."""
    found: dict[str, tuple[str, Path]] = {}
    for directory, names in _directories():
        for name in names:
            match = _DIST_INFO.fullmatch(name)
            if match:  # earlier entries of the path win
                found.setdefault(_normal(match["name"]), (match["version"], Path(directory, name)))
    return found


def entry_point(name: str) -> tuple[str, str] | None:
    """The distribution, with version, that declares a plugin of this name, and where the plugin is.

    First by our naming scheme, ``multitrack-<name>``; only then in everything that is installed.
    """
    wanted = _normal(f"{PROJECT}-{name}")
    for directory, names in _directories():
        for match in filter(None, map(_OURS.fullmatch, names)):
            if _normal(match["name"]) == wanted:
                value = _declared(Path(directory, match[0], "entry_points.txt"), name)
                if value is not None:
                    return f"{wanted} {match['version']}", value
    return next(((distribution, value) for key, distribution, value in entry_points() if key == name), None)


def entry_points() -> list[tuple[str, str, str]]:
    """Name, distribution with version, and place of every plugin that is installed; nothing is imported."""
    from importlib import metadata  # noqa: PLC0415 - see above

    return sorted(
        (
            point.name,
            f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution",
            point.value,
        )
        for point in metadata.entry_points(group=PROJECT)
    )


def _directories() -> Iterator[tuple[str, list[str]]]:
    """The directories that modules come from, with the names in each."""
    for directory in sys.path:
        try:
            yield directory, os.listdir(directory or ".")  # noqa: PTH208 - names alone, without a Path for each
        except OSError:
            continue  # an archive, or not there


def _declared(path: Path, name: str) -> str | None:
    """The place that a file of entry points gives for a plugin."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    section = ""
    for line in lines:
        key, _, value = line.partition("=")
        if line.startswith("["):
            section = line.strip()[1:-1]
        elif section == PROJECT and key.strip() == name:
            return value.strip()
    return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
