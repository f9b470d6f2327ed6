"""Find installed distributions by the names of their directories.

``importlib.metadata`` knows more, but importing it takes as long as importing this whole package. So it is used only
for plugins that are not found by name.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import msgspec

from multitrack.markers import PROJECT
from multitrack.plugins.metadata_names import metadata_names

#: Compiled on first use: a training process does not list packages before its runs are open.
_DIST_INFO: Final = r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[^-]+)\.dist-info"
_OURS: Final = re.compile(rf"(?i)(?P<name>{PROJECT}[-_.][A-Za-z0-9_.]+)-(?P<version>[^-]+)\.dist-info")


def packages() -> dict[str, str]:
    """The version of each installed distribution, by name; takes a few milliseconds."""
    return {name: version for name, (version, _) in sorted(_installed().items())}


def urls_of_packages() -> dict[str, str]:
    """The source URL (PEP 610) of each distribution installed from a directory, an archive or a repository.

    Distributions installed by conda are left out: they come from an index, but name the directory of their build.
    """
    found = {}
    for name, (_, info) in sorted(_installed().items()):
        try:
            direct = msgspec.json.decode((info / "direct_url.json").read_bytes())
            url, vcs = direct["url"], direct.get("vcs_info")
            if vcs is not None:
                url = f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
            if (info / "INSTALLER").read_text().strip() != "conda":
                found[name] = str(url)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):  # usually there is no such file
            continue
    return found


def _installed() -> dict[str, tuple[str, Path]]:
    """The version and metadata directory of each installed distribution, by normalized name."""
    found: dict[str, tuple[str, Path]] = {}
    for directory in sys.path:
        for name in metadata_names(directory):
            match = re.fullmatch(_DIST_INFO, name)
            if match:  # earlier entries of the path win
                found.setdefault(_normal(match["name"]), (match["version"], Path(directory, name)))
    return found


def entry_point(name: str) -> tuple[str, str] | None:
    """Find the plugin of this name; return its distribution with version, and its import path.

    The distribution ``multitrack-<name>`` is tried first, then all installed ones. None if there is no such plugin.
    """
    wanted, begin = _normal(f"{PROJECT}-{name}"), len(PROJECT)
    for directory in sys.path:
        # quicker than a pattern for each
        ours = [one for one in metadata_names(directory) if one[:begin].lower() == PROJECT]
        for match in filter(None, map(_OURS.fullmatch, ours)):
            if _normal(match["name"]) == wanted:
                value = _declared(Path(directory, match[0], "entry_points.txt"), name)
                if value is not None:
                    return f"{wanted} {match['version']}", value
    return next(((distribution, value) for key, distribution, value in entry_points() if key == name), None)


def entry_points() -> list[tuple[str, str, str]]:
    """List the name, distribution with version, and import path of every installed plugin; imports none of them."""
    from importlib import metadata  # noqa: PLC0415 - see above

    return sorted(
        (
            point.name,
            f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution",
            point.value,
        )
        for point in metadata.entry_points(group=PROJECT)
    )


def _declared(path: Path, name: str) -> str | None:
    """The import path of a plugin in an ``entry_points.txt``; None if it is not declared there."""
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
