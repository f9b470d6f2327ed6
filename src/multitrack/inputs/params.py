"""Flatten nested params of any shape to JSON values with their types."""

from __future__ import annotations

import datetime
import enum
import os
from collections import UserString
from collections.abc import Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from pathlib import PurePath
from typing import Any

from multitrack._text import check_name, clean_text, plain_text, shown
from multitrack.inputs.large import LONGEST, column_items, small_array
from multitrack.inputs.objects import object_text
from multitrack.inputs.structures import mapping_of
from multitrack.inputs.values import plain_number, to_number
from multitrack.records import ObjectText, ParamType, number_to_json


class Flattened:
    """Flattened params.

    Attributes:
        values: JSON values by ``/``-separated key.
        types: Their Python types, by key.
        objects: Details of objects without a plain form, by the key of the param that is such an object or a list with
            some.
        redacted: Number of secrets redacted in the texts of such objects, by key.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.types: dict[str, ParamType] = {}
        self.objects: dict[str, ObjectText] = {}
        self.redacted: dict[str, int] = {}

    def add(self, tree: Mapping[Any, Any], prefix: str = "") -> None:
        """Add nested params, with the key prefix ``prefix``.

        Raises:
            ValueError: If two keys flatten to one, or a key is invalid.
        """
        for key, value in tree.items():
            path = f"{prefix}{_key(key)}"
            check_name(path, "param")
            inner = mapping_of(value)
            if inner:
                self.add(inner, path + "/")
                continue
            if path in self.values:
                raise ValueError(f"two params flatten to the same name {path!r}")
            self.values[path], self.types[path] = ({}, "list") if inner is not None else self._param(value, path)

    def _param(self, value: Any, name: str) -> tuple[Any, ParamType]:
        found = plain_param(value, name)
        if found is not None:
            return found
        items = _items(value)
        if items is not None:
            return [self._item(item, name) for item in items], "list"
        text, kept, redacted = object_text(value)
        self.redacted[name] = self.redacted.get(name, 0) + redacted
        before = self.objects.get(name, kept)
        if before is not kept:  # another item of a list
            wholes = [whole for whole in (before.whole, kept.whole) if whole is not None]
            kept = ObjectText(before.type, "\n".join(wholes) or None)
        self.objects[name] = kept
        return text, "str"

    def _item(self, item: Any, name: str) -> Any:
        """Convert an item of a list param; a mapping stays a nested mapping."""
        inner = mapping_of(item)
        if inner is None:
            return self._param(item, name)[0]
        found = {}
        for key, value in inner.items():
            text = _key(key)
            if text in found:
                raise ValueError(f"two keys in param {name!r} become the same name {text!r}")
            found[text] = self._item(value, name)
        return found


def flatten_params(params: Any, name: str = "params") -> Flattened:
    """Flatten nested params to JSON values and their types.

    Args:
        params: A mapping, a dataclass, an ``argparse.Namespace``, or a pydantic, attrs or msgspec object.
        name: Name of the argument in messages.

    Raises:
        TypeError: If ``params`` is none of these.
        ValueError: If two keys flatten to one, a key is invalid, or a value contains itself.
    """
    tree = mapping_of(params)
    if tree is None:
        raise TypeError(
            f"{name} must be a mapping, a dataclass, an argparse.Namespace, a pydantic, attrs or msgspec object, "
            f"or the path of a YAML, TOML or JSON file, got {shown(params)}"
        )
    flat = Flattened()
    try:
        flat.add(tree)
    except RecursionError:
        raise ValueError(f"{name} are nested too deeply, or contain themselves") from None
    return flat


def plain_tree(value: Any) -> Any:
    """Convert settings given as a mapping to the plain types of a parsed file: dicts, lists, strings and numbers.

    Values without such a form are returned unchanged.
    """
    kind = type(value)
    if issubclass(kind, str):
        return plain_text(value)
    if issubclass(kind, Mapping):
        return {plain_tree(key): plain_tree(item) for key, item in value.items()}
    items = _items(value)
    if items is not None:
        return [plain_tree(item) for item in items]
    if issubclass(kind, os.PathLike):
        return os.fspath(value)
    if kind in (bool, int, float):
        return value
    found = plain_param(value, "a setting")
    return value if found is None else found[0]


def plain_param(value: Any, name: str) -> tuple[Any, ParamType] | None:
    """Convert a scalar or array to its JSON form, and return it with its type; None for any other value."""
    kind = type(value)
    if value is None:
        return None, "none"
    if issubclass(kind, bool):
        return value, "bool"
    if issubclass(kind, str):
        return clean_text(value), "str"
    if issubclass(kind, enum.Enum) and type(value.value) is not kind:
        return plain_param(value.value, name)
    if issubclass(kind, int):
        return number_to_json(int.__index__(value)), "int"
    if issubclass(kind, float):
        return number_to_json(float.__float__(value)), "float"
    if issubclass(kind, PurePath):  # other path-like objects may run any code
        return clean_text(PurePath.__str__(value)), "str"
    if issubclass(kind, (datetime.date, datetime.time)):
        return value.isoformat(), "str"
    if issubclass(kind, UserString):
        return plain_param(value.data, name)
    if issubclass(kind, (bytes, bytearray, memoryview)):
        return bytes(value).decode("utf-8", "backslashreplace"), "str"
    try:
        array = small_array(value)
    except Exception:  # noqa: BLE001 - libraries raise anything for a tensor without values, or a closed file
        return None
    if array is not None and array.dtype.kind in "OMmVc" and not _is_extension_number(array):
        return None
    if array is not None and array.ndim:
        return _nested(array.tolist(), name), "list"
    if array is not None and array.dtype.kind in "US":
        return plain_param(array.item(), name)
    if array is None:
        number = plain_number(value)
        return None if number is None else (number_to_json(number), "int" if isinstance(number, int) else "float")
    try:
        number = to_number(value, name)
    except TypeError:
        return None
    if array.dtype.kind == "b":
        return bool(number), "bool"
    return number_to_json(number), "int" if isinstance(number, int) else "float"


def _nested(values: Any, name: str) -> Any:
    """Convert the scalars in an array's nested lists to their JSON form."""
    if isinstance(values, list):
        return [_nested(value, name) for value in values]
    found = plain_param(values, name)
    return str(values) if found is None else found[0]


def _is_extension_number(array: Any) -> bool:
    """Return True if an array has a numeric dtype that is not numpy's own, such as bfloat16."""
    return bool(array.dtype.kind == "V" and array.dtype.type.__name__ != "void")


def _items(value: Any) -> list[Any] | None:
    """The items of a list, tuple, set, deque, dict view or the like; None for any other object, even if iterable."""
    kind = type(value)
    if issubclass(kind, (str, bytes, bytearray, memoryview, UserString)):
        return None
    column = column_items(value)
    if column is not None:
        return column
    if not issubclass(kind, (AbstractSet, Sequence, ValuesView)):
        return None
    if len(value) > LONGEST and not issubclass(kind, (list, tuple, set, frozenset)):
        return None  # a range, or a data set on disk
    return sorted(value, key=repr) if issubclass(kind, AbstractSet) else list(value)


def _key(key: Any) -> str:
    """Convert a key to a name: strings unchanged, numbers of any library and other objects as text."""
    if isinstance(key, str):
        return plain_text(key)
    kind = type(key)
    found = plain_param(key, "a key")
    if found is not None and found[1] not in ("none", "list"):
        return str(found[0])
    return f"{kind.__qualname__}.{key.name}" if issubclass(kind, enum.Enum) else object_text(key)[0]
