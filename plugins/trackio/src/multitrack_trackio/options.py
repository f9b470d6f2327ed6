"""The ``[trackio]`` table of the config."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec.structs import force_setattr

from multitrack.config import FIGURE_LIMIT, FilesOption, PathOption, current_directory

#: Environment variables that Trackio's storage reads. Variables that name a Space, a server, a bucket or a data set are
#: left out: this backend only writes to the local disk.
ENVIRONMENT: Final = ("TRACKIO_SQLITE_*",)
#: Kinds of references that Trackio can show.
SHOWN_KINDS: Final = ("figure",)


class TrackioOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the Trackio backend.

    Attributes:
        directory: Trackio's directory. Default: the variable ``TRACKIO_DIR``, else ``trackio`` in the cache directory
            of Hugging Face, as in Trackio.
        project: Trackio's project; default: the run's project.
        upload: Kinds of local references whose files are copied and shown: ``["figure"]`` or none.
        upload_limit: Maximum size of a copied file, in bytes.
    """

    directory: PathOption | None = None
    project: str | None = None
    upload: FilesOption = []
    upload_limit: Annotated[int, msgspec.Meta(ge=0)] = FIGURE_LIMIT

    def __post_init__(self) -> None:
        unknown = [kind for kind in self.upload if kind not in SHOWN_KINDS]
        if unknown:
            raise ValueError(f"invalid value for upload: {unknown} (Trackio shows only files of kind 'figure')")
        if self.directory is None:
            force_setattr(self, "directory", str(current_directory() / default_directory()))


def default_directory() -> Path:
    """Return the directory that Trackio uses by default, without importing it."""
    given = os.environ.get("TRACKIO_DIR")
    if given:
        return Path(given)
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or str(Path(cache) / "huggingface")
    return Path(os.path.expandvars(home)).expanduser() / "trackio"
