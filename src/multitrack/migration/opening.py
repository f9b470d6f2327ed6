"""Find the plugin that can read a source."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from multitrack._hints import did_you_mean, to_install
from multitrack.errors import PluginError, QueryError, SourceError
from multitrack.plugins.registry import KNOWN, source_plugins
from multitrack.security.secrets import without_credentials
from multitrack.sources.source import Source
from multitrack.sources.sqlite import problem_of

log = logging.getLogger("multitrack")

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


def open_source(address: str, tracker: str | None = None, columns: Mapping[str, str] = _NONE) -> Source:
    """Open a source of runs with the plugin that can read it.

    A reader of tables is asked last: a tracker may keep its runs in files of such a format.

    Args:
        address: A URI, or the path of a file or directory.
        tracker: The plugin's name; default: the plugin that recognizes the address.
        columns: For tables: the role of columns, by name or pattern.

    Raises:
        SourceError: If no plugin can read it, or several can.
        QueryError: If no plugin has the name, or the source has no columns.
    """
    is_path = _URI.match(address) is None
    place = str(Path(address).expanduser().resolve()) if is_path else address
    shown = without_credentials(address)
    if is_path and Path(place).is_file() and (problem := problem_of(Path(place))) is not None:
        raise SourceError(problem)
    found: dict[str, Source] = {}
    names, tables = [], []
    for name, plugin in source_plugins():
        if isinstance(plugin, PluginError):
            log.warning("multitrack: %s; it was not asked to read %s", plugin, shown)
            continue
        names.append(name)
        if plugin.reads_tables:
            tables.append((name, plugin))
        elif (source := plugin.open_source(place, tracker, columns)) is not None:
            found[name] = source
    if not found:
        opened = [(name, plugin.open_source(place, tracker, columns)) for name, plugin in tables]
        found = {name: source for name, source in opened if source is not None}
    elif columns:
        for source in found.values():
            source.close()
        raise QueryError(
            f"--column is for {' and '.join(name for name, _ in tables)}, and {shown} is {next(iter(found))}"
        )
    if len(found) == 1:
        return next(iter(found.values()))
    for source in found.values():
        source.close()
    if found:
        raise SourceError(f"{shown} can be read as {' or '.join(found)}: choose one of them with --from")
    if tracker is not None and tracker not in names:
        if tracker in KNOWN:
            raise QueryError(f"the backend {tracker!r} is not installed: {to_install(tracker, f'./plugins/{tracker}')}")
        hint = did_you_mean(tracker, names)
        raise QueryError(f"no plugin reads {tracker!r}{hint}; installed: {', '.join(names) or 'none'}")
    if is_path and not Path(place).exists():
        raise SourceError(f"{place} does not exist")
    if is_path and (inside := _inside(Path(place))) is not None:
        raise SourceError(f"no plugin recognizes {shown}: {inside}")
    raise SourceError(f"no plugin recognizes {shown}: name its tracker with --from ({', '.join(names) or 'none'})")


def _inside(place: Path) -> str | None:
    """What of a directory may be meant: a database that cannot be read, or tables."""
    for path in sorted(place.glob("*.db")):
        if (problem := problem_of(path)) is not None:
            return problem
    for suffix, name in ((".csv", "csv"), (".parquet", "parquet")):
        if next(place.glob(f"*{suffix}"), None) is not None:
            return f"the tables in it are read with --from {name}"
    return None
