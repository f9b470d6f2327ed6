"""The arguments that a recorded command was given, beside the params that were recorded.

This is no parser: only ``--name value`` and ``--name=value`` are read, where the name is a param's, as argparse would
have it. What was a short option, stood in a position or was a default cannot be told from a command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final, NamedTuple

from multitrack.journal.manifest import Context

_FALSE: Final = frozenset({"false", "no", "off", "0", "f", "n"})


class Own(NamedTuple):
    """A command's own arguments.

    Attributes:
        words: As they were given.
        named: What they say of each param that they name.
        changed: Params that were recorded with another value than they say: a script that changes its ``Namespace``.
        told: Whether any of them is one of the params; a launcher's have nothing to do with these.
    """

    words: list[str]
    named: dict[str, list[str]]
    changed: list[str]
    told: bool


def own_arguments(context: Context, params: Mapping[str, Any], parsed: Mapping[str, Any]) -> Own | None:
    """What the command itself was given; ``None`` where that cannot be told from it.

    Args:
        context: The command.
        params: What was recorded.
        parsed: Those of them that were in a ``Namespace``. Of these a value will do where no option has the name, which
            may differ from the attribute's (``dest``); a number of a script's own may equal any other one.
    """
    words = _after_program(context)
    if words is None:
        return None
    named: dict[str, list[str]] = {}
    values = []
    name = None
    for i, word in enumerate(words):
        if word == "--":
            values += words[i + 1 :]
            break
        if not word.startswith("-") or _is_number(word):
            values.append(word)
            if name is not None:
                named[name].append(word)
            continue
        option, equals, value = word.partition("=")
        name = _param_of(option, params)
        if name is not None:
            negated = _letters(option) == f"no_{_letters(name)}"
            named.setdefault(name, []).extend([value] if equals else ["false"] if negated else [])
        if equals:
            values.append(value)
            name = None  # what follows is not its value
    told = bool(named) or any(
        _reads(word, value) for word in values for value in parsed.values() if type(value) in (str, float)
    )
    changed = [name for name, said in named.items() if not _says(said, params[name])]
    return Own(words, named, changed, told)


def _after_program(context: Context) -> list[str] | None:
    """What followed the script's or module's name on the command line."""
    for i, word in enumerate(context.command):
        if word == "-m":
            return context.command[i + 2 :]
        if context.program is not None and PurePath(word).name == PurePath(context.program).name:
            return context.command[i + 1 :]
    return None


def _param_of(option: str, params: Mapping[str, Any]) -> str | None:
    """The param that an option names: by all of its letters, without a ``no-``, or by the first ones of no other."""
    if not option.startswith("--"):
        return None
    letters = _letters(option)
    for wanted in (letters, letters.removeprefix("no_")):
        for name in params:
            if _letters(name) == wanted and (wanted == letters or isinstance(params[name], bool)):
                return name
    begun = [name for name in params if letters and _letters(name).startswith(letters)]
    return begun[0] if len(begun) == 1 else None


def _letters(name: str) -> str:
    return re.sub(r"\W+", "_", name.removeprefix("--"))


def _says(words: list[str], value: Any) -> bool:
    """Whether what was given reads as what was recorded; an option alone may stand for any constant."""
    if isinstance(value, bool):
        return value != (bool(words) and words[0].lower() in _FALSE)
    if isinstance(value, list):
        for given in (words, words[-1].split(",") if words else []):
            for items in (given, given[-len(value) :] if value else []):  # of an option that came twice, the last
                if len(items) == len(value) and all(map(_reads, items, value)):
                    return True
        return not words
    return not words or any(_reads(word, value) for word in words)


def _reads(word: str, value: Any) -> bool:
    """Whether a word of a command is a value, as ``int``, ``float``, ``str`` and ``Path`` read it."""
    if isinstance(value, str):
        return value in (word, str(PurePath(word)))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return word == str(value)
    try:
        return int(word) == value
    except ValueError:
        return _is_number(word) and (float(word) == value or (word.lower() == "nan" and value != value))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
