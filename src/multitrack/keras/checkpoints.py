"""Record checkpoint files as references of a run: the paths of the best and the last, never a copy.

``ModelCheckpoint`` does not report what it has written. So its files are found on disk: those that match its
``filepath`` and have changed since the fit began. This works for any order of callbacks, any ``save_freq``, and for
files written by something else.

During training a reference holds only the path. The digest is computed once, when the fit has ended. Computed after
each epoch, it would delay training by a fifth to four fifths of the time of saving (sha256 read 1.6 GB/s where Keras
saved 0.4 to 1.3 GB/s), and the next epoch would invalidate it.
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

#: Names of the references to the last file and to the best one by the monitored metric. Valid in every tracker.
LAST: Final = "checkpoint-last"
BEST: Final = "checkpoint-best"
_REMOTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

#: A ``ModelCheckpoint``, or a path or pattern like its ``filepath``.
Source = Any
Checkpoints = Source | Sequence[Source]


def checkpoint_sources(given: Checkpoints | None) -> list[Source]:
    """Return the ``checkpoint=`` argument as a list.

    Raises:
        TypeError: An item is neither a ``ModelCheckpoint`` nor a path.
        ValueError: A path is not local, or its braces do not match.
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
    """Return the ``ModelCheckpoint`` callbacks that write local files."""
    return [each for each in callbacks if isinstance(each, keras.callbacks.ModelCheckpoint) and _is_local(each)]


class Watch:
    """Watches the files that checkpoints write during one fit; ends with the fit, or with the run if that ends first.

    Args:
        run: The run to record references into.
        sources: The result of :func:`checkpoint_sources`.
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
        """Take the logs of an ended epoch. Its files may still be written later."""
        self._logs = dict(logs or {})
        self._epochs += 1

    @guarded
    def look(self) -> None:
        """Record references to new files; called before the next epoch."""
        logs, self._logs = self._logs, {}
        for watched in self._watched:
            for name, path in watched.look(logs):
                self.guarding_run.integration.log_checkpoint(name, path, digest=False)

    @guarded
    def end(self) -> None:
        """Record references to the files left after training, with digests, whether it raised or not."""
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
                    self.guarding_run.integration.log_checkpoint(name, path)
                except OSError as error:  # must not cost the other references
                    put_aside(self.guarding_run, name, error)


class CheckpointFiles:
    """The files of one checkpoint.

    Args:
        source: The checkpoint.
        name: Reference name of its last file.
        judged: True to find the best of its files, if it keeps one for each epoch.

    Attributes:
        source: As given.
        judged_by: The checkpoint whose monitor decides which file is best; ``None`` if the best is not recorded.
        best_before: The monitor's minimum and maximum over earlier fits into the run, or ``None`` each.
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
        """Return new names and paths since the last call; ``logs`` are those of the epoch since then."""
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
        """Return True if no file was written to a given path. A ``ModelCheckpoint`` may have had no reason to write."""
        return self._seen is None and not isinstance(self.source, keras.callbacks.ModelCheckpoint)

    def left(self) -> list[tuple[str, Path]]:
        """Return the names and paths of the files that exist now."""
        last = [(self._name, written.path) for written in self._files.written()[-1:]]
        return [*last, *([(BEST, self._best)] if self._best is not None and self._best.exists() else [])]

    def _is_best(self, logs: Mapping[str, Any]) -> bool:
        judge = self.judged_by
        value = None if judge is None else logs.get(judge.monitor)
        if judge is None or not isinstance(value, (int, float)) or math.isnan(value):
            return False
        if self._best_value is None:  # Keras knows the direction only by now
            self._best_value = self.best_before[0 if internals.is_better(judge, 0, 1) else 1]
        if self._best_value is not None and not internals.is_better(judge, value, self._best_value):
            return False
        self._best_value = value
        return True


def _least_and_most(run: Run, monitor: str) -> tuple[float | None, float | None]:
    """Return the monitor's range in a run that already has a best checkpoint, of an earlier fit or process."""
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
    """Fingerprint of a file: mtime, size and inode. The mtime is first, so that the newest sorts last."""

    modified: int
    size: int
    identity: int


class Written(NamedTuple):
    """A file or directory with its stamp."""

    stamp: Stamp
    path: Path


class Files:
    """The files matching a pattern that are written after this object was created.

    Args:
        pattern: A path with ``str.format`` fields. ``epoch`` and ``batch`` match digits, any other field matches
            anything but a separator. Relative to the current directory at creation.

    Raises:
        ValueError: The pattern's braces do not match.
    """

    def __init__(self, pattern: str) -> None:
        self._glob, expression = "", ""
        for literal, field, _, _ in string.Formatter().parse(os.path.abspath(pattern)):  # noqa: PTH100 - text, not a path
            self._glob += glob.escape(literal)
            expression += re.escape(literal)
            if field is not None:
                self._glob += "*"
                expression += r"\d+" if field in ("epoch", "batch") else r"[^/\\]+"
        self._expression = re.compile(expression, re.DOTALL)
        self._before = dict(self._found())

    def written(self) -> list[Written]:
        """Return the files that are new or changed since the start, newest last."""
        return sorted(Written(stamp, path) for path, stamp in self._found() if self._before.get(path) != stamp)

    def _found(self) -> list[tuple[Path, Stamp]]:
        found = []
        for name in glob.glob(self._glob):  # noqa: PTH207 - Path.glob takes no absolute pattern
            if self._expression.fullmatch(name):
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    found.append((Path(name), stamp_of(Path(name))))
        return found


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of a file. For a directory: the newest mtime in it, the total size and the number of entries.

    Raises:
        FileNotFoundError: The file does not exist.
    """
    own = path.stat()
    if not stat.S_ISDIR(own.st_mode):
        return Stamp(own.st_mtime_ns, own.st_size, own.st_ino)
    inside = [stamp_of(each) for each in path.iterdir()]
    newest = max([own.st_mtime_ns, *(each.modified for each in inside)])
    return Stamp(newest, sum(each.size for each in inside), len(inside))
