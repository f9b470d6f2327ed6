"""The fields that the operations of Neptune's 1.x client leave."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from multitrack._text import clean_text
from multitrack_neptune.sources.fields import Fields, File
from multitrack_neptune.sources.offline.directories import Operation
from multitrack_neptune.sources.times import moment

_ASSIGN: Final = {"AssignFloat", "AssignInt", "AssignBool", "AssignString"}
#: End of the path of a string series that holds one long text, of multitrack's backend.
WHOLE: Final = "~whole"
_SERIES: Final = {"LogFloats", "LogStrings", "LogImages"}
#: Operations without a form in a journal, and what they are about.
_LEFT_OUT: Final = {
    "AssignArtifact": "an artifact that is known by its hash alone",
    "ConfigFloatSeries": "settings of its chart",
    "CopyAttribute": "a copy of another run's field",
    "DeleteFiles": "removals from a set of files",
    "UploadFileContent": "a file whose content is in the log alone",
}


class OperationFields(Fields):
    """The fields of a run of the 1.x client.

    Attributes:
        parts: Entries of the string series that hold one long text of multitrack's, by path.
    """

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[str, list[str]] = {}
        self._emptied: dict[str, int] = {}  # number of the operation

    def is_emptied(self, operation: Operation) -> bool:
        """Return True if a later operation removed what this one wrote."""
        return operation.number < self._emptied.get(operation.path, -1)

    def apply(self, operation: Operation) -> None:
        """Apply an operation; the values of series are read apart.

        Raises:
            KeyError, TypeError, ValueError: If it is malformed.
        """
        self.seen(operation.at)
        path, body, kind = operation.path, operation.body, operation.kind
        if kind in _SERIES:
            if path.endswith(WHOLE):
                self.parts.setdefault(path, []).extend(clean_text(str(entry["value"])) for entry in body["values"])
            return
        if kind in _ASSIGN:
            self.assign(path, body.get("value"))
        elif kind == "AssignDatetime":
            self.assign(path, moment(body.get("value")))
        elif kind == "AddStrings":
            self.sets.setdefault(path, {}).update(dict.fromkeys(clean_text(str(each)) for each in body["values"]))
        elif kind == "RemoveStrings":
            for each in body["values"]:
                self.sets.get(path, {}).pop(clean_text(str(each)), None)
        elif kind in {"UploadFile", "UploadFileSet", "TrackFilesToArtifact"}:
            self._add_files(operation)
        elif kind == "DeleteAttribute" or kind.startswith("Clear"):
            self._remove(operation)
        else:
            self.leave_out(path, _LEFT_OUT.get(kind, f"an operation {kind}"))

    def _remove(self, operation: Operation) -> None:
        path = operation.path
        self._emptied[path] = operation.number
        self.values.pop(path, None)
        self.sets.pop(path, None)
        self.files.pop(path, None)
        self.parts.pop(path, None)
        self.changing.discard(path)

    def _add_files(self, operation: Operation) -> None:
        path, body = operation.path, operation.body
        if operation.kind == "TrackFilesToArtifact":
            found = [File(clean_text(str(entry[0])), "artifact") for entry in body["entries"]]
            self.files.setdefault(path, []).extend(found)
        elif operation.kind == "UploadFileSet":
            found = [_local(Path(glob)) for glob in body["file_globs"]]
            self.files[path] = found if body.get("reset") == "True" else [*self.files.get(path, []), *found]
        elif body.get("file_path"):
            self.files[path] = [_local(Path(body["file_path"]))]
        else:
            self.files[path] = [_local(operation.directory / "upload_path" / str(body.get("tmp_file_name")))]


def _local(path: Path) -> File:
    is_pattern = any(sign in str(path) for sign in "*?[")
    try:
        size = path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):
        size = None
    return File(path.absolute().as_uri(), "files" if is_pattern else "file", size)
