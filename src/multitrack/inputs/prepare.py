"""From a caller's arguments to what the journal will hold: read, flattened, checked and redacted."""

from __future__ import annotations

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

#: Params that a message names.
_NAMED: Final = 5
LARGEST_STEP: Final = 2**63 - 1
"""What every tracker's 64-bit steps hold."""


class PreparedParams(NamedTuple):
    """Params as the journal will hold them, and how many values of each were redacted."""

    values: dict[str, Any]
    types: dict[str, ParamType]
    source: str
    redacted: dict[str, int]
    objects: dict[str, ObjectText]

    def only(self, names: Collection[str]) -> PreparedParams:
        """The same of some of the params."""
        return PreparedParams(
            {name: self.values[name] for name in names},
            {name: self.types[name] for name in names},
            self.source,
            {name: self.redacted[name] for name in names if name in self.redacted},
            {name: kept for name, kept in self.objects.items() if name in names},
        )

    def described(self, names: Collection[str]) -> str:
        """The first of the named params, which are objects, with their types."""
        shown = ", ".join(f"{name} ({self.objects[name].type})" for name in islice(names, _NAMED))
        return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


def prepare_params(params: Any, source: str | None, redaction: Redaction) -> PreparedParams:
    """Read, flatten, check and redact params; records nothing.

    Args:
        params: As for :meth:`Recorder.log_params`.
        source: Where they came from, if the caller says.
        redaction: What keeps secrets out.
    """
    if isinstance(params, (str, os.PathLike)):
        path = Path(params)
        params, source = read_params(path), source or str(path.absolute())
    elif source is None:
        source = COMMAND_LINE if is_namespace(params) else "code"
    flat = flatten_params(params)
    redacted = flat.redacted
    for key, value in flat.values.items():
        if flat.types[key] in ("str", "list"):  # a number beyond JSON's is a string as well, and stays
            before = redaction.count
            flat.values[key] = redaction.value(value, key)
            redacted[key] = redacted.get(key, 0) + redaction.count - before
    objects = {}
    for key, kept in flat.objects.items():
        objects[key] = msgspec.structs.replace(kept, whole=kept.whole and redaction.text(kept.whole, key))
    return PreparedParams(flat.values, flat.types, redaction.text(clean_text(source)), redacted, objects)


def prepare_tags(tags: Mapping[str, Any], redaction: Redaction) -> dict[str, str]:
    """Check tags and make them text; records nothing."""
    if not isinstance(tags, Mapping):
        raise TypeError(f"tags must be a mapping, got {type(tags).__qualname__}")
    plain = {}
    for key, value in tags.items():
        key = check_name(key, "tag")
        found = plain_param(value, key)
        if found is None or found[1] in ("none", "list"):
            raise TypeError(f"tag {key!r} must be a string, number or truth value, got {shown(value, key)}")
        if found[1] == "str":
            plain[key] = redaction.text(found[0], key)
        else:  # a number as Python has it, not as JSON must
            plain[key] = str(found[0] if found[1] == "bool" else to_number(value, key))
    return plain


def to_step(step: Any, what: str = "step") -> int:
    """A step, or another whole number that fits 64 bits, of any integer type, or a whole float."""
    if isinstance(step, bool):
        raise TypeError(f"{what} must be a whole number, got a bool")
    try:
        number = to_number(step, what)
    except TypeError:
        raise TypeError(f"{what} must be a whole number, got {short_repr(step)}") from None
    if isinstance(number, float) and not number.is_integer():  # nor is NaN, nor infinity
        raise TypeError(f"{what} must be a whole number, got {short_repr(step)}")
    if not -LARGEST_STEP <= number <= LARGEST_STEP:
        raise ValueError(f"{what} must be from -(2**63 - 1) to 2**63 - 1, got {short_repr(step)}")
    return int(number)


def split_lines(lines: str | Iterable[str]) -> list[str]:
    """Texts as lines without their ends."""
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
    # Joined, one look and one split do for all of them.
    whole = clean_text("\n".join([text.removesuffix("\n") for text in texts]))
    split = whole.split("\n")
    return [line.removesuffix("\r") for line in split] if "\r" in whole else split
