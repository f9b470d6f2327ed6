"""Which cell of a notebook runs, as IPython counts them."""

from __future__ import annotations

import sys
from typing import Any


def current_cell() -> int | None:
    """The count of the cell that runs; ``None`` in a script, and in a shell that is not IPython's."""
    ipython: Any = sys.modules.get("IPython")  # where it runs, it is imported
    shell = ipython and ipython.get_ipython()
    # Not its execution_count: IPython 9 counts a cell before it runs it, earlier ones after.
    cells = getattr(getattr(shell, "history_manager", None), "input_hist_parsed", None)
    return len(cells) - 1 if isinstance(cells, list) else None
