"""The files that checkpoints write, as references of a run: where the best and the last are, never a copy.

``ModelCheckpoint`` tells nobody what it has written, so its files are looked at: those that its ``filepath`` can name
and that are not as they were when the fit began. That is right for any order of callbacks, any ``save_freq``, and for
files that somebody else writes.

While training goes on a reference says where the file is. Its digest is computed once, when the fit has ended:
training would have to wait for it after each epoch, for a fifth to four fifths of the time of saving (sha256 read
1.6 GB/s where Keras saved 0.4 to 1.3 GB/s), and the next epoch would make it wrong.
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import keras

from multitrack.keras.guard import guarded, put_aside
from multitrack.keras.written_files import Files, Stamp, Written, stamp_of
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.run import Run

log = logging.getLogger("multitrack")

#: The last file written, and the best by what is monitored. Letters that every tracker has in names.
LAST: Final = "checkpoint-last"
BEST: Final = "checkpoint-best"
#: KerasTuner's own file of a trial, and in a search's run the one of the best trial.
OF_TRIAL: Final = "checkpoint-keras_tuner"
OF_BEST_TRIAL: Final = "checkpoint-best_trial"

_KIND: Final = "model"
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
        self._watched: list[_Watched] = []
        saves_best = [getattr(source, "save_best_only", False) for source in sources]
        names = [BEST if best else LAST for best in saves_best]
        for i, source in enumerate(sources):
            before = names[:i].count(names[i])
            name = names[i] if before == 0 else f"{names[i]}-{before + 1}"
            watched = _Watched(source, name, judged=not before and not any(saves_best))
            self._watched.append(watched)
            if watched.judged_by is not None:
                watched.best_value = _best_so_far(run, watched.judged_by)
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
                self.guarding_run.log_artifact_ref(name, path, _KIND, digest=False)

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
                    self.guarding_run.log_artifact_ref(name, path, _KIND)
                except OSError as error:  # the others' must not go with it
                    put_aside(self.guarding_run, name, error)


class _Watched:
    """The files of one checkpoint.

    Args:
        source: The checkpoint.
        name: What to call its last file.
        judged: Whether to tell which of its files is the best, where it keeps one for each epoch.

    Attributes:
        source: As given.
        judged_by: The checkpoint whose monitor tells the best; ``None`` where nobody can.
        best_value: The best so far; ``None`` before any.
    """

    def __init__(self, source: Source, name: str, *, judged: bool) -> None:
        self.source = source
        self._files = Files(_path_of(source))
        self._name = name
        keeps_all = getattr(source, "save_freq", None) == "epoch" and "{epoch" in _path_of(source)
        self.judged_by = source if judged and keeps_all else None
        self.best_value: Any = None
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
        if self.best_value is not None and not judge.monitor_op(value, self.best_value):
            return False
        self.best_value = value
        return True


def _best_so_far(run: Run, judge: Any) -> float | None:
    """The best value of a run that refers to a best checkpoint already: of an earlier fit, or an earlier process."""
    if run.directory is None:
        return None
    summary = RecordedRun(run.directory).summary()
    series = summary.series.get(judge.monitor)
    if series is None or not any(reference.name == BEST for reference in summary.artifacts):
        return None
    return series.min if judge.monitor_op(0, 1) else series.max


class TunerCheckpoint:
    """The file in which KerasTuner keeps the weights of a trial's best epoch, over all its executions.

    Args:
        tuner: The tuner; one that keeps no such file is fine.
        trial_id: The trial.
    """

    def __init__(self, tuner: Any, trial_id: str) -> None:
        name_of = getattr(tuner, "_get_checkpoint_fname", None)  # it has no public name
        self._path = None if name_of is None else Path(name_of(trial_id))
        self._before = self._stamp()

    def is_new(self) -> bool:
        """Whether it was written since this object was made, and not by an earlier attempt."""
        return self._stamp() != self._before

    def log(self, run: Run, name: str) -> None:
        """Refer to it, if it is there; a trouble is set aside in ``run``."""
        try:
            if self._path is not None and self._stamp() is not None:
                run.log_artifact_ref(name, self._path, _KIND)
        except Exception as error:  # noqa: BLE001 - what else is recorded must not go with it
            put_aside(run, name, error)

    def _stamp(self) -> Stamp | None:
        try:
            return None if self._path is None else stamp_of(self._path)
        except OSError:
            return None


def _is_local(source: Source) -> bool:
    return _REMOTE.match(_path_of(source)) is None


def _path_of(source: Source) -> str:
    return str(getattr(source, "filepath", source))
