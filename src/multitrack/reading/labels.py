"""Short names of journals that are read as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from multitrack.config import Settings

#: Name of a journal's directory that says nothing about it: its parent names it.
_USUAL: Final = Settings().journal


class Place(NamedTuple):
    """One of the journals that are read as one.

    Attributes:
        directory: The journal's directory.
        label: Its name in lists; each of them has another one.
    """

    directory: Path
    label: str


def label_of(directory: Path) -> str:
    """Return the label of a journal that is read alone: its name, or its parent's if it is called ``.multitrack``."""
    return _names(directory)[-1]


def labelled(directories: Iterable[tuple[Path, str | None]]) -> list[Place]:
    """Give each journal a label of its own; a journal that is given twice counts once.

    The label is the directory's name, with as many parents in front as tell it from the others.

    Args:
        directories: Each directory, and the label that the caller gave it, or None.
    """
    found: dict[Path, tuple[Path, str | None]] = {}
    for directory, label in directories:
        found.setdefault(directory.resolve(), (directory, label))
    depths = dict.fromkeys(found, 1)
    while True:
        labels = {path: label or "/".join(_names(path)[-depths[path] :]) for path, (_, label) in found.items()}
        counts = Counter(labels.values())
        longer = [
            path
            for path, (_, label) in found.items()
            if label is None and counts[labels[path]] > 1 and depths[path] < len(_names(path))
        ]
        if not longer:
            break
        for path in longer:
            depths[path] += 1
    used: dict[str, int] = {}
    places = []
    for path, (directory, _) in found.items():
        label = labels[path]
        number = used[label] = used.get(label, 0) + 1
        places.append(Place(directory, label if number == 1 else f"{label}-{number}"))
    return places


def _names(directory: Path) -> Sequence[str]:
    parts = directory.resolve().parts
    return (parts[:-1] if parts[-1] == _USUAL and len(parts) > 1 else parts) or ("/",)
