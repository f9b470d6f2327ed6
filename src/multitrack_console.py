"""The console command ``multitrack``, beside the package that it starts.

``multitrack exec`` runs somebody else's program, which must run even if this installation is broken: a dependency of
another version, a module with a syntax error, no package at all. So this module imports the standard library alone, and
becomes the program where the command cannot be imported. It is outside of the package ``multitrack``, whose
``__init__`` may be what is broken.
"""

from __future__ import annotations

import contextlib
import getopt
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

#: The options of ``multitrack exec``, as :func:`getopt.getopt` takes them.
OPTIONS: Final = ("tracker=", "to=", "subprocesses", "journal=")


def main() -> NoReturn:
    """Run the command that the arguments name, and exit with its status."""
    if sys.argv[1:2] == ["exec"]:
        _execute(sys.argv[2:])
    command = importlib.import_module("multitrack.cli")
    sys.exit(command.main())


def _execute(arguments: Sequence[str]) -> NoReturn:
    """Run ``multitrack exec``; become its program if that fails before the program has begun."""
    execution = None
    try:
        command = importlib.import_module("multitrack.cli")
        execution = importlib.import_module("multitrack.cli.exec")
        command.main()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may call sys.exit as it is imported
        is_answer = execution is not None and (execution.has_begun or isinstance(error, SystemExit))
        program = [] if is_answer else _program(arguments)
        if not program:
            raise
        _say(f"nothing is mirrored, multitrack itself is broken: {type(error).__name__}: {error}")
        _become(program)
    sys.exit(0)


def _program(arguments: Sequence[str]) -> list[str]:
    """The program and its arguments, behind the options of ``multitrack exec``; empty if these are wrong."""
    try:
        return getopt.getopt(list(arguments), "", OPTIONS)[1]
    except getopt.GetoptError:
        return []


def _become(program: list[str]) -> NoReturn:
    """Replace this process by the program, so that its signals and its exit status are its own."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them; a program of its own begins without
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(program[0], program)  # noqa: S606 - as the user asked
    except FileNotFoundError:
        _say(f"{program[0]}: not found")
        sys.exit(127)
    except OSError as error:
        _say(f"{program[0]}: {error.strerror}")
        sys.exit(126)


def _say(text: str) -> None:
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write("multitrack: " + " ".join(text.split()) + "\n")
            sys.stderr.flush()
