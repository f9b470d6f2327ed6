"""Prepare a directory in which a recorded run can be run again.

::

    <directory>/
      source/            the recorded commit with its uncommitted changes
      work/              the current directory, if it was outside of the repository
      requirements.txt   versions of the packages, for pip
      params.json        the params
      data.sh            the commands that restore the data
      command.sh         the command
      reproduce.json     the run, and whether its command was started here

Nothing that the journal holds is run.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from multitrack.compare.rerun import Rerun
from multitrack.errors import RunError
from multitrack.journal.manifest import Context, origin_of
from multitrack.journal.prepared import prepared
from multitrack.journal.provenance import NOTEBOOK, PATCH, SCRIPT, UNTRACKED
from multitrack.reading.recorded_run import RecordedRun
from multitrack.reproduce.data import InputData, check_data, inputs_of, local_paths
from multitrack.reproduce.places import Places
from multitrack.reproduce.repository import apply_patch, check_out, repository_with
from multitrack.reproduce.script import command_script, data_script
from multitrack.security.terminal import safe

MARKER: Final = "reproduce.json"
COMMAND: Final = "command.sh"
DATA: Final = "data.sh"
#: What may be left out of a run's code beside changes of files.
_NO_CHANGES: Final = frozenset({
    "git", "script", SCRIPT, NOTEBOOK, UNTRACKED, "names of changed files", "names of untracked files", "submodules",
})  # fmt: skip


class Marker(msgspec.Struct, frozen=True):
    """``reproduce.json``: the run that a directory was prepared for.

    Attributes:
        run: The run's id.
        journal: The journal's directory.
        started: True once the command was started here.
        data: The run's input data, as it was when the directory was prepared.
    """

    run: str
    journal: str
    started: bool = False
    data: list[InputData] = []


class Workspace(msgspec.Struct, frozen=True):
    """A prepared directory.

    Attributes:
        directory: Its path.
        data: The run's input data.
        notes: Facts that keep it from being exactly what the run had.
    """

    directory: Path
    data: list[InputData] = []
    notes: list[str] = []


def marker_of(directory: Path) -> Marker | None:
    """The marker of a prepared directory; None for any other directory."""
    try:
        return msgspec.json.decode((directory / MARKER).read_bytes(), type=prepared(Marker))
    except (OSError, ValueError):
        return None


def write_marker(directory: Path, marker: Marker) -> None:
    """Note the run that a directory is prepared for."""
    (directory / MARKER).write_bytes(msgspec.json.format(msgspec.json.encode(marker), indent=2) + b"\n")


def command_in(directory: Path) -> list[str]:
    """The lines of a prepared directory's command script, without comments."""
    lines = (directory / COMMAND).read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if line and not line.startswith("#!")]


def context_to_reproduce(run: RecordedRun) -> Context:
    """The recorded origin of a run.

    Raises:
        RunError: If it was not recorded, or is still being gathered.
    """
    context = run.context
    if context is None:
        raise RunError(f"run {run.id} has no origin: the manifest of its parent is missing")
    if not context.complete:
        raise RunError(
            f"the origin of run {run.id} is incomplete: its process is still gathering it (try again in seconds), "
            "or was killed in its first seconds, and the run cannot be reproduced"
        )
    return context


def prepare(
    run: RecordedRun, directory: Path, repository: Path | None, *, partial: bool, progress: Callable[[str], None]
) -> Workspace:
    """Prepare a directory for a run; on an error it is removed again.

    Args:
        run: The run.
        directory: A directory that is empty, or does not exist.
        repository: A local repository that has the commit; default: the one around the current directory.
        partial: Go on without recorded changes that are incomplete.
        progress: Called with each step.

    Raises:
        RunError: If the commit is not here, or its changes were not recorded as a whole.
        FileExistsError: If the directory is not empty.
    """
    context = context_to_reproduce(run)
    was_there = directory.exists()
    if was_there and any(directory.iterdir()):
        raise FileExistsError(errno.ENOTEMPTY, "it is not empty; choose another directory with --into", str(directory))
    directory.mkdir(parents=True, exist_ok=True)
    directory = directory.resolve()
    try:
        return _Preparation(run, context, directory, progress).prepare(repository, partial=partial)
    except BaseException:
        shutil.rmtree(directory)
        if was_there:
            directory.mkdir()
        raise


class _Preparation:
    def __init__(self, run: RecordedRun, context: Context, directory: Path, progress: Callable[[str], None]) -> None:
        self._run, self._context, self._directory, self._progress = run, context, directory, progress
        self._inputs = inputs_of(run)
        self._places = Places(context, directory, local_paths(self._inputs))
        self._notes: list[str] = []

    def prepare(self, repository: Path | None, *, partial: bool) -> Workspace:
        found = None
        if self._context.git is None:
            self._notes.append("no commit was recorded: of its code there is the script at most")
        else:
            found = repository_with(self._context.git, repository)
            self._progress("checking out the commit")
            check_out(found, self._context.git.commit, self._places.source)
            self._restore_changes(partial=partial)
        self._make_folder(self._places.work)
        self._restore_script()
        self._note_the_rest()
        data = []
        for reference in self._inputs:
            self._progress(f"checking the data {safe(reference.name)}")
            data.append(check_data(reference, self._places, found))
        self._write(data)
        return Workspace(self._directory, data, self._notes)

    def _restore_changes(self, *, partial: bool) -> None:
        git, code, patch = self._context.git, self._context.code, self._run.get_code(PATCH)
        file = self._directory / PATCH
        if patch is not None:
            file.write_bytes(patch)
        problem = None
        if code is not None and code.redacted.get(PATCH):
            problem = "secrets were redacted in its uncommitted changes, which were not applied"
        elif patch is not None:
            apply_patch(file, self._places.source)
        left_out = {} if code is None else {
            path: why for path, why in code.left_out.items() if path not in _NO_CHANGES and not path.startswith("/")
        }  # fmt: skip
        more = 0 if code is None else code.left_out_count - len(code.left_out)
        if left_out or more > 0:
            named = ", ".join(f"{safe(path)} ({safe(why)})" for path, why in left_out.items())
            named += f" and {more} more" if more > 0 else ""
            problem = problem or f"these uncommitted changes were not recorded: {named}"
        elif git is not None and git.dirty is not False and patch is None:
            problem = "its uncommitted changes were not recorded" if git.dirty else "it is not known what was changed"
        if problem is None:
            return
        if not partial:
            raise RunError(
                f"run {self._run.id} cannot be restored whole: {problem}. --partial goes on without them; "
                f"`multitrack show {self._run.id} --diff` prints what was recorded"
            )
        self._notes.append(problem)

    def _restore_script(self) -> None:
        """Put the kept script at its place, if the commit does not have it."""
        program, script = self._places.program, self._run.get_code(SCRIPT)
        place = None if program is None else self._places.place(program)
        if place is None or script is None or not place.is_relative_to(self._directory) or os.path.lexists(place):
            return
        if self._context.code is not None and self._context.code.redacted.get(SCRIPT):
            self._notes.append(f"secrets were redacted in the script {place.name}: put them in")
        self._make_folder(place.parent)
        place.write_bytes(script)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder, unless links in the commit or in the changes lead out of the prepared directory."""
        if not folder.resolve().is_relative_to(self._directory):
            raise RunError(f"a link in the code of run {self._run.id} leads out of {self._directory}: {safe(folder)}")
        folder.mkdir(parents=True, exist_ok=True)

    def _note_the_rest(self) -> None:
        code, root = self._context.code, self._context.git.root if self._context.git else None
        if code is not None and code.untracked_count:
            what = "file or folder" if code.untracked_count == 1 else "files and folders"
            self._notes.append(f"{code.untracked_count} untracked {what} of the run were not recorded ({UNTRACKED})")
            (self._directory / UNTRACKED).write_bytes(self._run.get_code(UNTRACKED) or b"")
        for path, commit in ({} if code is None else code.submodules).items():
            self._notes.append(f"the submodule {safe(path)} is not checked out; the run had {safe(commit)}")
        for name, url in self._context.urls.items():
            if root and f"{url}/".startswith(f"file://{root}/"):
                self._notes.append(
                    f"the run imported {safe(name)} from its repository: install it from source/, or today's is used"
                )

    def _write(self, data: list[InputData]) -> None:
        rerun, directory = Rerun.of(self._run), self._directory
        for path, place in self._places.absent():
            self._notes.append(
                f"{safe(path)} is not in the directory: copy it to {safe(place)} if the command reads it"
            )
        for path in self._places.outside():
            self._notes.append(f"the command names {safe(path)}, outside of {directory}: it may write there")
        original = origin_of(self._run.directory, self._run.manifest)[0]
        if original.name != self._run.id:
            self._notes.append(f"it is a part of run {original.name}, whose command runs all parts again")
        (directory / ".gitignore").write_text("*\n", encoding="utf-8")  # it may be inside of the user's repository
        (directory / "requirements.txt").write_text(rerun.requirements(), encoding="utf-8")
        (directory / "params.json").write_text(rerun.to_json(), encoding="utf-8")
        (directory / DATA).write_text(data_script(data, self._run.id), encoding="utf-8")
        cells = self._run.get_code(NOTEBOOK)
        if cells is not None:
            (directory / NOTEBOOK).write_bytes(cells)
        script = command_script(self._places, original.resolve(), notebook=cells is not None)
        (directory / COMMAND).write_text(script, encoding="utf-8")
        write_marker(directory, Marker(self._run.id, str(self._run.directory.parent.parent), data=data))
