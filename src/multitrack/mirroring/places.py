"""The places that observed programs wrote to, as the observer noted them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from multitrack.config import absolute_uri

#: Names of the trackers that can be mirrored.
TRACKERS = ("wandb", "mlflow", "neptune", "tensorboard")

#: Directories that TensorBoard's runs have for their parts: Keras writes the first two.
_PARTS = ("train", "validation", "test", "eval", "val")


class Place(msgspec.Struct, frozen=True):
    """A place with runs.

    Attributes:
        tracker: The tracker.
        address: What :func:`multitrack.migration.opening.open_source` takes.
        run: The tracker's id of the only run that counts there; None for all that were written since the start.
        project: The project that the program gave, if the tracker's files do not have it.
    """

    tracker: str
    address: str
    run: str | None = None
    project: str | None = None


class Notes:
    """The observer's file, read as it grows.

    Args:
        path: The file; it may not exist yet.

    Attributes:
        places: The places noted so far, in their order.
        pids: The processes that noted them, and the program's.
        has_process: True if any process was observed, whether it writes something or not.
        has_use: True if any used one of the SDKs, also if the SDK was switched off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self.places: dict[Place, None] = {}
        self.pids: set[int] = set()
        self.has_process = self.has_use = False
        self._said: list[str] = []

    @property
    def failures(self) -> list[str]:
        """What the observer could not do."""
        if not self._path.with_name(f"{self._path.name}.failed").exists():
            return self._said
        return [*self._said, f"where the program writes could not be noted in {self._path}: is the disk full?"]

    def read_on(self) -> bool:
        """Read new notes; return True if there was one."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                text = file.read()
        except FileNotFoundError:
            return False
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                self._add(json.loads(line))
            except (ValueError, KeyError) as error:
                self._said.append(f"a note cannot be read: {error}")
        return bool(whole)

    def _add(self, note: dict[str, Any]) -> None:
        self.has_process = True
        if "observed" in note:
            return
        self.pids.add(int(note["pid"]))
        if "failure" in note:
            self._said.append(str(note["failure"]))
            return
        self.has_use = self.has_use or "tracker" in note or "off" in note
        if "tracker" not in note:
            return
        address, run = str(note["address"]), note.get("run")
        if note["tracker"] == "mlflow":  # a relative path is meant in the program's directory
            address = f"{absolute_uri(address, Path(note['cwd']))}#/runs/{run}"
        elif note["tracker"] == "tensorboard":  # the run in this directory alone, not those beside and below it
            directory = Path(address)
            directory = directory.parent if directory.name in _PARTS else directory
            address = f"{directory.parent}#{directory.name}"
        self.places[Place(str(note["tracker"]), address, run, note.get("project"))] = None
