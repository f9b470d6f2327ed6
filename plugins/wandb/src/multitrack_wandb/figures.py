"""Decide which figures become images, and keep to it.

An image is a row of the history, and rows are identified by their number. So whether a figure has a row must never
change while a server may hold later rows, though the file may be gone or the config another one. Each decision is noted
before the row is sent. The file is copied to the lane's directory until the run is finished, so that a run that is
written again has the same image.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from multitrack.hookspecs import RunInfo
from multitrack.plugins.figures import Figure, kept_as_reference, load_figure
from multitrack.records import ArtifactRef
from multitrack_wandb import sdk
from multitrack_wandb.errors import plain
from multitrack_wandb.names import STEP, figure_key
from multitrack_wandb.translate import Picture, Write

if TYPE_CHECKING:
    import wandb

#: The formats that the SDK reads, and the ends of file names by which W&B knows them.
_SHOWN: Final = {"png": "png", "jpeg": "jpg", "gif": "gif", "webp": "webp"}
#: Maximum number of pixels: the SDK decodes an image, which takes up to 4 bytes for each.
PIXELS: Final = 64_000_000


class Figures:
    """The figures of a run.

    Args:
        run: The run.
        noted: The noted decisions: whether the figure with this ordinal has a row.

    Attributes:
        fresh: The decisions that are not noted yet.
    """

    def __init__(self, run: RunInfo, noted: dict[int, bool]) -> None:
        self.fresh: dict[int, bool] = {}
        self._options = run.options
        self._copies = run.directory / "figures"
        self._noted = noted

    def add(self, record: ArtifactRef, write: Write, *, is_held: bool) -> Write:
        """Add a row with the image to the translation of a reference, if it is a figure to show.

        Args:
            record: The reference.
            write: Its translation.
            is_held: True if W&B is known to hold the record.

        Returns:
            The translation with the row, or with the reason why a wanted image is not shown.
        """
        if record.kind != "figure" or record.pending or not record.uri.startswith("file:///"):
            return write
        decided = self._noted.get(record.ordinal, self.fresh.get(record.ordinal))
        image, problem = (None, None) if is_held else self._load(record)
        if decided is None:
            decided = self.fresh[record.ordinal] = image is not None
        problems = [] if problem is None else [problem]
        if not decided:
            return dataclasses.replace(write, stand_ins=[*write.stand_ins, *problems])
        row = {"_timestamp": record.time / 1000, STEP: record.ordinal}
        return dataclasses.replace(write, rows=(row,), picture=Picture(figure_key(record.name), image, problems))

    def note(self) -> bool:
        """Add the fresh decisions to the noted ones; return False if there are none."""
        fresh, self.fresh = self.fresh, {}
        self._noted.update(fresh)
        return bool(fresh)

    def forget(self) -> None:
        """Delete the copies of a finished run."""
        shutil.rmtree(self._copies, ignore_errors=True)

    def _load(self, record: ArtifactRef) -> tuple[wandb.Image | None, str | None]:
        copy = next(self._copies.glob(f"{record.ordinal}.*"), None)
        if copy is not None:
            copied = msgspec.structs.replace(record, uri=copy.absolute().as_uri())
            found, _ = load_figure(copied, self._options, "W&B", _SHOWN)
            if found is not None:
                return self._image(record, found, copy)
        found, problem = load_figure(record, self._options, "W&B", _SHOWN)
        if found is None:
            return None, problem
        if found.width * found.height > PIXELS:
            return None, kept_as_reference(record, f"{found.width} x {found.height} pixels are more than {PIXELS}")
        return self._image(record, found, self._copy(record, found))

    def _image(self, record: ArtifactRef, found: Figure, copy: Path) -> tuple[wandb.Image | None, str | None]:
        try:
            return sdk.image(copy, record.name), None
        except Exception as error:  # noqa: BLE001 - Pillow raises errors of any type for a damaged file
            with contextlib.suppress(FileNotFoundError):
                copy.unlink()
            return None, kept_as_reference(record, f"W&B's SDK cannot read this {found.format}: {plain(error)}")

    def _copy(self, record: ArtifactRef, found: Figure) -> Path:
        self._copies.mkdir(parents=True, exist_ok=True)
        copy = self._copies / f"{record.ordinal}.{_SHOWN[found.format]}"
        part = self._copies / f"part-{os.getpid()}"
        part.write_bytes(found.content)
        return part.replace(copy)
