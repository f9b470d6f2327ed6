"""Where the points of a series stand in goodseed, which keeps one number for each step.

Its steps are real numbers. So a point whose step is taken stands a little behind it: the first one at step + 2⁻²⁰, the
next one at step + 2·2⁻²⁰. The whole part of a step in goodseed is always the recorded step.
"""

from __future__ import annotations

import math
from typing import Final

#: Distance of two points with the same recorded step.
DISTANCE: Final = 2.0**-20
#: From this step on, not all steps are different real numbers.
LARGEST: Final = 2**53
#: From this step on there is no room behind a step.
CROWDED: Final = 2**32


def place(step: int, last: float | None) -> float | None:
    """Return the step in goodseed for the next point with a recorded step; ``None`` if there is none.

    Args:
        step: The recorded step.
        last: The highest step in goodseed of earlier points with this recorded step.
    """
    if abs(step) >= LARGEST:
        return None
    if last is None:
        return float(step)
    found = last + DISTANCE
    return found if abs(step) < CROWDED and found < step + 1 else None


def recorded(step: float) -> int:
    """Return the recorded step of a point in goodseed."""
    return math.floor(step)
