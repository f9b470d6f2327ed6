"""Names and texts as every journal and tracker can hold them."""

from __future__ import annotations

import re
from typing import Any, Final

from multitrack.security.secrets import is_secret_name

_UNDECODED: Final = re.compile("[\ud800-\udfff]")

MAX_NAME: Final = 2000
"""Longest name of a run, project, param or metric, in characters."""


def check_name(name: object, what: str) -> str:
    """A name that every journal and listing can hold, as a plain ``str``.

    Any Unicode will do, ``/``, ``..`` and emoji included: names never become paths.

    Raises:
        TypeError: It is not a string.
        ValueError: It is empty, too long, or holds a NUL or a lone surrogate.
    """
    if not isinstance(name, str):
        raise TypeError(f"a {what} name must be a string, got {shown(name)}")
    name = plain_text(name)
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


def plain_text(text: str) -> str:
    """The characters of a ``str`` or of a subclass, such as numpy's, whatever its ``__str__`` gives."""
    return text if type(text) is str else str.__str__(text)


def clean_text(text: str) -> str:
    """Text that UTF-8 can hold: bytes of names that are none (PEP 383), and lone surrogates, become visible escapes."""
    text = plain_text(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return _UNDECODED.sub(_escaped, text)
    return text


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def shown(value: Any, name: str = "") -> str:
    """A wrong value in a message: its type and what it looks like, unless its name says that it is a secret."""
    kind = type_name(value)
    return kind if is_secret_name(name) else f"{kind} {short_repr(value)}"


def short_repr(value: Any) -> str:
    """A value as Python shows it, or its beginning; never raises."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - an object of the user's may raise anything
        return f"(its repr raises {type(error).__name__})"
    return text if len(text) <= 60 else text[:57] + "..."


def error_text(error: BaseException) -> str:
    """An error's type and message, on which its class may have code of its own."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - as shown()
        text = "its message cannot be shown"
    return clean_text(f"{type(error).__name__}: {text}".rstrip(": "))


def type_name(value: object) -> str:
    """The type of a value, with its module."""
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
