"""Find the running cell of a notebook, as IPython counts them."""

from __future__ import annotations

import sys
from typing import Any


def current_cell() -> int | None:
    """The count of the running cell; None in a script, and in a shell other than IPython."""
    ipython: Any = sys.modules.get("IPython")  # already imported if it runs
    shell = ipython and ipython.get_ipython()
    # Not execution_count: IPython 9 counts a cell before running it, earlier releases after.
    cells = getattr(getattr(shell, "history_manager", None), "input_hist_parsed", None)
    return len(cells) - 1 if isinstance(cells, list) else None
