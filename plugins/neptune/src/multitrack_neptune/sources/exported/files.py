"""Find the Parquet files of neptune-exporter, by their names and their footers; without PyArrow.

A run is in the files ``<run>_part_<n>.parquet`` of its project's directory. The exporter writes them under other names,
and renames the first one last: a run without ``part_0`` is incomplete.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

_PART: Final = re.compile(r"(.+)_part_(\d+)\.parquet(\.tmp)?", re.DOTALL)
_MAGIC: Final = b"PAR1"
_LENGTH: Final = struct.Struct("<I")
#: Names of columns, which are in the footer of each file as they are.
_COLUMNS: Final = (b"attribute_path", b"attribute_type", b"string_set_value")
#: Longest footer that is looked at.
_LONGEST: Final = 16 * 1024**2
#: Directories of models and their versions in that of a project.
MODELS: Final = ("models", "model_versions")
_FILES: Final = "*_part_*.parquet*"
_ROOTS: Final = ("", "*/", "data/*/", "exports/data/*/")


class Export(NamedTuple):
    """The files of one run, or of one model.

    Attributes:
        name: The first part of their names, with their directory.
        parts: The files by number.
        unfinished: The files that the exporter has not renamed yet.
    """

    name: Path
    parts: dict[int, Path]
    unfinished: list[Path]

    def sentence(self) -> str | None:
        """What keeps it from being a run that can be imported; None if nothing does."""
        if self.name.parent.name in MODELS:
            return f"{self.name}: a model of Neptune's registry, no run; it was not imported"
        if 0 not in self.parts:
            return f"{self.name}: it has no part 0, so that its export was not completed; it was not imported"
        return None

    def missing(self) -> list[int]:
        """The numbers of parts that are missing between others."""
        return [number for number in range(max(self.parts)) if number not in self.parts]


def find_exports(place: Path) -> list[Export]:
    """The runs in a place: a file, a project's directory, the exporter's data directory, or the one around it."""
    if place.is_file():
        match = _PART.fullmatch(place.name)
        if match is None or not _is_export(place):
            return []
        return [each for each in _grouped(place.parent.glob(_FILES)) if each.name.name == match[1]]
    for root in _ROOTS:
        folders = (root, *(f"{root}{name}/" for name in MODELS))
        found = [path for folder in folders for path in place.glob(f"{folder}{_FILES}")]
        exports = _grouped(found)
        if exports:
            return exports
    return []


def _grouped(paths: Iterable[Path]) -> list[Export]:
    """The exports among some files; those of another schema are left out."""
    found: dict[Path, Export] = {}
    for path in sorted(paths):
        match = _PART.fullmatch(path.name)
        if match is None or (match[3] is None and not _is_export(path)):
            continue
        name = path.with_name(match[1])
        export = found.setdefault(name, Export(name, {}, []))
        if match[3] is None:
            export.parts[int(match[2])] = path
        else:
            export.unfinished.append(path)
    if not any(export.parts for export in found.values()):
        return []
    return [export._replace(parts=dict(sorted(export.parts.items()))) for export in found.values()]


def _is_export(path: Path) -> bool:
    """Return True if a file's footer names the exporter's columns; of a damaged file, its name is enough."""
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return False
            size = file.seek(0, 2)
            file.seek(max(0, size - 8))
            (length,), magic = _LENGTH.unpack(file.read(4)), file.read(4)
            if magic != _MAGIC or not 0 < length <= min(size, _LONGEST):
                return True
            file.seek(size - 8 - length)
            footer = file.read(length)
    except (OSError, struct.error):
        return False
    return all(name in footer for name in _COLUMNS)
