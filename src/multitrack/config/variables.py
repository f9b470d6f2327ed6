"""Find unknown and mistyped environment variables with the prefix ``MULTITRACK_``."""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Iterable
from typing import Final

log = logging.getLogger("multitrack")

PREFIX: Final = "MULTITRACK_"
#: Variables that are read besides those of the settings.
OTHERS: Final = ("MULTITRACK_CONFIG", "MULTITRACK_DISABLED", "MULTITRACK_STARTED_BY")
_warned: Final[set[str]] = set()


def variable_of(name: str) -> str:
    """The variable of a setting, or the prefix of a backend's variables without the last ``_``."""
    return PREFIX + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def closest_to(variable: str, names: Iterable[str]) -> str | None:
    """The known name that a variable was probably meant to be; None if there is none."""
    known = {name.removeprefix(PREFIX): name for name in names}  # the prefix would make short names all alike
    close = difflib.get_close_matches(variable.removeprefix(PREFIX), known, n=1, cutoff=0.8)
    return known[close[0]] if close else None


def unknown_variables(settings: Iterable[str]) -> list[str]:
    """Names of set variables with our prefix that are neither a setting's nor one of :data:`OTHERS`."""
    known = {*map(variable_of, settings), *OTHERS}
    return sorted(variable for variable in os.environ if variable.startswith(PREFIX) and variable not in known)


def warn_of(variables: Iterable[str], settings: Iterable[str]) -> None:
    """Warn about unknown variables, once per process; not an error, because other programs may use the prefix."""
    said_nothing = [variable for variable in variables if variable not in _warned]
    if not said_nothing:
        return
    _warned.update(said_nothing)
    known = sorted([*map(variable_of, settings), "MULTITRACK_CONFIG", "MULTITRACK_DISABLED"])
    log.warning(
        "multitrack: unknown environment variable%s %s; known: %s and MULTITRACK_<BACKEND>_<OPTION>",
        "s" if len(said_nothing) > 1 else "", ", ".join(said_nothing), ", ".join(known),
    )  # fmt: skip
