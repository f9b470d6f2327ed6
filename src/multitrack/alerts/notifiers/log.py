"""Notify by lines of the log ``multitrack.alerts``, which are shown on standard error, and of a file."""

from __future__ import annotations

import logging
import os
from typing import Any

import msgspec

from multitrack.config import PathOption
from multitrack.hookspecs import Alert
from multitrack.markers import hookimpl

log = logging.getLogger("multitrack.alerts")


class LogOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of ``[notify.log]``.

    Attributes:
        file: A file to append each line to, too.
    """

    file: PathOption | None = None


class Log:
    """Writes one line for each change."""

    name = "log"

    @hookimpl
    def notifier_options(self) -> type[LogOptions]:
        """The options' type."""
        return LogOptions

    @hookimpl
    def notify(self, alert: Alert, options: Any) -> None:
        """Write the line."""
        log.warning("multitrack: alert: %s", alert.text)
        if options.file is None:
            return
        fd = os.open(options.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(f"{alert.text}\n")


plugin = Log()
