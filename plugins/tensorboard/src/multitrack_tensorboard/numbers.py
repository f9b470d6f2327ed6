"""Numbers as TensorBoard draws them, with the exact number beside.

TensorBoard draws 32-bit floats. Its default loader drops scalars that are stored as doubles. So a point holds the
nearest 32-bit float in ``float_val``, which is drawn, and in the same tensor the exact number, which TensorBoard
ignores: a double in ``double_val``, or the digits of an integer that no double equals in ``string_val``.
"""

from __future__ import annotations

import math
import struct
from typing import Any, Final, NamedTuple

_SINGLE: Final = struct.Struct("<f")


class Stored(NamedTuple):
    """A number as it is stored.

    Attributes:
        single: The nearest 32-bit float.
        double: The nearest double, if it differs from ``single``.
        digits: The digits of an integer that no double equals.
        drawn: False if the drawing is wrong in more than precision: infinity for a finite number, or zero for another.
    """

    single: float
    double: float | None = None
    digits: str | None = None
    drawn: bool = True


def store(value: float) -> Stored:
    """Convert a number of the journal."""
    try:
        double = float(value)
    except OverflowError:  # an integer beyond doubles
        double = math.inf if value > 0 else -math.inf
    try:
        single: float = _SINGLE.unpack(_SINGLE.pack(double))[0]
    except OverflowError:
        single = math.copysign(math.inf, double)
    if single == value or value != value:
        return Stored(single)
    digits = None if double == value else str(value)
    return Stored(single, double, digits, drawn=digits is None and math.isfinite(single) and single != 0)


def exact_number(tensor: Any) -> float:
    """Return the exact number of a point.

    Args:
        tensor: A ``TensorProto``, such as ``EventAccumulator.Tensors(tag)[-1].tensor_proto``.
    """
    if tensor.string_val:
        return int(tensor.string_val[0])
    number: float = (tensor.double_val or tensor.float_val)[0]
    return number
