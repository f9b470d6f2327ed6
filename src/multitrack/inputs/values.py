"""Convert scalars and arrays of any library, recognized by their type, to plain numbers.

Nothing here imports numpy, TensorFlow, JAX or torch: if there is one of their arrays, the library is imported already.
An object is asked for its values only if its class is one of numpy's, torch's or TensorFlow's, or defines one of the
array protocols. No attribute of any other object is accessed, because that may have side effects: a stream's ``detach``
closes it.
"""

from __future__ import annotations

import decimal
import io
import math
import numbers
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from multitrack._text import error_text, short_repr, shown
from multitrack.records import number_to_json

Number = int | float

#: Names of the array protocols (numpy, "Interoperability with NumPy"; data-apis.org).
_PROTOCOLS: Final = ("__array__", "__array_interface__", "__array_struct__", "__dlpack__")


def to_number(value: Any, name: str) -> Number:
    """Convert a scalar of any library and dtype to a Python ``int`` or ``float``.

    Args:
        value: A Python, numpy, TF, JAX or torch scalar, or an array of exactly one element.
        name: The metric, for messages.

    Raises:
        TypeError: If it is not a single real number.
    """
    kind = type(value)
    if kind is float or kind is int:
        return value  # type: ignore[no-any-return]
    plain = plain_number(value)
    if plain is not None:
        return plain
    shape: tuple[int, ...] = ()
    try:
        array = as_array(value)
        if array is not None:
            shape = array.shape
            plain = _only_element(array)
    except Exception as error:  # libraries raise anything for a tensor without a value
        raise TypeError(f"metric {name!r} has no value yet: {shown(value)} ({error_text(error)})") from error
    if plain is None:
        hint = " (log_list_metric takes several)" if shape or issubclass(kind, (list, tuple)) else ""
        raise TypeError(f"metric {name!r} must be one real number, got {shown(value)}{hint}")
    return plain


def plain_number(value: Any) -> Number | None:
    """Convert a Python number, of a subclass, ``Decimal`` or ``numbers.Real`` too; None for any other object."""
    kind = type(value)
    if issubclass(kind, int):  # including bool
        return int.__index__(value)
    if issubclass(kind, float):
        return float.__float__(value)
    if issubclass(kind, (decimal.Decimal, numbers.Real)) and not _is_numpy(kind):
        try:
            return int(value) if issubclass(kind, numbers.Integral) else float(value)
        except OverflowError:  # a fraction beyond every float
            return int(value)
    return None


def _only_element(array: Any) -> Number | None:
    if array.size != 1:
        return None
    element, kind = array.reshape(())[()], array.dtype.kind
    if kind in "biu":
        return int(element)
    if kind == "O":
        return plain_number(element)
    try:
        return None if kind in "cmMSU" else float(element)  # including extension types such as bfloat16
    except (TypeError, ValueError):
        return None


def to_numbers(values: Any, name: str) -> list[int | float | str]:
    """Convert a list metric's values to their journal form.

    Arrays and lists of floats are converted without a Python loop; a scalar counts as a list of one.

    Raises:
        TypeError: If an item is not a real number, or there is more than one dimension.
    """
    kind = type(values)
    if issubclass(kind, (str, bytes, bytearray)):
        raise TypeError(f"list metric {name!r} must be numbers, got {shown(values)}")
    try:
        array = None if issubclass(kind, (list, tuple, range, int)) else as_array(values)
    except Exception as error:
        raise TypeError(f"list metric {name!r} has no values yet: {shown(values)} ({error_text(error)})") from error
    if array is not None:
        if array.ndim > 1:
            raise TypeError(f"list metric {name!r} must have one dimension, got shape {tuple(array.shape)}")
        return _from_array(array, name)
    if issubclass(kind, (Mapping, io.IOBase)):  # iterating a file would read it
        raise TypeError(f"list metric {name!r} must be numbers, got {shown(values)}")
    if issubclass(kind, Iterable):
        found = list(values)
        if set(map(type, found)) == {float} and _all_finite(found):  # the usual case, ten times as fast
            return found
        return [number_to_json(to_number(value, name)) for value in found]
    return [number_to_json(to_number(values, name))]


def _from_array(array: Any, name: str) -> list[int | float | str]:
    kind, size = array.dtype.kind, array.dtype.itemsize
    plain: list[Any] = array.reshape(-1).tolist()
    if kind not in "biuf" or size > 8:
        return [number_to_json(to_number(value, name)) for value in plain]
    if kind == "f" and not _all_finite(plain):
        return [number_to_json(value) for value in plain]
    if kind == "b":
        return [int(value) for value in plain]
    if kind in "iu" and size == 8:
        return [number_to_json(value) for value in plain]
    return plain


def _all_finite(values: list[float]) -> bool:
    """Return True if the sum is finite, and so every value; False also if a sum of finite values overflows."""
    total = sum(values)
    return total - total == 0.0


def as_array(value: Any) -> Any:
    """Convert an object whose class is an array type to a numpy array; None for any other object.

    Raises:
        Exception: If the library cannot provide the values, such as those of a tensor that is being traced.
    """
    kind = type(value)
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        return None
    if _is_numpy(kind):
        if issubclass(kind, numpy.ma.MaskedArray):  # masked elements become NaN
            return value.astype(float).filled(math.nan)
        return numpy.asarray(value)
    torch: Any = sys.modules.get("torch")
    if torch is not None and issubclass(kind, getattr(torch, "Tensor", ())):
        found = value.detach().cpu().resolve_conj().resolve_neg()
        if found.is_floating_point() and found.dtype not in (torch.float16, torch.float32, torch.float64):
            found = found.float()  # bfloat16 and smaller ones
        return found.numpy()
    tensorflow: Any = sys.modules.get("tensorflow")
    if tensorflow is not None and issubclass(kind, getattr(tensorflow, "Variable", ())):
        return numpy.asarray(value.numpy())  # a distributed variable has none of the protocols
    protocol = next((name for name in _PROTOCOLS if defines(kind, name)), None)
    if protocol is None:
        return None
    if protocol == "__array__":
        return numpy.asarray(kind.__array__(value))  # numpy would pass arguments that many classes do not accept
    return numpy.from_dlpack(value) if protocol == "__dlpack__" else numpy.asarray(value)


def _is_numpy(kind: type) -> bool:
    """Return True if a type is numpy's array or scalar type, or derives from one."""
    numpy: Any = sys.modules.get("numpy")
    classes = tuple(filter(None, (getattr(numpy, "ndarray", None), getattr(numpy, "generic", None))))
    return issubclass(kind, classes)


def defines(kind: type, name: str) -> bool:
    """Return True if a class or one of its bases defines a name; runs none of their code."""
    return any(name in vars(cls) for cls in kind.__mro__)


def to_seconds(value: Any, name: str) -> float:
    """Convert a number of seconds to ``float``.

    Raises:
        TypeError: If it is not a number.
    """
    try:
        return float(to_number(value, name))
    except TypeError:
        raise TypeError(f"{name} must be seconds, got {short_repr(value)}") from None
