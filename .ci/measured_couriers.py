"""Has coverage measure couriers; `make coverage` puts this into .venv, where every interpreter imports it at its start.

Coverage itself starts in every process that has its variables. A courier is given none but those that it needs, so it
takes coverage's from the process that started it.
"""

import os
import sys
from pathlib import Path

if "multitrack.courier" in sys.orig_argv:
    try:
        variables = Path(f"/proc/{os.getppid()}/environ").read_text().split("\0")
    except OSError:  # that process is gone
        variables = []
    os.environ.update(variable.split("=", 1) for variable in variables if variable.startswith("COVERAGE_"))
    if "COVERAGE_PROCESS_START" in os.environ:
        import coverage

        coverage.process_startup()
