"""Choose the references whose files are copied to Trackio and shown as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from multitrack.records import ArtifactRef
from multitrack_trackio.names import FIGURES
from multitrack_trackio.options import TrackioOptions
from multitrack_trackio.rows import Figure

#: First bytes of the formats that browsers show, by the ends of file names.
_FORMATS: Final = {
    ".png": (b"\x89PNG\r\n\x1a\n",), ".jpg": (b"\xff\xd8\xff",), ".jpeg": (b"\xff\xd8\xff",),
    ".gif": (b"GIF87a", b"GIF89a"), ".webp": (b"RIFF",),
}  # fmt: skip


def figure_of(record: ArtifactRef, options: TrackioOptions) -> tuple[Figure | None, str | None]:
    """Return the picture to show for a reference, and the reason if a wanted one cannot be shown.

    Args:
        record: The reference.
        options: ``upload`` must name its kind.
    """
    if record.kind not in options.upload or record.pending or not record.uri.startswith("file:///"):
        return None, None
    path = Path(unquote(urlsplit(record.uri).path))
    reason = _refused(path, record, options)
    if reason is not None:
        return None, f"figure {record.name}: {reason}, kept as a reference only"
    return Figure(f"{FIGURES}{record.name}", path, record.name), None


def _refused(path: Path, record: ArtifactRef, options: TrackioOptions) -> str | None:
    beginnings = _FORMATS.get(path.suffix.lower())
    if beginnings is None:
        return f"Trackio shows {', '.join(_FORMATS)}"
    try:
        size = path.stat().st_size
        if not path.is_file():
            return "not a file"
        if size > options.upload_limit:
            return f"{size} bytes are more than upload_limit"
        data = path.read_bytes()
    except OSError as error:
        return error.strerror or "unreadable"
    if not data.startswith(beginnings):
        return f"the file is no {path.suffix.lower().lstrip('.')}"
    if record.digest is not None and record.digest != _digest(data):
        return "the file has changed"
    return None


def _digest(data: bytes) -> str:
    import hashlib  # noqa: PLC0415 - for the courier; the training process does not need it

    return f"sha256:{hashlib.sha256(data).hexdigest()}"
