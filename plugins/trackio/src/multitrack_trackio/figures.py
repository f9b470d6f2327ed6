"""Choose the references whose files are copied to Trackio and shown as pictures."""

from __future__ import annotations

from typing import Final

from multitrack.plugins.figures import kept_as_reference, load_figure
from multitrack.records import ArtifactRef
from multitrack_trackio.names import FIGURES
from multitrack_trackio.options import TrackioOptions
from multitrack_trackio.rows import Figure

#: The formats that Trackio's page shows, and the ends of file names by which its server says so.
_SHOWN: Final = {"png": (".png",), "jpeg": (".jpg", ".jpeg"), "gif": (".gif",), "webp": (".webp",)}


def figure_of(record: ArtifactRef, options: TrackioOptions) -> tuple[Figure | None, str | None]:
    """Return the picture to show for a reference, and a sentence if a wanted one cannot be shown.

    Args:
        record: The reference.
        options: ``upload`` must name its kind.
    """
    found, sentence = load_figure(record, options, "Trackio", _SHOWN)
    if found is None:
        return None, sentence
    endings = _SHOWN[found.format]
    if found.path.suffix.lower() not in endings:
        return None, kept_as_reference(record, f"its name does not end with {' or '.join(endings)}")
    return Figure(f"{FIGURES}{record.name}", found.path, record.name), None
