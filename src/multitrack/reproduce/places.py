"""Map the paths of a recorded run to the directory that is prepared for it.

A recorded command names absolute paths: the script, data, folders for results. Run as it is, it would run today's
script and write over the original's results. So the paths of the recorded repository, of the current directory and of
the Python environment are mapped to their places here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Final

from multitrack.journal.manifest import Context

#: Prefixes of system-wide interpreters: data below them does not belong to a Python environment.
_SYSTEM: Final = frozenset({"/", "/usr", "/usr/local"})


class Places:
    """The places of a recorded run's folders.

    Args:
        context: The run's origin.
        directory: The prepared directory.
        inputs: Local paths of the run's input data. Outside of the repository they stay as they are.

    Attributes:
        directory: The prepared directory, absolute.
        source: The checkout of the recorded commit.
        work: The current directory of the command: the place of the recorded one.
    """

    def __init__(self, context: Context, directory: Path, inputs: Collection[str] = ()) -> None:
        self.directory = directory.absolute()
        self.source = self.directory / "source"
        self._context = context
        self._cwd = os.path.normpath(context.cwd)
        self._root = None if context.git is None or not context.git.root else os.path.normpath(context.git.root)
        self._known = frozenset(map(os.path.normpath, inputs))
        self._inputs = [os.path.normpath(path) for path in inputs if not self._in_repository(path)]
        self.work = self.directory / "work"
        if self._root is not None and self._in_repository(self._cwd):
            self.work = self.source / os.path.relpath(self._cwd, self._root)
        self._pairs = self._folders()

    def _folders(self) -> list[tuple[str, Path]]:
        """The recorded folders with their places, the innermost first."""
        pairs = {} if self._cwd == "/" else {self._cwd: self.work}
        if self._root is not None:
            pairs[self._root] = self.source
        program = self.program
        if program is not None and not any(_is_below(program, folder) for folder in pairs):
            pairs[program] = self.work / Path(program).name
        interpreter = Path(self._context.executable)
        prefix = os.path.normpath(interpreter.parent.parent)
        if interpreter.parent.name == "bin" and prefix not in _SYSTEM:
            pairs[prefix] = Path(sys.prefix)
        return sorted(pairs.items(), key=lambda pair: len(pair[0]), reverse=True)

    @property
    def program(self) -> str | None:
        """The recorded path of the script; None if there was none."""
        program = self._context.program
        return os.path.normpath(program) if program and program.startswith("/") else None

    def place(self, path: str) -> Path | None:
        """The place of an absolute recorded path; None if it stays as it is."""
        path = os.path.normpath(path)
        if any(_is_below(path, kept) for kept in self._inputs):
            return None
        for folder, place in self._pairs:
            if _is_below(path, folder):
                return place / os.path.relpath(path, folder) if path != folder else place
        return None

    def command(self) -> list[str]:
        """The arguments of the recorded command, without the interpreter, with their paths mapped."""
        return [self._word(word) for word in self._context.command[1:]]

    def outside(self) -> list[str]:
        """The paths in the mapped command that the original may have written, and that were left as they are."""
        kept = [str(self.directory), os.path.normpath(sys.prefix), *self._inputs]
        paths = [os.path.normpath(_parts(word)[1]) for word in self.command() if _parts(word)[1].startswith("/")]
        return [path for path in paths if os.path.lexists(path) and not any(_is_below(path, one) for one in kept)]

    def absent(self) -> list[tuple[str, Path]]:
        """The paths in the command that exist as recorded and not at their places, with those; but for inputs."""
        paths = [os.path.normpath(os.path.join(self._cwd, _parts(word)[1])) for word in self._context.command[1:]]  # noqa: PTH118 - strings
        mapped = [(path, place) for path in paths if (place := self.place(path)) is not None]
        return [
            (path, place) for path, place in mapped
            if path not in self._known and os.path.lexists(path) and not os.path.lexists(place)
        ]  # fmt: skip

    def _word(self, word: str) -> str:
        """Map the path in an argument: ``/path``, ``../path``, ``--option=/path``, ``key=/path``."""
        name, path = _parts(word)
        if not path.startswith("/"):
            path = os.path.normpath(os.path.join(self._cwd, path))  # noqa: PTH118 - a string
            if path != self.program and "/" not in word:
                return word
            if _is_below(path, self._cwd) and self._in_repository(path) == self._in_repository(self._cwd):
                return word  # the same place, relative to the new current directory
        place = self.place(path)
        return word if place is None and word == name + path else f"{name}{place or path}"

    def _in_repository(self, path: str) -> bool:
        return self._root is not None and _is_below(os.path.normpath(path), self._root)


def _parts(word: str) -> tuple[str, str]:
    """Split an argument into the part up to the first ``=``, which may be empty, and the rest."""
    name, sign, rest = word.partition("=")
    return (name + sign, rest) if sign and "/" not in name else ("", word)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
