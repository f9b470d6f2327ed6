"""The ``[files]`` table of the config."""

from __future__ import annotations

from typing import Literal

import msgspec

from multitrack.config import PathOption


class FilesOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the files backend.

    Attributes:
        directory: The directory of the tables, shared by all runs and projects; relative to the config file.
        format: ``parquet`` or ``csv``.
    """

    directory: PathOption = "multitrack-files"
    format: Literal["parquet", "csv"] = "parquet"
