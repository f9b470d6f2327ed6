"""Convert structured objects to mappings: dataclasses, models, namespaces, small data frames."""

from __future__ import annotations

import dataclasses
import logging
import sys
import types as python_types
from collections.abc import Mapping
from typing import Any

import msgspec

from multitrack._text import error_text
from multitrack.inputs.large import frame_columns
from multitrack.inputs.values import defines

log = logging.getLogger("multitrack")


def mapping_of(value: Any) -> Mapping[Any, Any] | None:
    """Convert a structured object to a mapping; None for any other object.

    Raises:
        ValueError: If a field of the object was never set.
    """
    kind = type(value)
    if issubclass(kind, Mapping):
        return value  # type: ignore[no-any-return]
    if issubclass(kind, type):
        return None
    if is_namespace(value) or issubclass(kind, python_types.SimpleNamespace):
        return dict(vars(value))
    if issubclass(kind, msgspec.Struct):
        return _fields(value, kind.__struct_fields__)
    extra = _pydantic_extra(value)
    if extra is not None:
        return extra
    if defines(kind, "__dataclass_fields__"):
        return _fields(value, [field.name for field in dataclasses.fields(value)])
    if defines(kind, "__attrs_attrs__"):
        return _fields(value, [attribute.name for attribute in kind.__attrs_attrs__])
    return frame_columns(value)


def is_namespace(value: Any) -> bool:
    """Return True if the value is an ``argparse.Namespace``."""
    argparse: Any = sys.modules.get("argparse")  # imported if there is a Namespace
    return argparse is not None and issubclass(type(value), argparse.Namespace)


def _pydantic_extra(value: Any) -> dict[str, Any] | None:
    """The fields of a pydantic model or dataclass, including computed and extra fields; None for other objects."""
    kind: Any = type(value)
    pydantic: Any = sys.modules.get("pydantic")
    if pydantic is None:
        return None
    if issubclass(kind, getattr(pydantic, "BaseModel", ())):
        if not defines(kind, "__pydantic_fields__") and not hasattr(kind, "model_fields"):  # a model of pydantic 1
            return dict(vars(value))
        return _fields(value, kind.model_fields) | (value.__pydantic_extra__ or {}) | _computed(value)
    version_1: Any = sys.modules.get("pydantic.v1")
    if issubclass(kind, getattr(version_1, "BaseModel", ())):
        return dict(vars(value))
    if defines(kind, "__pydantic_fields__") and defines(kind, "__dataclass_fields__"):
        public = {name: item for name, item in vars(value).items() if not name.startswith("__pydantic")}
        return _fields(value, [field.name for field in dataclasses.fields(value)]) | public | _computed(value)
    return None


def _computed(value: Any) -> dict[str, Any]:
    """The computed fields of a pydantic object, as in ``model_dump``; those that raise are left out with a warning."""
    found = {}
    for name in value.__pydantic_decorators__.computed_fields:
        try:
            found[name] = getattr(value, name)
        except Exception as error:  # noqa: BLE001 - user code
            kind = type(value).__qualname__
            log.warning("multitrack: param left out: computed field %s.%s: %s", kind, name, error_text(error))
    return found


def _fields(value: Any, names: Any) -> dict[str, Any]:
    found = {}
    for name in names:
        try:
            found[name] = getattr(value, name)
        except AttributeError:
            raise ValueError(f"{type(value).__qualname__}.{name} was never set") from None
    return found
