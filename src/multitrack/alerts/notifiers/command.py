"""Notify by a program of the config, which gets the alert as JSON on standard input."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from typing import Annotated, Any, Final

import msgspec

from multitrack.alerts.payload import payload
from multitrack.config import PathOption
from multitrack.hookspecs import Alert
from multitrack.markers import hookimpl
from multitrack.security.terminal import excerpt

#: Maximum bytes of a program's standard error that are read.
_SAID: Final = 4096


class CommandOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options of ``[notify.command]``.

    Attributes:
        program: Path of the program.
        arguments: Its arguments. Nothing of an alert is put into them, and no shell reads them.
        timeout: Maximum seconds that it may take.
    """

    program: PathOption
    arguments: list[str] = []
    timeout: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0


class Command:
    """Runs the program once for each change."""

    name = "command"

    @hookimpl
    def notifier_options(self) -> type[CommandOptions]:
        """The options' type."""
        return CommandOptions

    @hookimpl
    def notify(self, alert: Alert, options: Any) -> None:
        """Run the program.

        Raises:
            RuntimeError: If it fails.
        """
        # A file and not a pipe, which a process that the program leaves behind would keep open.
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                [options.program, *options.arguments], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors,
                process_group=0,
            )  # fmt: skip
            try:
                process.communicate(payload(alert), options.timeout)
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"{options.program} took more than {options.timeout:g} s") from None
            finally:
                _end(process)
            errors.seek(0)
            said = excerpt(errors.read(_SAID).decode(errors="replace").strip())
        if process.returncode:
            raise RuntimeError(f"{options.program} ended with status {process.returncode}{said and f': {said}'}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program that still runs, with the processes that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdin is not None:
        process.stdin.close()


plugin = Command()
