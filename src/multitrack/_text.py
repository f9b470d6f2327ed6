"""Check and clean names and texts so that every journal and tracker can store them."""

from __future__ import annotations

import re
from typing import Any, Final

from multitrack.security.secrets import is_secret_name

_UNDECODED: Final = re.compile("[\ud800-\udfff]")

MAX_NAME: Final = 2000
"""Longest name of a run, project, param or metric, in characters."""


def check_name(name: object, what: str) -> str:
    """Check a name and return it as a plain ``str``.

    Any Unicode is allowed, including ``/``, ``..`` and emoji: names never become paths.

    Raises:
        TypeError: If the name is not a string.
        ValueError: If the name is empty, blank, too long, or contains a NUL or a lone surrogate.
    """
    named = f"{'an' if what[0] in 'aeiou' else 'a'} {what} name"
    if not isinstance(name, str):
        raise TypeError(f"{named} must be a string, got {shown(name)}")
    name = plain_text(name)
    if not name or name.isspace():
        raise ValueError(f"{named} must not be empty")
    if "\0" in name:
        raise ValueError(f"{named} must not hold a NUL character: {name!r}")
    if len(name) > MAX_NAME:
        raise ValueError(f"{named} must have at most {MAX_NAME} characters, got {len(name)}: {name[:40]!r}…")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{named} must be valid Unicode: {name!r}") from None
    return name


def plain_text(text: str) -> str:
    """Convert a ``str`` subclass, such as numpy's, to a plain ``str``, ignoring its ``__str__``."""
    return text if type(text) is str else str.__str__(text)


def clean_text(text: str) -> str:
    """Make text encodable as UTF-8: undecodable bytes (PEP 383) and lone surrogates become visible escapes."""
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
    """An invalid value for a message: its type and short repr, or only the type if the name is a secret's."""
    kind = type_name(value)
    return kind if is_secret_name(name) else f"{kind} {short_repr(value)}"


def short_repr(value: Any) -> str:
    """The repr of a value, cut to 60 characters; never raises."""
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - a user's object may raise anything
        return f"(its repr raises {type(error).__name__})"
    return text if len(text) <= 60 else text[:57] + "..."


def error_text(error: BaseException) -> str:
    """An error's type and message; never raises, although its class may define its own ``__str__``."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - as shown()
        text = "its message cannot be shown"
    return clean_text(f"{type(error).__name__}: {text}".rstrip(": "))


def type_name(value: object) -> str:
    """The qualified type name of a value, with its module."""
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
