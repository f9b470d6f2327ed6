"""Turn output into log lines: a logging handler, and taps on stdout and stderr."""

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
        run: The run, or ``None`` for the run that is active at the time of each record.
        level: Minimum level, as for any handler.
    """

    def __init__(self, run: Run | None = None, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._run = run
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; never raises."""
        if record.name.split(".")[0] == "multitrack":
            return  # our own messages are not part of the run, and recording them could recurse
        try:
            run = self._run or active_run()
            if run.status == "running":
                run.log_lines(self.format(record), stream="log")
        except Exception:  # noqa: BLE001 - logging's own way to report a handler's error
            self.handleError(record)


class Tap:
    """A replacement for ``sys.stdout`` or ``sys.stderr`` that also records complete lines in the run."""

    def __init__(self, run: Run, stream: str) -> None:
        self._run = run
        self._stream = stream
        self._inner: TextIO = getattr(sys, stream)
        self._rest = ""
        self._lock = threading.RLock()
        self._inside = False
        setattr(sys, stream, self)

    def write(self, text: str) -> int:
        """Write to the original stream, and record complete lines."""
        written = self._inner.write(text)
        with self._lock:
            if self._inside:
                return written  # a warning logged within log_lines
            *lines, self._rest = (self._rest + text).split("\n")
            if lines:
                self._record(lines)
        return written

    def close_tap(self) -> None:
        """Restore the stream, and record an unfinished last line."""
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
                # a progress bar overwrites its line with "\r": record only the last state
                self._run.log_lines([line.rstrip("\r").rsplit("\r", 1)[-1] for line in lines], stream=self._stream)
        finally:
            self._inside = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Capture:
    """The output capture of ``start_run(capture=)``; undone at the end of the run."""

    def __init__(self, run: Run, what: tuple[str, ...]) -> None:
        self._taps = [Tap(run, stream) for stream in ("stdout", "stderr") if stream in what]
        self._handler = LogHandler(run) if "logging" in what else None
        if self._handler is not None:
            logging.getLogger().addHandler(self._handler)

    def close(self) -> None:
        """Restore the streams and remove the logging handler."""
        for tap in reversed(self._taps):
            tap.close_tap()
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
