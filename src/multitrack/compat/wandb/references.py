"""Record the artifacts and files of a run as references, and find those of earlier runs."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from multitrack.compat.omissions import Omissions
from multitrack.compat.wandb.artifacts import Artifact, Entry
from multitrack.compat.written_files import write_file
from multitrack.reading.reader import JournalReader
from multitrack.recording.run import Run


class References:
    """Records references of one run.

    Args:
        run: The run.
        omissions: Counts what cannot be recorded.
    """

    def __init__(self, run: Run, omissions: Omissions) -> None:
        self._run = run
        self._omissions = omissions

    def log_artifact(self, given: Any, name: str | None, kind: str | None, aliases: list[str] | None) -> Artifact:
        """Record the files of an artifact, or of a path, as references that the run wrote."""
        artifact = given
        if not isinstance(artifact, Artifact):
            path = Path(given)
            artifact = Artifact(name or f"run-{self._run.id}-{path.name}", kind or "unspecified")
            with self._omissions.attempt("log_artifact"):
                if path.is_dir():
                    artifact.add_dir(str(path))
                else:
                    artifact.add_file(str(path))
        artifact.aliases = list(aliases or [])
        self._record(artifact, "output")
        return artifact

    def use_artifact(self, given: Any, kind: str | None) -> Artifact:
        """Record an artifact, or the one that a run of the project wrote last under a name, as an input."""
        artifact = given
        if not isinstance(artifact, Artifact):
            text, found = str(given), None
            if self._run.directory is not None:
                with self._omissions.attempt("use_artifact"):
                    found = find_artifact(text, kind, self._run.directory.parent.parent, self._run.project)
            artifact = found or Artifact(_plain(text), kind or "artifact")
            if found is None:
                artifact.entries[artifact.name] = Entry(artifact.name, f"wandb://{text}")
        self._record(artifact, "input")
        return artifact

    def save(self, pattern: Any, base_path: Any) -> list[str]:
        """Record references to the files that match a pattern, and return their paths."""
        text = os.fspath(pattern) if pattern else ""
        found = sorted(glob.glob(text, recursive=True)) if text else []  # noqa: PTH207 - Path.glob refuses absolute ones
        if not found:
            self._omissions.leave_out("save", "no file matches")
        base = Path(base_path or Path(text).parent).absolute()
        for path in map(Path, found):
            whole = path.absolute()
            self._refer(whole.relative_to(base).as_posix() if whole.is_relative_to(base) else path.name, whole)
        return found

    def save_below(self, directory: Path) -> None:
        """Record references to all files of a directory."""
        for path in sorted(file for file in directory.rglob("*") if file.is_file()):
            self._refer(path.relative_to(directory).as_posix(), path)

    def _refer(self, name: str, path: Path) -> None:
        with self._omissions.attempt("save"):
            self._run.log_artifact_ref(name, path)

    def _record(self, artifact: Artifact, role: Literal["input", "output"]) -> None:
        """Record the references of an artifact; content is written beside the run."""
        for entry in artifact.entries.values():
            with self._omissions.attempt("log_artifact"):
                if entry.content is not None:
                    written = write_file(self._run, f"artifacts/{artifact.name}/{entry.path}", entry.content)
                    entry.ref, entry.content = ("" if written is None else str(written.absolute())), None
                if entry.ref:
                    name = artifact.name if len(artifact.entries) == 1 else f"{artifact.name}/{entry.path}"
                    self._run.log_artifact_ref(name, entry.ref, artifact.type, role)
        if artifact.metadata or artifact.description:
            self._omissions.leave_out("log_artifact", "references have no metadata and no description")
        if artifact.aliases:
            self._omissions.leave_out(
                "log_artifact", "references have no aliases; `multitrack models` names versions of models"
            )


def find_artifact(name: str, kind: str | None, journal: Path, project: str) -> Artifact | None:
    """The artifact of a name that a run of the project wrote last; ``:version`` and ``entity/project/`` are ignored."""
    plain = _plain(name)
    for run in reversed(list(JournalReader(journal).runs(project))):
        found = [
            each
            for each in run.summary().artifacts
            if each.role == "output"
            and (each.name == plain or each.name.startswith(f"{plain}/"))
            and kind in (None, each.kind)
        ]
        if found:
            artifact = Artifact(plain, found[0].kind)
            for each in found:
                inside = each.name.removeprefix(plain).lstrip("/") or unquote(each.uri).rstrip("/").rpartition("/")[2]
                artifact.entries[inside] = Entry(inside, each.uri)
            return artifact
    return None


def _plain(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[0]
