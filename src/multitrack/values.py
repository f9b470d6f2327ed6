"""From what training code holds to plain values: numbers, flat params, lists of numbers.

Nothing here imports numpy, TensorFlow, JAX or torch: their scalars and arrays are met through the methods
they share (``item``, ``numpy``, ``tolist``, ``__array__``).
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from multitrack.credentials import is_secret_name
from multitrack.records import ParamType, number_to_json

Number = int | float


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
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, (decimal.Decimal, fractions.Fraction)):
        return float(value)
    if not isinstance(value, (str, bytes, type(None), complex, list, tuple, dict, set)):
        plain = _scalar_of(value, name)
        if plain is not None:
            return plain
    several = isinstance(value, (list, tuple)) or getattr(value, "shape", ()) not in ((), None)
    hint = " (log_list_metric takes several)" if several else ""
    raise TypeError(f"metric {name!r} must be one real number, got {shown(value)}{hint}")


def _scalar_of(value: Any, name: str) -> Number | None:
    """What an array-like of one element holds, or ``None``."""
    try:
        if hasattr(value, "numpy"):  # TensorFlow tensors and variables, torch, Keras variables
            value = value.detach().cpu() if hasattr(value, "detach") else value.numpy()
        plain = value.item() if hasattr(value, "item") else value
    except Exception as error:
        if getattr(value, "size", 1) not in (0, 1) and not callable(value.size):
            return None  # an array of several: it has values, just not one
        raise TypeError(f"metric {name!r} has no value yet: {shown(value)} ({error})") from error
    if isinstance(plain, bool):
        return int(plain)
    if isinstance(plain, (int, float)):
        return int(plain) if isinstance(plain, int) else float(plain)
    if isinstance(plain, (str, bytes, complex, type(None))) or not hasattr(plain, "__float__"):
        return None
    return float(plain)  # extension dtypes such as bfloat16, whose item() stays their own


def to_numbers(values: Any, name: str) -> list[int | float | str]:
    """A list metric's values as the journal holds them.

    Arrays and floats take the way without a Python loop; a scalar counts as a list of one.

    Raises:
        TypeError: Something in it is no real number, or it has more than one dimension.
    """
    if isinstance(values, (str, bytes, Mapping)):
        raise TypeError(f"list metric {name!r} must be numbers, got {shown(values)}")
    array = _array_of(values)
    if array is not None:
        if array.ndim > 1:
            raise TypeError(f"list metric {name!r} must have one dimension, got shape {tuple(array.shape)}")
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            converted = array.reshape(-1).tolist()
            return [number_to_json(to_number(value, name)) for value in converted]
        plain: list[Any] = array.reshape(-1).tolist()
        if array.dtype.kind == "f" and not _all_finite(plain):
            return [number_to_json(value) for value in plain]
        if array.dtype.kind == "b":
            return [int(value) for value in plain]
        if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
            return [number_to_json(value) for value in plain]
        return plain
    if isinstance(values, Iterable):
        found = list(values)
        if set(map(type, found)) == {float} and _all_finite(found):  # as losses are, ten times as quick
            return found
        return [number_to_json(to_number(value, name)) for value in found]
    return [number_to_json(to_number(values, name))]


def _all_finite(values: list[float]) -> bool:
    """Whether no value is NaN or infinite: a sum of finite doubles may overflow, so only a finite sum counts."""
    total = sum(values)
    return total - total == 0.0


def _array_of(values: Any) -> Any:
    """The numpy array behind an array-like, or ``None`` for everything that is not one."""
    if isinstance(values, (list, tuple, range, int, float)):
        return None
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if not hasattr(values, "__array__") or str(getattr(values, "dtype", "")) == "torch.bfloat16":
            values = values.float()
    if hasattr(values, "filled"):  # what a masked array hides is no number
        values = values.astype(float).filled(float("nan"))
    numpy = sys.modules.get("numpy")  # whoever holds an array has imported it
    if numpy is None or not hasattr(values, "__array__"):
        return None
    return numpy.asarray(values)


def flatten_params(params: Any, name: str = "params") -> tuple[dict[str, Any], dict[str, ParamType]]:
    """Nested params as flat JSON values and their types.

    Args:
        params: A mapping, a dataclass, an ``argparse.Namespace``, or a pydantic, attrs or msgspec object.
        name: What to call it in a message.

    Returns:
        Two mappings by flat key: the values as JSON holds them, and their Python types.

    Raises:
        TypeError: A key is no string, or a value has no plain form.
        ValueError: Two keys flatten to one, or a key is empty.
    """
    values: dict[str, Any] = {}
    types: dict[str, ParamType] = {}
    _flatten(_mapping_of(params, name), "", values, types)
    return values, types


def _flatten(tree: Mapping[Any, Any], prefix: str, values: dict[str, Any], types: dict[str, ParamType]) -> None:
    for key, value in tree.items():
        if not isinstance(key, (str, int, float, bool)):
            raise TypeError(f"param names must be strings, got {shown(key)} under {prefix or 'the top'!r}")
        path = f"{prefix}{key}"
        check_name(path, "param")
        inner = _mapping_or_none(value)
        if inner:
            _flatten(inner, path + "/", values, types)
            continue
        if path in values:
            raise ValueError(f"two params flatten to the same name {path!r}")
        values[path], types[path] = ({}, "list") if inner is not None else to_param(value, path)


def to_param(value: Any, name: str) -> tuple[Any, ParamType]:
    """One param as JSON holds it, and its type.

    Raises:
        TypeError: The value has no plain form.
    """
    if value is None:
        return None, "none"
    if isinstance(value, enum.Enum):
        return to_param(value.value, name)
    if isinstance(value, bool):
        return value, "bool"
    if isinstance(value, str):
        return clean_text(value), "str"
    if isinstance(value, int):
        return number_to_json(int(value)), "int"
    if isinstance(value, float):
        return number_to_json(float(value)), "float"
    if isinstance(value, os.PathLike):
        return clean_text(os.fsdecode(value)), "str"
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat(), "str"
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace"), "str"
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"{value.__module__}.{value.__qualname__}", "str"
    if isinstance(value, (list, tuple, set, frozenset, range)):
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        return [_list_item(item, f"{name}[{i}]") for i, item in enumerate(items)], "list"
    array = _array_of(value)
    if array is not None and array.ndim >= 1:
        return to_param(array.tolist(), name)
    try:
        number = to_number(value, name)
    except TypeError:
        text = _item_text(value)
        if text is not None:
            return text, "str"
        raise TypeError(f"param {name!r} has no plain form: {shown(value, name)}; pass str() of it") from None
    is_bool = str(getattr(value, "dtype", "")) in {"bool", "torch.bool", "<dtype: 'bool'>"}
    if is_bool:
        return bool(number), "bool"
    return number_to_json(number), "int" if isinstance(number, int) else "float"


def _list_item(item: Any, name: str) -> Any:
    """An item of a list param: plain, or a mapping of plain ones."""
    inner = _mapping_or_none(item)
    if inner is None:
        return to_param(item, name)[0]
    return {str(key): _list_item(value, f"{name}.{key}") for key, value in inner.items()}


def _item_text(value: Any) -> str | None:
    """The text in a numpy string scalar, or ``None``."""
    item = value.item() if hasattr(value, "item") and getattr(value, "size", 0) == 1 else None
    return clean_text(item) if isinstance(item, str) else None


def _mapping_of(params: Any, name: str) -> Mapping[Any, Any]:
    found = _mapping_or_none(params)
    if found is None:
        raise TypeError(
            f"{name} must be a mapping, a dataclass, an argparse.Namespace, a pydantic, attrs or msgspec object, "
            f"or the path of a YAML, TOML or JSON file, got {shown(params)}"
        )
    return found


def _mapping_or_none(value: Any) -> Mapping[Any, Any] | None:
    """The mapping that a structured object stands for, or ``None`` if it is none."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if type(value).__name__ == "Namespace" and hasattr(value, "__dict__"):
        return dict(vars(value))
    for fields in ("model_fields", "__attrs_attrs__", "__struct_fields__"):  # pydantic, attrs, msgspec
        names = getattr(type(value), fields, None)
        if names is not None:
            return {field: getattr(value, field) for field in (getattr(n, "name", n) for n in names)}
    return None


def check_name(name: Any, what: str) -> str:
    """A name that every journal and listing can hold.

    Any Unicode will do, ``/``, ``..`` and emoji included: names never become paths.

    Raises:
        TypeError: It is not a string.
        ValueError: It is empty, too long, or holds a NUL or a lone surrogate.
    """
    if not isinstance(name, str):
        raise TypeError(f"a {what} name must be a string, got {shown(name)}")
    if not name or name.isspace():
        raise ValueError(f"a {what} name must not be empty")
    if "\0" in name:
        raise ValueError(f"a {what} name must not hold a NUL character: {name!r}")
    if len(name) > MAX_NAME:
        raise ValueError(f"a {what} name must have at most {MAX_NAME} characters, got {len(name)}: {name[:40]!r}…")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"a {what} name must be valid Unicode: {name!r}") from None
    return name


MAX_NAME: Final = 2000
"""Longest name of a run, project, param or metric, in characters."""


def clean_text(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates (undecodable file names) become visible escapes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def shown(value: Any, name: str = "") -> str:
    """A wrong value in a message: its type and what it looks like, unless its name says that it is a secret."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if is_secret_name(name):
        return kind
    text = repr(value)
    return f"{kind} {text if len(text) <= 60 else text[:57] + '...'}"
