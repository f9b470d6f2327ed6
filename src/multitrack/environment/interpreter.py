"""Whether this process can start a Python of its own, and whether it was started by one of ours.

In a frozen application, or a program that embeds Python, ``sys.executable`` is the program: starting it again would run
the training again, which would start it again. So only a file that is named like an interpreter is started, and
whatever is started bears a mark, by which a second run of the program stops.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

#: Set in every process that we start: the process that started it.
STARTED_BY: Final = "MULTITRACK_STARTED_BY"

#: With what a process ends that was started as a courier and is none: it is not started again.
NO_COURIER: Final = 78
#: The same of a Python that does not know an option of ours, and of programs that take our arguments for theirs.
WRONG_USAGE: Final = 2
#: The courier's program, ``python -m multitrack.courier``: where a module is missing, a line on stderr in place of a
#: traceback. ``-m`` and the name are among the arguments, for those who look for the process.
PROGRAM: Final = f"""
import sys
try:
    from multitrack.courier.__main__ import main
except ImportError as error:
    print(
        f'multitrack: the courier cannot import {{error.name}}; sys.executable is {{sys.executable}}, '
        'which lacks the packages of the training: set sys.executable to the training\\'s Python, '
        'install multitrack there, or set delivery = "thread"', file=sys.stderr,
    )
    sys.exit({NO_COURIER})
main(sys.argv[3:])
"""

#: ``python3.11``, ``python3.13t``, ``pypy3``, and those that distributions wrap or put aside.
_NAME: Final = re.compile(
    r"\.?(?:python|pypy|graalpy)w?(?:\d+(?:\.\d+)*)?[dmtu]*(?:-(?:wrapped|real|bin|intel64|arm64))?(?:\.exe)?"
)


class SecondRun(SystemExit):
    """The program's second run, ended with :data:`NO_COURIER`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = NO_COURIER


def interpreter() -> str | None:
    """The path of this process's Python interpreter; ``None`` where there is none that could be started."""
    executable = sys.executable
    if getattr(sys, "frozen", False) or not isinstance(executable, str) or not executable:
        return None
    is_named_so = _NAME.fullmatch(Path(executable).name) is not None
    return executable if is_named_so and os.access(executable, os.X_OK) and Path(executable).is_file() else None


def stop_second_run() -> None:
    """Stop the program in a process that was to deliver its records, not to run it.

    Raises:
        SystemExit: This is such a process, or a child of one.
    """
    started_by = os.environ.get(STARTED_BY)
    if started_by:
        text = (
            f"multitrack: start_run was called in a process that delivers the records of process {started_by}: "
            f"{sys.executable} does not run Python modules, or a package imports the program ({_program()}). "
            'Nothing is recorded here; set delivery = "thread", or "off" and run `multitrack sync`'
        )
        print(text, file=sys.stderr)  # noqa: T201 - the status below takes the place of the text
        raise SecondRun(text)


def _program() -> str:
    main = sys.modules.get("__main__")
    return str(getattr(main, "__file__", None) or "no file")
