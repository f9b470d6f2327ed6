"""From a caller's arguments to what the journal will hold: read, flattened, checked and redacted."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final, NamedTuple

from multitrack import values
from multitrack.paramfile import read_params
from multitrack.records import COMMAND_LINE, ParamType
from multitrack.redaction import Redaction

LARGEST_STEP: Final = 2**63 - 1
"""What every tracker's 64-bit steps hold."""


class PreparedParams(NamedTuple):
    """Params as the journal will hold them, and how many values of each were redacted."""

    values: dict[str, Any]
    types: dict[str, ParamType]
    source: str
    redacted: dict[str, int]


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
        source = COMMAND_LINE if type(params).__name__ == "Namespace" else "code"
    flat, types = values.flatten_params(params)
    redacted = {}
    for key, value in flat.items():
        if types[key] in ("str", "list"):  # a number beyond JSON's is a string as well, and stays
            before = redaction.count
            flat[key] = redaction.value(value, key)
            redacted[key] = redaction.count - before
    return PreparedParams(flat, types, redaction.text(source), redacted)


def prepare_tags(tags: Mapping[str, Any], redaction: Redaction) -> dict[str, str]:
    """Check tags and make them text; records nothing."""
    if not isinstance(tags, Mapping):
        raise TypeError(f"tags must be a mapping, got {type(tags).__qualname__}")
    plain = {}
    for key, value in tags.items():
        values.check_name(key, "tag")
        if not isinstance(value, (str, int, float)):
            raise TypeError(f"tag {key!r} must be a string, number or truth value, got {values.shown(value, key)}")
        plain[key] = redaction.text(values.clean_text(value), key) if isinstance(value, str) else str(value)
    return plain


def to_step(step: Any) -> int:
    """A step of any integer type, or a whole float."""
    if isinstance(step, bool):
        raise TypeError("step must be a whole number, got a bool")
    try:
        number = values.to_number(step, "step")
    except TypeError:
        raise TypeError(f"step must be a whole number, got {step!r}") from None
    if not isfinite(number) or int(number) != number:
        raise TypeError(f"step must be a whole number, got {step!r}")
    if abs(number) > LARGEST_STEP:
        raise ValueError(f"step must fit 64 bits, got {step!r}")
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
    whole = values.clean_text("\n".join([text.removesuffix("\n") for text in texts]))
    split = whole.split("\n")
    return [line.removesuffix("\r") for line in split] if "\r" in whole else split
