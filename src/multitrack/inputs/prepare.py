"""Prepare a caller's arguments for the journal: read, flatten, check and redact them."""

from __future__ import annotations

import enum
import os
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from multitrack._text import check_name, clean_text, short_repr, shown
from multitrack.inputs.param_files import read_params
from multitrack.inputs.params import flatten_params, plain_param
from multitrack.inputs.structures import is_namespace
from multitrack.inputs.values import to_number
from multitrack.records import COMMAND_LINE, ObjectText, ParamType
from multitrack.security.redaction import Redaction

#: Maximum number of params listed in a message.
_NAMED: Final = 5
LARGEST_STEP: Final = 2**63 - 1
"""The largest step, and minus the smallest, that the 64-bit steps of every tracker can hold."""


class PreparedParams(NamedTuple):
    """Params in their journal form, and the number of redacted values of each."""

    values: dict[str, Any]
    types: dict[str, ParamType]
    source: str
    redacted: dict[str, int]
    objects: dict[str, ObjectText]

    def only(self, names: Collection[str]) -> PreparedParams:
        """Select some of the params."""
        return PreparedParams(
            {name: self.values[name] for name in names},
            {name: self.types[name] for name in names},
            self.source,
            {name: self.redacted[name] for name in names if name in self.redacted},
            {name: kept for name, kept in self.objects.items() if name in names},
        )

    def described(self, names: Collection[str]) -> str:
        """Describe object params for a message: the first few names with their types."""
        shown = ", ".join(f"{name} ({self.objects[name].type})" for name in islice(names, _NAMED))
        return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


def prepare_params(params: Any, source: str | None, redaction: Redaction) -> PreparedParams:
    """Read, flatten, check and redact params; records nothing.

    Args:
        params: As for :meth:`Recorder.log_params`.
        source: The origin of the params, if given by the caller.
        redaction: Redacts secrets.

    Raises:
        TypeError, ValueError, OSError, ImportError: As :func:`flatten_params` and :func:`read_params`.
    """
    if isinstance(params, (str, os.PathLike)):
        path = Path(params)
        params, source = read_params(path), source or str(path.absolute())
    elif source is None:
        source = COMMAND_LINE if is_namespace(params) else "code"
    flat = flatten_params(params)
    redacted = flat.redacted
    for key, value in flat.values.items():
        if flat.types[key] in ("str", "list"):  # not the strings of numbers beyond JSON's range
            before = redaction.count
            flat.values[key] = redaction.value(value, key)
            redacted[key] = redacted.get(key, 0) + redaction.count - before
    objects = {}
    for key, kept in flat.objects.items():
        objects[key] = msgspec.structs.replace(kept, whole=kept.whole and redaction.text(kept.whole, key))
    return PreparedParams(flat.values, flat.types, redaction.text(clean_text(source)), redacted, objects)


def prepare_tags(tags: Mapping[str, Any], redaction: Redaction) -> dict[str, str]:
    """Check tags, and convert them to redacted text; records nothing.

    Raises:
        TypeError: If ``tags`` is not a mapping, or a value is not a string, number or bool.
        ValueError: If a name is invalid.
    """
    if not isinstance(tags, Mapping):
        raise TypeError(f"tags must be a mapping, got {type(tags).__qualname__}")
    plain = {}
    for key, value in tags.items():
        key = check_name(key, "tag")
        if issubclass(type(value), enum.Enum):
            value = value.value
        found = plain_param(value, key)
        if found is None or found[1] in ("none", "list"):
            raise TypeError(f"tag {key!r} must be a string, number or truth value, got {shown(value, key)}")
        if found[1] == "str":
            plain[key] = redaction.text(found[0], key)
        else:  # a number in Python's form, not in JSON's
            plain[key] = str(found[0] if found[1] == "bool" else to_number(value, key))
    return plain


def to_step(step: Any, what: str = "step") -> int:
    """Convert a step, or another whole number, to ``int``; accepts any integer type and whole floats.

    Raises:
        TypeError: If it is not a whole number.
        ValueError: If it does not fit into 64 bits.
    """
    if isinstance(step, bool):
        raise TypeError(f"{what} must be a whole number, got a bool")
    try:
        number = to_number(step, what)
    except TypeError:
        raise TypeError(f"{what} must be a whole number, got {short_repr(step)}") from None
    if isinstance(number, float) and not number.is_integer():  # also refuses NaN and infinity
        raise TypeError(f"{what} must be a whole number, got {short_repr(step)}")
    if not -LARGEST_STEP <= number <= LARGEST_STEP:
        raise ValueError(f"{what} must be from -(2**63 - 1) to 2**63 - 1, got {short_repr(step)}")
    return int(number)


def split_lines(lines: str | Iterable[str]) -> list[str]:
    """Split strings into lines without line ends.

    Raises:
        TypeError: If ``lines`` is not a string or an iterable of strings.
    """
    if isinstance(lines, str):
        texts = [lines]
    elif isinstance(lines, (bytes, Mapping)) or not isinstance(lines, Iterable):
        raise TypeError(f"lines must be a string or strings, got {type(lines).__qualname__}")
    else:
        texts = list(lines)
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(f"lines must be strings, got {type(text).__qualname__}")
        if not texts:
            return []
    # Joined, so that one check and one split handle all of them.
    whole = clean_text("\n".join([text.removesuffix("\n") for text in texts]))
    split = whole.split("\n")
    return [line.removesuffix("\r") for line in split] if "\r" in whole else split
