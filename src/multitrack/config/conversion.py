"""Convert config values to the types of their fields, with absolute paths."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec

from multitrack._hints import close_to
from multitrack._text import short_repr, type_name
from multitrack.config.settings import role_of
from multitrack.errors import ConfigError
from multitrack.journal.prepared import prepared
from multitrack.security.secrets import is_secret_name


class Origin(msgspec.Struct, frozen=True):
    """The origin of a config value.

    Attributes:
        place: Description for messages: a file's path, ``environment variable …``, ``argument`` or the like.
        base: The base directory of its relative paths; ``None`` for the current directory if that was deleted.
    """

    place: str
    base: Path | None


def current_directory() -> Path:
    """The current directory, for default paths of options.

    Raises:
        ConfigError: If the current directory was deleted.
    """
    here = working_directory()
    if here is None:
        raise ConfigError("the current directory was deleted; start from one that exists, or give absolute paths")
    return here


def working_directory() -> Path | None:
    """The current directory; None if it was deleted."""
    try:
        return Path.cwd()
    except OSError:
        return None


def converted(value: Any, kind: Any, origin: Origin, key: str) -> Any:
    """Convert a value to its field's type, and make its paths absolute.

    Raises:
        ConfigError: If the value is invalid, or a relative path cannot be resolved.
    """
    if isinstance(value, str) and origin.place.startswith("environment"):
        if msgspec.json.schema(kind).get("type") == "array":
            value = [item.strip() for item in value.split(",") if item.strip()]
        converted = _convert(value, kind, origin, key, strict=False)
    else:
        converted = _convert(value, kind, origin, key, strict=True)
    role = role_of(kind)
    if converted is None or role not in ("path", "uri"):
        return converted
    try:
        return (absolute_path if role == "path" else absolute_uri)(converted, origin.base)
    except ConfigError as error:
        message = f"{origin.place}: {key} = {short_repr(value)}: {error}"
        raise ConfigError(message, key=_dotted(key), source=origin.place) from None


def _convert(value: Any, kind: Any, origin: Origin, key: str, *, strict: bool) -> Any:
    try:
        return msgspec.convert(value, prepared(kind), strict=strict)
    except msgspec.ValidationError as error:
        text = type_name(value) if is_secret_name(key.rpartition(" ")[2]) else short_repr(value)
        choices, told = _choices(kind), str(error)
        expected = choices if choices and told.startswith("Invalid enum value") else told.removeprefix("Expected ")
        if choices and expected is not choices:
            expected = f"{expected}; {choices}"
        message = f"{origin.place}: invalid value for {key}: {text} (expected {expected})"
        raise ConfigError(message, key=_dotted(key), source=origin.place) from error


def _dotted(key: str) -> str:
    """Convert ``[mlflow] tracking_uri`` to ``mlflow.tracking_uri``."""
    return key.removeprefix("[").replace("] ", ".")


def _choices(kind: Any) -> str:
    schema = msgspec.json.schema(kind)
    options = schema.get("enum") or schema.get("items", {}).get("enum")
    return f"one of {', '.join(map(repr, options))}" if options else ""


def absolute_path(path: str, base: Path | None) -> str:
    """Make a path absolute, relative to ``base`` or else the current directory; ``~`` is expanded."""
    expanded = Path(path).expanduser()
    if not expanded.is_absolute():
        expanded = (base or current_directory()) / expanded
    return str(Path(os.path.normpath(expanded)))


def absolute_uri(uri: str, base: Path | None = None) -> str:
    """Make the path in a URI absolute: of ``sqlite:///x.db``, ``file:x`` and bare paths.

    In the path of a SQLite URI, ``%``, ``?``, ``#`` and bytes that are not valid UTF-8 are percent-encoded, so that a
    directory called ``q?m=1`` is not read as a query.

    Args:
        uri: A URI or path; absolute ones and those of other schemes are returned unchanged.
        base: The base directory of relative paths; default: the current directory.

    Raises:
        ConfigError: If the path is relative, and the current directory was deleted.
    """
    sqlite = re.fullmatch(r"(sqlite(?:\+\w+)?:///)([^/?:][^?]*)(\?.*)?", uri)
    if sqlite:
        path = absolute_path(unquote(sqlite[2], errors="surrogateescape"), base)
        return f"{sqlite[1]}{_escaped(path)}{sqlite[3] or ''}"
    if re.match(r"file:(?!/)", uri):
        return f"file://{absolute_path(uri[5:], base)}"
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", uri) or uri in {"", "databricks"}:
        return uri
    return absolute_path(uri, base)


def _escaped(path: str) -> str:
    return re.sub(r"[%?#\udc80-\udcff]", lambda match: quote(os.fsencode(match[0]), safe=""), path)


def closest_of(name: str, choices: Iterable[str]) -> str:
    """A message suffix for an unknown key: the closest known key, or all of them."""
    known = sorted(set(choices))
    close = close_to(name, known, 0.5)
    return f"did you mean {close!r}?" if close is not None else f"known: {', '.join(known) or 'none'}."
