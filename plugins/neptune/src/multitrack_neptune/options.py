"""The ``[neptune]`` table of the config."""

from __future__ import annotations

import os

import msgspec
from msgspec.structs import force_setattr

from multitrack.config import PathOption, current_directory


class NeptuneOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the Neptune backend.

    Attributes:
        mode: ``offline``, the only mode, since Neptune's servers were shut down.
        directory: Neptune's data directory, with the runs in its ``offline/``. Default: the variable
            ``NEPTUNE_DATA_DIRECTORY``, else ``.neptune`` in the current directory, as in Neptune.
        project: Value of the run's field ``multitrack/project``; default: the run's project.
    """

    # Not a Literal: its error would list the only choice, without the reason why the others are gone.
    mode: str = "offline"
    directory: PathOption | None = None
    project: str | None = None

    def __post_init__(self) -> None:
        if self.mode != "offline":
            raise ValueError(
                f"invalid value for mode: {self.mode!r} (Neptune's hosted service was shut down on 5 March 2026); use "
                "mode = 'offline' (the default), which writes Neptune's offline format, or a backend with a server, "
                "such as mlflow; `multitrack replay` delivers recorded runs to it"
            )
        if self.directory is None:
            default = current_directory() / (os.environ.get("NEPTUNE_DATA_DIRECTORY") or ".neptune")
            force_setattr(self, "directory", str(default))
