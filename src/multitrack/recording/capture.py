"""Turning output into log lines: a logging handler, and taps on stdout and stderr."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any, TextIO

from multitrack.recording.active import active_run
from multitrack.recording.run import Run


class LogHandler(logging.Handler):
    """A ``logging.Handler`` that writes each record as log lines of a run.

    Args:
        run: The run, or ``None`` for whichever is active when a record comes.
        level: As for any handler.
    """

    def __init__(self, run: Run | None = None, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._run = run
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; never raises."""
        if record.name.split(".")[0] == "multitrack":
            return  # what we say of the run is not part of it, and could go round in circles
        try:
            run = self._run or active_run()
            if run.status == "running":
                run.log_lines(self.format(record), stream="log")
        except Exception:  # noqa: BLE001 - logging's own way to report a handler's trouble
            self.handleError(record)


class Tap:
    """Stands in for ``sys.stdout`` or ``sys.stderr``: passes everything on, and complete lines to the run."""

    def __init__(self, run: Run, stream: str) -> None:
        self._run = run
        self._stream = stream
        self._inner: TextIO = getattr(sys, stream)
        self._rest = ""
        self._lock = threading.RLock()
        self._inside = False
        setattr(sys, stream, self)

    def write(self, text: str) -> int:
        """Write on to the stream behind."""
        written = self._inner.write(text)
        with self._lock:
            if self._inside:
                return written  # the run's own notice, from within log_lines
            *lines, self._rest = (self._rest + text).split("\n")
            if lines:
                self._record(lines)
        return written

    def close_tap(self) -> None:
        """Put the stream back, and record an unfinished last line."""
        if getattr(sys, self._stream) is self:
            setattr(sys, self._stream, self._inner)
        with self._lock:
            if self._rest:
                self._record([self._rest])
            self._rest = ""

    def _record(self, lines: list[str]) -> None:
        self._inside = True
        try:
            if self._run.status == "running":
                # a progress bar draws over its line: what was last on it is what one would have seen
                self._run.log_lines([line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines], stream=self._stream)
        finally:
            self._inside = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Capture:
    """What ``start_run(capture=)`` asked for, undone at the end of the run."""

    def __init__(self, run: Run, what: tuple[str, ...]) -> None:
        self._taps = [Tap(run, stream) for stream in ("stdout", "stderr") if stream in what]
        self._handler = LogHandler(run) if "logging" in what else None
        if self._handler is not None:
            logging.getLogger().addHandler(self._handler)

    def close(self) -> None:
        """Put everything back."""
        for tap in reversed(self._taps):
            tap.close_tap()
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
