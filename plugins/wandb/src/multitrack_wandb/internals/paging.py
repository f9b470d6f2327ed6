"""Keep the SDK's paginators from holding everything that they have yielded."""

from __future__ import annotations

import contextlib
from typing import Any

from multitrack_wandb.internals import lookup


def forget(pages: Any) -> None:
    """Let a paginator forget its current item; without these names it holds all of them."""
    objects, index = lookup.reach(pages, "objects"), lookup.reach(pages, "index")
    if isinstance(objects, list) and isinstance(index, int):
        with contextlib.suppress(IndexError):
            objects[index] = None
