"""Which files a path, or a pattern such as ``{epoch:02d}-{val_loss:.2f}.keras``, has come to name since a moment."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import stat
import string
from pathlib import Path
from typing import NamedTuple


class Stamp(NamedTuple):
    """What changes when a file is written: the time first, so that the newest is the largest."""

    modified: int
    size: int
    identity: int


class Written(NamedTuple):
    """A file or directory as it was found."""

    stamp: Stamp
    path: Path


class Files:
    """What is written to the places that a pattern can name, from the making of this object on.

    Args:
        pattern: A path, with fields as ``str.format`` has them: ``epoch`` and ``batch`` stand for digits, any other for
            whatever lies between two separators. Relative to the directory that is the current one now.

    Raises:
        ValueError: Its braces do not match.
    """

    def __init__(self, pattern: str) -> None:
        self._glob, expression = "", ""
        for literal, field, _, _ in string.Formatter().parse(os.path.abspath(pattern)):  # noqa: PTH100 - of text, no path
            self._glob += glob.escape(literal)
            expression += re.escape(literal)
            if field is not None:
                self._glob += "*"
                expression += r"\d+" if field in ("epoch", "batch") else r"[^/\\]+"
        self._expression = re.compile(expression, re.DOTALL)
        self._before = dict(self._found())

    def written(self) -> list[Written]:
        """What is there now and was not there, or not as it is, at the beginning; the newest last."""
        return sorted(Written(stamp, path) for path, stamp in self._found() if self._before.get(path) != stamp)

    def _found(self) -> list[tuple[Path, Stamp]]:
        found = []
        for name in glob.glob(self._glob):  # noqa: PTH207 - Path.glob takes no pattern that is absolute
            if self._expression.fullmatch(name):
                with contextlib.suppress(FileNotFoundError):  # it went away meanwhile
                    found.append((Path(name), stamp_of(Path(name))))
        return found


def stamp_of(path: Path) -> Stamp:
    """Of a file; of a directory the newest time in it, the size of all its files and their number.

    Raises:
        FileNotFoundError: There is no such file.
    """
    own = path.stat()
    if not stat.S_ISDIR(own.st_mode):
        return Stamp(own.st_mtime_ns, own.st_size, own.st_ino)
    inside = [stamp_of(each) for each in path.iterdir()]
    newest = max([own.st_mtime_ns, *(each.modified for each in inside)])
    return Stamp(newest, sum(each.size for each in inside), len(inside))
