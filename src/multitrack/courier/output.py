"""The output of a courier process: the SDKs' goes to a log, without secrets; notices go to the training, too."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import sys
from pathlib import Path
from typing import Any, TextIO

from multitrack.courier.loop import Notice
from multitrack.security.redaction import Redactor


def redirect(journal: Path, redactor: Redactor) -> None:
    """Redirect this process's output to a log file in the journal's directory, redacted."""
    log = open_log(journal / f"courier-{os.getpid()}.log")
    os.dup2(log, 1)
    os.dup2(log, 2)
    for name in ("stdout", "stderr"):
        setattr(sys, name, _Redacted(getattr(sys, name), redactor))


def show_alerts(notice: Notice) -> None:
    """Show the log of alerts as notices."""
    alerts = logging.getLogger("multitrack.alerts")
    alerts.propagate = False
    alerts.addHandler(_Notices(notice))


class _Notices(logging.Handler):
    """Shows the log of alerts as notices."""

    def __init__(self, notice: Notice) -> None:
        super().__init__()
        self._notice = notice

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a message on."""
        self._notice(record.getMessage().removeprefix("multitrack: "))


def open_log(path: Path) -> int:
    """Open the log file; ``/dev/null`` if that fails, or if another user planted something in its place."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with contextlib.suppress(OSError):
        fd = os.open(path, flags, 0o600)
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
            return fd
        os.close(fd)
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


class _Redacted:
    """A stream that redacts its text: SDKs print the address of the server with the password in it."""

    def __init__(self, stream: TextIO, redactor: Redactor) -> None:
        self._stream = stream
        self._redactor = redactor

    def write(self, text: str) -> int:
        """Write the text without secrets."""
        self._stream.write(self._redactor.begin(lines=True).text(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
