"""From scalars and arrays of any library to plain numbers, told by their type.

Nothing here imports numpy, TensorFlow, JAX or torch: whoever holds one of their arrays has imported them. An object is
asked for its values only where its class is one of numpy's or torch's, or defines one of the array protocols. No
attribute of any other object is looked up, as what it does when asked nobody knows: ``detach`` closes a stream.
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

#: What a class defines whose objects can be read as an array (numpy, "Interoperability with NumPy"; data-apis.org).
_PROTOCOLS: Final = ("__array__", "__array_interface__", "__array_struct__", "__dlpack__")


def to_number(value: Any, name: str) -> Number:
    """A scalar of any library and dtype as a Python ``int`` or ``float``.

    Args:
        value: A Python, numpy, TF, JAX or torch scalar, or an array of exactly one element.
        name: The metric, for the message.

    Raises:
        TypeError: It is not one real number.
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
    except Exception as error:  # whatever a library raises for a tensor without a value
        raise TypeError(f"metric {name!r} has no value yet: {shown(value)} ({error_text(error)})") from error
    if plain is None:
        hint = " (log_list_metric takes several)" if shape or issubclass(kind, (list, tuple)) else ""
        raise TypeError(f"metric {name!r} must be one real number, got {shown(value)}{hint}")
    return plain


def plain_number(value: Any) -> Number | None:
    """A number of Python's own kinds, subclasses included, or of a class that calls itself a real number."""
    kind = type(value)
    if issubclass(kind, int):  # bool, too
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
        return None if kind in "cmMSU" else float(element)  # of extension types such as bfloat16, too
    except (TypeError, ValueError):
        return None


def to_numbers(values: Any, name: str) -> list[int | float | str]:
    """A list metric's values as the journal holds them.

    Arrays and floats take the way without a Python loop; a scalar counts as a list of one.

    Raises:
        TypeError: Something in it is no real number, or it has more than one dimension.
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
    if issubclass(kind, (Mapping, io.IOBase)):  # a file would be read
        raise TypeError(f"list metric {name!r} must be numbers, got {shown(values)}")
    if issubclass(kind, Iterable):
        found = list(values)
        if set(map(type, found)) == {float} and _all_finite(found):  # as losses are, ten times as quick
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
    """Whether no value is NaN or infinite: a sum of finite doubles may overflow, so only a finite sum counts."""
    total = sum(values)
    return total - total == 0.0


def as_array(value: Any) -> Any:
    """The numpy array behind an object whose class says that it is an array; ``None`` for every other.

    Raises:
        Exception: Its library cannot give its values, such as those of a tensor that is being traced.
    """
    kind = type(value)
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        return None
    if _is_numpy(kind):
        if issubclass(kind, numpy.ma.MaskedArray):  # what it hides is no number
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
        return numpy.asarray(value.numpy())  # a distributed one has none of the protocols
    protocol = next((name for name in _PROTOCOLS if defines(kind, name)), None)
    if protocol is None:
        return None
    if protocol == "__array__":
        return numpy.asarray(kind.__array__(value))  # numpy itself would pass arguments that many do not take
    return numpy.from_dlpack(value) if protocol == "__dlpack__" else numpy.asarray(value)


def _is_numpy(kind: type) -> bool:
    """Whether this is one of numpy's arrays or scalars, or derived from one."""
    numpy: Any = sys.modules.get("numpy")
    classes = tuple(filter(None, (getattr(numpy, "ndarray", None), getattr(numpy, "generic", None))))
    return issubclass(kind, classes)


def defines(kind: type, name: str) -> bool:
    """Whether a class or one that it derives from defines a name; runs no code of theirs."""
    return any(name in vars(cls) for cls in kind.__mro__)


def to_seconds(value: Any, name: str) -> float:
    """A time to wait.

    Raises:
        TypeError: It is no number.
    """
    try:
        return float(to_number(value, name))
    except TypeError:
        raise TypeError(f"{name} must be seconds, got {short_repr(value)}") from None
