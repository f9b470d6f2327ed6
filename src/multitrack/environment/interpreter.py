"""Find the Python interpreter for a courier, and detect processes that were started as one.

In a frozen application, or a program that embeds Python, ``sys.executable`` is the program: starting it would run
the training again, which would start it again, and so on. So only a file that is named like an interpreter is started.
Every started process also gets a mark in its environment, by which a second run of the program stops.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

#: Environment variable with the pid of the starting process; set in every process that we start.
STARTED_BY: Final = "MULTITRACK_STARTED_BY"

#: Exit status of a process that was started as a courier but is none; it is not restarted.
NO_COURIER: Final = 78
#: Exit status of a Python that does not know one of our options, or of a program that rejects our arguments.
WRONG_USAGE: Final = 2
#: The courier's program, ``python -m multitrack.courier``. If a module is missing it prints one line instead of a
#: traceback, and ends with a status of its own; ``-m`` itself would do neither, as it imports the package first.
#: Process listings show all of this, so it begins with what it is, and gets ``-m`` and the module's name as arguments.
PROGRAM: Final = f"""# multitrack's courier: delivers what a training records
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

#: Names of interpreters: ``python3.11``, ``python3.13t``, ``pypy3``, and wrapped or renamed ones of distributions.
_NAME: Final = re.compile(
    r"\.?(?:python|pypy|graalpy)w?(?:\d+(?:\.\d+)*)?[dmtu]*(?:-(?:wrapped|real|bin|intel64|arm64))?(?:\.exe)?"
)


class SecondRun(SystemExit):
    """Stops a second run of the program, with exit status :data:`NO_COURIER`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = NO_COURIER


def interpreter() -> str | None:
    """The path of this process's Python interpreter; None if there is none that can be started."""
    executable = sys.executable
    if getattr(sys, "frozen", False) or not isinstance(executable, str) or not executable:
        return None
    is_named_so = _NAME.fullmatch(Path(executable).name) is not None
    return executable if is_named_so and os.access(executable, os.X_OK) and Path(executable).is_file() else None


def stop_second_run() -> None:
    """Stop the program if this process was started to deliver records, not to run the program.

    Raises:
        SystemExit: If this process or a parent of it was started as a courier.
    """
    started_by = os.environ.get(STARTED_BY)
    if started_by:
        text = (
            f"multitrack: start_run was called in a process that delivers the records of process {started_by}: "
            f"{sys.executable} does not run Python modules, or a package imports the program ({_program()}). "
            'Nothing is recorded here; set delivery = "thread", or "off" and run `multitrack sync`'
        )
        print(text, file=sys.stderr)  # noqa: T201 - the exit status below replaces the text of SystemExit
        raise SecondRun(text)


def _program() -> str:
    main = sys.modules.get("__main__")
    return str(getattr(main, "__file__", None) or "no file")
