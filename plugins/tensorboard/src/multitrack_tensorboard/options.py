"""The ``[tensorboard]`` table of the config."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec.structs import force_setattr

from multitrack.config import FIGURE_LIMIT, FilesOption, PathOption, current_directory


class TensorboardOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of the TensorBoard backend.

    Attributes:
        directory: TensorBoard's ``--logdir``, which holds the runs of all projects. Default: ``runs`` in the current
            directory.
        upload: ``["figure"]`` to copy local images that are logged as figures into the event files, so that
            TensorBoard shows them.
        upload_limit: Maximum size of an image that is copied, in bytes.
    """

    directory: PathOption | None = None
    upload: FilesOption = []
    upload_limit: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = FIGURE_LIMIT

    def __post_init__(self) -> None:
        others = [kind for kind in self.upload if kind != "figure"]
        if others:
            raise ValueError(f"invalid value for upload: {others} (TensorBoard shows files of the kind 'figure' only)")
        if self.directory is None:
            force_setattr(self, "directory", str(current_directory() / "runs"))
