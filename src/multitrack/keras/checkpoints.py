"""The files that checkpoints write, as references of a run: where the best and the last are, never a copy.

``ModelCheckpoint`` tells nobody what it has written, so its files are looked at: those that its ``filepath`` can name
and that are not as they were when the fit began. That is right for any order of callbacks, any ``save_freq``, and for
files that somebody else writes.

While training goes on a reference says where the file is. Its digest is computed once, when the fit has ended:
training would have to wait for it after each epoch, for a fifth to four fifths of the time of saving (sha256 read
1.6 GB/s where Keras saved 0.4 to 1.3 GB/s), and the next epoch would make it wrong.
"""

from __future__ import annotations

import contextlib
import glob
import logging
import math
import os
import re
import stat
import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import keras

from multitrack.keras import internals
from multitrack.keras.guard import guarded, put_aside
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.run import Run

log = logging.getLogger("multitrack")

#: The last file written, and the best by what is monitored. Letters that every tracker has in names.
LAST: Final = "checkpoint-last"
BEST: Final = "checkpoint-best"
#: Of a reference to a model's file.
KIND: Final = "model"
_REMOTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

#: A ``ModelCheckpoint``, or the path or pattern that one would take.
Source = Any
Checkpoints = Source | Sequence[Source]


def checkpoint_sources(given: Checkpoints | None) -> list[Source]:
    """What ``checkpoint=`` was given, as a list.

    Raises:
        TypeError: Something in it is neither a ``ModelCheckpoint`` nor a path.
        ValueError: A path is no local one, or its braces do not match.
    """
    sources = list(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
    for source in sources:
        if not isinstance(source, (keras.callbacks.ModelCheckpoint, str, os.PathLike)):
            raise TypeError(f"checkpoint must be a keras.callbacks.ModelCheckpoint or a path, got {source!r}")
        if not _is_local(source):
            raise ValueError(
                f"checkpoint must write local files, got {_path_of(source)!r} (run.log_artifact_ref refers to others)"
            )
        Files(_path_of(source))
    return sources


def checkpoints_among(callbacks: Sequence[Any]) -> list[Source]:
    """The ``ModelCheckpoint`` in a list of callbacks whose files can be looked at."""
    return [each for each in callbacks if isinstance(each, keras.callbacks.ModelCheckpoint) and _is_local(each)]


class Watch:
    """Looks at what checkpoints write during one fit; ends with it, or with the run if that comes first.

    Args:
        run: Where references go.
        sources: As :func:`checkpoint_sources` gives them.
    """

    def __init__(self, run: Run, sources: Sequence[Source]) -> None:
        self.guarding_run = run
        self._logs: Mapping[str, Any] = {}
        self._epochs = 0
        self._watched: list[CheckpointFiles] = []
        saves_best = [getattr(source, "save_best_only", False) for source in sources]
        names = [BEST if best else LAST for best in saves_best]
        for i, source in enumerate(sources):
            before = names[:i].count(names[i])
            name = names[i] if before == 0 else f"{names[i]}-{before + 1}"
            watched = CheckpointFiles(source, name, judged=not before and not any(saves_best))
            self._watched.append(watched)
            if watched.judged_by is not None:
                watched.best_before = _least_and_most(run, watched.judged_by.monitor)
        if self._watched:
            run.at_end.add(self.end)

    def epoch_ended(self, logs: Mapping[str, Any] | None) -> None:
        """An epoch has ended with these logs; what is written for it may still be to come."""
        self._logs = dict(logs or {})
        self._epochs += 1

    @guarded
    def look(self) -> None:
        """Refer to what is new; called before the next epoch."""
        logs, self._logs = self._logs, {}
        for watched in self._watched:
            for name, path in watched.look(logs):
                self.guarding_run.log_artifact_ref(name, path, KIND, digest=False)

    @guarded
    def end(self) -> None:
        """Training is over, however it ended: refer to what is there, with digests."""
        self.guarding_run.at_end.discard(self.end)
        self.look()
        ended, self._watched = self._watched, []
        for watched in ended:
            if self._epochs and watched.is_missed():
                log.warning(
                    "multitrack: run %s: checkpoint=%r: no such file was written by this fit",
                    self.guarding_run.id, str(watched.source),
                )  # fmt: skip
            for name, path in watched.left():
                try:
                    self.guarding_run.log_artifact_ref(name, path, KIND)
                except OSError as error:  # the others' must not go with it
                    put_aside(self.guarding_run, name, error)


class CheckpointFiles:
    """The files of one checkpoint.

    Args:
        source: The checkpoint.
        name: What to call its last file.
        judged: Whether to tell which of its files is the best, where it keeps one for each epoch.

    Attributes:
        source: As given.
        judged_by: The checkpoint whose monitor tells the best; ``None`` where nobody can.
        best_before: The least and the most of earlier fits into the run, where there are any.
    """

    def __init__(self, source: Source, name: str, *, judged: bool) -> None:
        self.source = source
        self._files = Files(_path_of(source))
        self._name = name
        keeps_all = getattr(source, "save_freq", None) == "epoch" and "{epoch" in _path_of(source)
        self.judged_by = source if judged and keeps_all else None
        self.best_before: tuple[float | None, float | None] = None, None
        self._best_value: float | None = None
        self._seen: Written | None = None
        self._best: Path | None = None

    def look(self, logs: Mapping[str, Any]) -> list[tuple[str, Path]]:
        """Names and paths that have not been told yet; ``logs`` are of the epoch since the last look."""
        told = self._seen.path if self._seen is not None else None
        written = self._files.written()
        if not written or written[-1] == self._seen:
            return []
        self._seen = written[-1]
        path = self._seen.path
        new = [(self._name, path)] if path != told else []
        if self._is_best(logs):
            self._best = path
            new.append((BEST, path))
        return new

    def is_missed(self) -> bool:
        """Whether nothing was written to a path that was given; a ``ModelCheckpoint`` may have no reason to write."""
        return self._seen is None and not isinstance(self.source, keras.callbacks.ModelCheckpoint)

    def left(self) -> list[tuple[str, Path]]:
        """Names and paths of what is there now."""
        last = [(self._name, written.path) for written in self._files.written()[-1:]]
        return [*last, *([(BEST, self._best)] if self._best is not None and self._best.exists() else [])]

    def _is_best(self, logs: Mapping[str, Any]) -> bool:
        judge = self.judged_by
        value = None if judge is None else logs.get(judge.monitor)
        if judge is None or not isinstance(value, (int, float)) or math.isnan(value):
            return False
        if self._best_value is None:  # only now does Keras say which way is better
            self._best_value = self.best_before[0 if internals.is_better(judge, 0, 1) else 1]
        if self._best_value is not None and not internals.is_better(judge, value, self._best_value):
            return False
        self._best_value = value
        return True


def _least_and_most(run: Run, monitor: str) -> tuple[float | None, float | None]:
    """The values of a run that refers to a best checkpoint already: of an earlier fit, or an earlier process."""
    if run.directory is None:
        return None, None
    summary = RecordedRun(run.directory).summary()
    series = summary.series.get(monitor)
    if series is None or not any(reference.name == BEST for reference in summary.artifacts):
        return None, None
    return series.min, series.max


def _is_local(source: Source) -> bool:
    return _REMOTE.match(_path_of(source)) is None


def _path_of(source: Source) -> str:
    return str(getattr(source, "filepath", source))


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
