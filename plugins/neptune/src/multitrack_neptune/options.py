"""The ``[neptune]`` table of the config."""

from __future__ import annotations

import os

import msgspec
from msgspec.structs import force_setattr

from multitrack.config import PathOption, current_directory


class NeptuneOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the Neptune backend.

    Attributes:
        mode: ``offline``. There is no other, as Neptune's servers are gone.
        directory: Neptune's data directory; runs appear in its ``offline/``. Default: Neptune's own
            ``NEPTUNE_DATA_DIRECTORY``, else ``.neptune`` in the current directory, as Neptune does.
        project: Shown in the run as ``multitrack/project``; default: the run's project.
    """

    # A Literal would be refused with the list of its one choice, and not with what happened to the others.
    mode: str = "offline"
    directory: PathOption | None = None
    project: str | None = None

    def __post_init__(self) -> None:
        if self.mode != "offline":
            raise ValueError(
                f"mode = {self.mode!r} cannot hold: Neptune's hosted service was shut down on 5 March 2026. Use "
                "mode = 'offline' (the default), which writes Neptune's offline format, or a backend with a server, "
                "such as mlflow; `multitrack replay` takes recorded runs there"
            )
        if self.directory is None:
            default = current_directory() / (os.environ.get("NEPTUNE_DATA_DIRECTORY") or ".neptune")
            force_setattr(self, "directory", str(default))
