"""Local images that are logged as figures, within the limits of the ``upload`` option."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from multitrack.records import ArtifactRef
from multitrack_tensorboard.options import TensorboardOptions


class Figure(NamedTuple):
    """An image that browsers show: width and height in pixels, and the file's bytes."""

    width: int
    height: int
    content: bytes


def load_figure(record: ArtifactRef, options: TensorboardOptions) -> tuple[Figure | None, str | None]:
    """Read the image of a figure.

    Args:
        record: The reference.
        options: The options, which say whether figures are copied, and up to which size.

    Returns:
        The image, or None if it is not to be shown; and the reason if that may surprise.
    """
    if record.kind != "figure" or "figure" not in options.upload:
        return None, None
    if record.pending or not record.uri.startswith("file:///"):
        return None, None  # a pending one is delivered again
    path = Path(unquote(urlsplit(record.uri).path))
    try:
        if not path.is_file():
            return None, _not_shown(record, "the file is gone")
        with path.open("rb") as file:
            content = file.read(options.upload_limit + 1)
    except OSError as error:
        return None, _not_shown(record, error.strerror or str(error))
    if len(content) > options.upload_limit:
        return None, _not_shown(record, f"it is above upload_limit, {options.upload_limit} bytes")
    if record.digest not in (None, f"sha256:{hashlib.sha256(content).hexdigest()}"):
        return None, _not_shown(record, "the file was changed after it was logged")
    size = image_size(content)
    if size is None:
        return None, _not_shown(record, "TensorBoard shows PNG, JPEG and GIF only")
    return Figure(*size, content), None


def image_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, JPEG or GIF in pixels; None for anything else."""
    if content[:8] == b"\x89PNG\r\n\x1a\n" and content[12:16] == b"IHDR" and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return width, height
    if content[:6] in (b"GIF87a", b"GIF89a") and len(content) >= 10:
        width, height = struct.unpack("<HH", content[6:10])
        return width, height
    return _jpeg_size(content) if content[:3] == b"\xff\xd8\xff" else None


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Walk over a JPEG's segments to the frame header, which has the size."""
    position = 2
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4])
        if marker == 0xFF:  # a filler
            position += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[position + 5 : position + 9])
            return width, height
        else:
            position += 2 + length
    return None


def _not_shown(record: ArtifactRef, reason: str) -> str:
    return f"figure {record.name}: not shown in TensorBoard, only its reference is kept: {reason}"
