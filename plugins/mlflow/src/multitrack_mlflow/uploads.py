"""Upload local files of the kinds that the ``upload`` option names, so that MLflow's artifact viewer shows figures.

A file's path in the run is ``<kind>/<file name>``. If a reference of another name has that path already, it is
``<kind>/named/<reference>/<file name>``. The tag of a reference notes its path, so that a redelivery uploads to the
same one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from multitrack.plugins.figures import image_format, kept_as_reference, read_unchanged, wanted_file
from multitrack.records import ArtifactRef
from multitrack_mlflow.names import native_name
from multitrack_mlflow.options import MlflowOptions

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

#: Prefix of the tags of references.
REFERENCE: Final = "multitrack.artifact."
#: Ends of file names of figures that are no pictures by their content.
_PAGES: Final = (".bmp", ".pdf", ".html")
#: Ends of file names that MLflow's viewer shows other than as text.
_VIEWED: Final = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".svg", ".pdf", ".html")


class Uploads:
    """The uploaded files of one run.

    Args:
        client: The client of its store.
        native_id: MLflow's id of the run.
    """

    def __init__(self, client: MlflowClient, native_id: str) -> None:
        self._client = client
        self._id = native_id
        self._owners: dict[str, str] | None = None  # names of references by path in the run

    def upload(self, options: MlflowOptions, record: ArtifactRef) -> tuple[str | None, str | None]:
        """Upload the file of a reference if its kind is in the ``upload`` option. Again, it replaces itself.

        Returns:
            Its path in the run, or None if nothing was uploaded; and a sentence for the report.
        """
        file, sentence = wanted_file(record, options)
        if file is None:
            return None, sentence
        if record.kind == "figure":  # a picture of something else would be taken for the one that was logged
            content, sentence = read_unchanged(record, file, options)
            if content is None:
                return None, sentence
            if file.suffix.lower() not in _PAGES and image_format(content) is None:
                return None, kept_as_reference(record, "MLflow shows PNG, JPEG, GIF, BMP, SVG, WebP, PDF and HTML only")
        folder = self._folder(native_name(record.kind), file, native_name(record.name))
        self._client.log_artifact(self._id, str(file), artifact_path=folder)
        path = f"{folder}/{file.name}"
        if record.kind == "figure" and file.suffix.lower() not in _VIEWED:
            return path, f"figure {record.name}: uploaded as {path}, which MLflow's viewer does not show as a picture"
        return path, None

    def _folder(self, kind: str, file: Path, name: str) -> str:
        if self._owners is None:
            self._owners = _noted(self._client.get_run(self._id).data.tags)
        named = f"{kind}/named/{name}"
        if f"{named}/{file.name}" in self._owners or self._owners.setdefault(f"{kind}/{file.name}", name) != name:
            return named
        return kind


def _noted(tags: dict[str, str]) -> dict[str, str]:
    """Read the owners of uploaded paths from the tags of references."""
    owners = {}
    for key, text in tags.items():
        if key.startswith(REFERENCE):
            try:
                fields = json.loads(text)
            except ValueError:
                continue  # a stand-in for a long text
            if isinstance(fields, dict) and "artifact" in fields:
                owners[str(fields["artifact"])] = key.removeprefix(REFERENCE)
    return owners
