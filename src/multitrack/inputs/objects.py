"""Convert params without a plain form to text: functions, estimators, dtypes, durations.

MLflow and W&B accept any object as a param, and scripts rely on it. The text has a maximum length and no memory
addresses, so it is the same in each process. The object's type is kept beside it, and the whole of a long text.
"""

from __future__ import annotations

import datetime
import functools
import re
import types
from collections.abc import Callable
from typing import Any, Final

from multitrack._text import clean_text, type_name
from multitrack.inputs.large import is_one_of, large_text
from multitrack.records import ObjectText
from multitrack.security.secrets import REDACTED, is_secret_name

#: Maximum characters of a param's text, and of the whole text kept beside it.
SHORT: Final = 500
WHOLE: Final = 100_000

# Patterns are compiled on first use, which most runs have none of; `re` keeps them.
_ADDRESS: Final = r" (?:object )?at 0x[0-9a-fA-F]+"
#: ``name=``, ``name:`` and ``'name':``, also within a quoted string, where the quotes are escaped.
_NAME: Final = r"(\\{0,9}['\"]?)(?<![\w./-])([\w./-]+)\1[ \t]*[:=][ \t]*"
#: The value after a name: a string; brackets or a call, nested once; a word.
_VALUE: Final = (
    r"(?s)[bBuUrRfF]{0,2}(\\{0,9}['\"])(?:(?!\1)(?:\\.|.))*\1"
    r"|[^\s,()\[\]{}'\"]*[(\[{](?:[^()\[\]{}]|[(\[{][^()\[\]{}]*[)\]}])*[)\]}]"
    r"|[^\s,()\[\]{}'\"]+"
)

#: Types with a complete ``str``.
_TOLD_BY_STR: Final = (("uuid", "UUID"), ("numpy", "dtype"), ("torch", "dtype"))
_FUNCTIONS: Final = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodDescriptorType,
    types.WrapperDescriptorType, types.MethodWrapperType,
)  # fmt: skip


def object_text(value: Any) -> tuple[str, ObjectText, int]:
    """Convert an object without a plain form to text.

    Returns:
        The text, the details kept beside it, and the number of secrets redacted in it.

    Raises:
        Exception: If the object's ``repr`` raises.
    """
    whole, redacted = _without_secrets(_text_of(value))
    whole = clean_text(whole)
    if len(whole) <= SHORT:
        return whole, ObjectText(type_name(value)), redacted
    short = f"{whole[:SHORT]}… ({len(whole)} characters)"
    if len(whole) > WHOLE:
        whole = f"{whole[:WHOLE]}… ({len(whole)} characters)"
    return short, ObjectText(type_name(value), whole), redacted


def _text_of(value: Any) -> str:
    kind = type(value)
    if kind in (set, frozenset) and value:  # sorted: the order of sets differs between processes
        items = f"{{{', '.join(sorted(map(_text_of, value)))}}}"
        return items if kind is set else f"frozenset({items})"
    if kind is dict:
        return f"{{{', '.join(f'{_text_of(key)}: {_text_of(item)}' for key, item in value.items())}}}"
    if kind is list:
        return f"[{', '.join(map(_text_of, value))}]"
    if kind is tuple:
        return f"({', '.join(map(_text_of, value))}{',' if len(value) == 1 else ''})"
    if issubclass(kind, type) or issubclass(kind, _FUNCTIONS):
        return _qualified(value)
    if issubclass(kind, functools.partial):
        named = (f"{key}={_text_of(item)}" for key, item in value.keywords.items())
        arguments = [*map(_text_of, (value.func, *value.args)), *named]
        return f"{kind.__module__}.{kind.__qualname__}({', '.join(arguments)})"
    if issubclass(kind, datetime.timedelta) or is_one_of(kind, _TOLD_BY_STR):
        return str(value)
    return large_text(value) or re.sub(_ADDRESS, "", repr(value))


def _qualified(value: type | Callable[..., Any]) -> str:
    """The qualified name ``module.name`` of a class or function."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(name, str):
        return re.sub(_ADDRESS, "", repr(value))
    return f"{module}.{name}" if isinstance(module, str) else name


def _without_secrets(text: str) -> tuple[str, int]:
    """Redact the values of ``password='…'``, ``'api_key': '…'`` and the like; return the text and their number."""
    kept, done = [], 0
    for name in re.finditer(_NAME, text):
        value = re.compile(_VALUE).match(text, name.end()) if is_secret_name(name[2]) and name.start() >= done else None
        if value is not None and value[0] != REDACTED:
            kept += [text[done : name.end()], REDACTED]
            done = value.end()
    return "".join([*kept, text[done:]]), len(kept) // 2
