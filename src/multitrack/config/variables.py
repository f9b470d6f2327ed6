"""The environment variables whose names begin as ours do: which of them say something, and which are mistyped."""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Iterable
from typing import Final

log = logging.getLogger("multitrack")

PREFIX: Final = "MULTITRACK_"
#: What is read beside the settings, each of which has a variable.
OTHERS: Final = ("MULTITRACK_CONFIG", "MULTITRACK_DISABLED", "MULTITRACK_STARTED_BY")
_warned: Final[set[str]] = set()


def variable_of(name: str) -> str:
    """The variable of a setting, or what the variables of a backend begin with."""
    return PREFIX + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def closest_to(variable: str, names: Iterable[str], cutoff: float = 0.85) -> str | None:
    """The name that a variable was probably meant to be, if there is one."""
    return next(iter(difflib.get_close_matches(variable, names, n=1, cutoff=cutoff)), None)


def unknown_variables(settings: Iterable[str]) -> list[str]:
    """Variables with our prefix that are neither a setting's nor another one that is read."""
    known = {*map(variable_of, settings), *OTHERS}
    return sorted(variable for variable in os.environ if variable.startswith(PREFIX) and variable not in known)


def warn_of(variables: Iterable[str], settings: Iterable[str]) -> None:
    """Name those that say nothing, once a process; other programs may use the prefix, so that it is no error."""
    said_nothing = [variable for variable in variables if variable not in _warned]
    if not said_nothing:
        return
    _warned.update(said_nothing)
    known = sorted([*map(variable_of, settings), "MULTITRACK_CONFIG", "MULTITRACK_DISABLED"])
    log.warning(
        "multitrack: unknown environment variable%s %s; known: %s and MULTITRACK_<BACKEND>_<OPTION>",
        "s" if len(said_nothing) > 1 else "", ", ".join(said_nothing), ", ".join(known),
    )  # fmt: skip
