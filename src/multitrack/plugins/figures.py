"""Load the local pictures that a backend may copy to its tracker, within the limits of its ``upload`` option.

A reference of kind ``figure`` becomes a picture only if ``upload`` names that kind, and ``multitrack sync`` drops kinds
that the config there does not name (:mod:`multitrack.delivery.trust`). Everything else stays a reference.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Collection
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from multitrack.records import ArtifactRef

#: The names of the formats in messages.
FORMATS: Final = {"png": "PNG", "jpeg": "JPEG", "gif": "GIF", "webp": "WebP", "svg": "SVG"}

# What may stand before the root element of an SVG. Atomic groups, since a file may come from anybody.
_SVG: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:\s++|(?><\?xml.*?\?>)|(?><!--.*?-->)|(?><!DOCTYPE[^>\[]*+(?:\[.*?\]\s*+)?>))*+<svg[\s/>]",
    re.DOTALL | re.IGNORECASE,
)
_SVG_BEGINNING: Final = 4096


class UploadOptions(Protocol):
    """The options of a backend that copies files.

    Attributes:
        upload: Kinds of references whose local files are copied.
        upload_limit: Maximum size of a copied file, in bytes.
    """

    @property
    def upload(self) -> Collection[str]: ...  # noqa: D102 - see above

    @property
    def upload_limit(self) -> int: ...  # noqa: D102 - see above


class Figure(NamedTuple):
    """A picture.

    Attributes:
        path: The file.
        content: Its bytes.
        format: ``png``, ``jpeg``, ``gif``, ``webp`` or ``svg``, from the content.
        width: Width in pixels; 0 of an SVG.
        height: Height in pixels; 0 of an SVG.
    """

    path: Path
    content: bytes
    format: str
    width: int
    height: int


def wanted_file(record: ArtifactRef, options: UploadOptions) -> tuple[Path | None, str | None]:
    """Return the local file of a reference that is to be copied.

    Args:
        record: The reference. A pending one is not copied: it is delivered again.
        options: The backend's options.

    Returns:
        The file, or None if there is none to copy; and a sentence for the report if one was wanted.
    """
    if record.kind not in options.upload or record.pending or not record.uri.startswith("file:///"):
        return None, None
    path = Path(unquote(urlsplit(record.uri).path))
    try:
        if not path.is_file():
            return None, kept_as_reference(record, "is not a file" if path.exists() else "the file is gone")
        if path.stat().st_size > options.upload_limit:
            return None, _too_large(record, options)
    except OSError as error:
        return None, kept_as_reference(record, error.strerror or str(error))
    return path, None


def load_figure(
    record: ArtifactRef, options: UploadOptions, tracker: str, shown: Collection[str]
) -> tuple[Figure | None, str | None]:
    """Read the picture of a reference of kind ``figure``.

    Args:
        record: The reference. The file must be the one that was logged, by its digest.
        options: The backend's options.
        tracker: The tracker's name, for messages.
        shown: The formats that the tracker shows.

    Returns:
        The picture, or None if there is none to show; and a sentence for the report if one was wanted.
    """
    if record.kind != "figure":
        return None, None
    path, sentence = wanted_file(record, options)
    if path is None:
        return None, sentence
    content, sentence = read_unchanged(record, path, options)
    if content is None:
        return None, sentence
    found = image_format(content)
    if found is None or found not in shown:
        *others, last = [label for name, label in FORMATS.items() if name in shown]
        return None, kept_as_reference(record, f"{tracker} shows {', '.join(others)} and {last} only")
    if not _is_whole(content, found):
        return None, kept_as_reference(record, f"the {FORMATS[found]} file has no end")
    width, height = (0, 0) if found == "svg" else image_size(content) or (0, 0)
    return Figure(path, content, found, width, height), None


def read_unchanged(record: ArtifactRef, path: Path, options: UploadOptions) -> tuple[bytes | None, str | None]:
    """Read a file of :func:`wanted_file`, unless it is no longer the one that was logged.

    Returns:
        Its bytes, or None; and a sentence for the report.
    """
    import hashlib  # noqa: PLC0415 - for the courier; the training process does not need it

    try:
        with path.open("rb") as file:
            content = file.read(options.upload_limit + 1)  # it may have grown since
    except OSError as error:
        return None, kept_as_reference(record, error.strerror or str(error))
    if len(content) > options.upload_limit:
        return None, _too_large(record, options)
    if record.digest not in (None, f"sha256:{hashlib.sha256(content).hexdigest()}"):
        return None, kept_as_reference(record, "the file has changed since it was logged")
    return content, None


def kept_as_reference(record: ArtifactRef, reason: str) -> str:
    """Return the sentence for the report on a file that is not copied."""
    return f"{'figure' if record.kind == 'figure' else 'artifact'} {record.name}: {reason}, kept as a reference only"


def image_format(content: bytes) -> str | None:
    """Return the format of a picture by its content, whatever its name; None for anything else."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp" if _webp_size(content) else None
    if _SVG.match(content[:_SVG_BEGINNING]):
        return "svg"
    beginnings = {b"\x89PN": "png", b"GIF": "gif", b"\xff\xd8\xff": "jpeg"}
    return beginnings.get(content[:3]) if image_size(content) else None


def _is_whole(content: bytes, found: str) -> bool:
    """Return False if a picture was cut, so that a tracker would show an empty or half a picture."""
    if found == "webp":
        return len(content) >= 8 + int.from_bytes(content[4:8], "little")
    if found == "png":
        return b"IEND\xae\x42\x60\x82" in content
    end = {"jpeg": b"\xff\xd9", "gif": b";", "svg": b">"}[found]
    return content.rstrip(b"\0\r\n\t ").endswith(end)


def image_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, JPEG, GIF or WebP in pixels; None for anything else."""
    if content[:8] == b"\x89PNG\r\n\x1a\n" and content[12:16] == b"IHDR" and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return width, height
    if content[:6] in (b"GIF87a", b"GIF89a") and len(content) >= 10:
        width, height = struct.unpack("<HH", content[6:10])
        return width, height
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _webp_size(content)
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


def _webp_size(content: bytes) -> tuple[int, int] | None:
    """Read the size from the first chunk of a WebP: extended, lossless or lossy."""
    if len(content) < 30:
        return None
    kind = content[12:16]
    if kind == b"VP8X":
        return int.from_bytes(content[24:27], "little") + 1, int.from_bytes(content[27:30], "little") + 1
    if kind == b"VP8L" and content[20] == 0x2F:
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and content[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", content[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _too_large(record: ArtifactRef, options: UploadOptions) -> str:
    return kept_as_reference(record, f"above upload_limit, {options.upload_limit} bytes")
