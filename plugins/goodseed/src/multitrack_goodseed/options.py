"""The ``[goodseed]`` table of the config."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from msgspec.structs import force_setattr

from multitrack.config import PathOption, current_directory


class GoodseedOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the goodseed backend.

    Attributes:
        directory: goodseed's home directory. Default: the variable ``GOODSEED_HOME``, else ``~/.goodseed``, as in
            goodseed.
        project: goodseed's project, ``workspace/project`` for ``goodseed upload``; default: the run's project.
    """

    directory: PathOption | None = None
    project: str | None = None

    def __post_init__(self) -> None:
        if self.directory is None:
            home = os.environ.get("GOODSEED_HOME")
            directory = current_directory() / home if home else Path.home() / ".goodseed"
            force_setattr(self, "directory", str(directory))
