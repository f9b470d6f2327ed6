"""Which cell of a notebook runs, as IPython counts them."""

from __future__ import annotations

import sys
from typing import Any


def current_cell() -> int | None:
    """The count of the cell that runs; ``None`` in a script, and in a shell that is not IPython's."""
    ipython: Any = sys.modules.get("IPython")  # where it runs, it is imported
    shell = ipython and ipython.get_ipython()
    count = getattr(shell, "execution_count", None)
    return count if isinstance(count, int) else None
