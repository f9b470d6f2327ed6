"""What a search must know when another process goes on with it: ``multitrack.json`` beside KerasTuner's own files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from multitrack.manifest import new_run_id, write_json

FILE: Final = "multitrack.json"


class Sidecar(msgspec.Struct, forbid_unknown_fields=False):
    """Notes on one search; ``overwrite=True`` removes them with everything else in the project's directory.

    Attributes:
        search: The search's id: the group of its runs.
        parent: Run id of the search.
        owned: Whether the search started that run itself.
        trials: Run id of each attempt, by trial id.
    """

    search: str
    parent: str | None = None
    owned: bool = False
    trials: dict[str, list[str]] = {}

    @classmethod
    def fresh(cls) -> Sidecar:
        """Of a search that begins now."""
        return cls(search=new_run_id())

    @classmethod
    def read(cls, path: Path) -> Sidecar | None:
        """What stands in ``path``; ``None`` where there is no such file.

        Raises:
            ValueError: It is damaged.
            OSError: It cannot be read.
        """
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except FileNotFoundError:
            return None

    def write(self, path: Path) -> None:
        """Replace the file, whole.

        Raises:
            OSError: It cannot be written.
        """
        write_json(path, self)
