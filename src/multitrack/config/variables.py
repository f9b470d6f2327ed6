"""The environment variables with the prefix ``MULTITRACK_``: known, mistyped, and the one of a reproduction."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from multitrack._hints import close_to
from multitrack._text import short_repr
from multitrack.errors import ConfigError
from multitrack.journal.layout import is_run
from multitrack.journal.run_ids import is_run_id

log = logging.getLogger("multitrack")

PREFIX: Final = "MULTITRACK_"
#: Variables that are read besides those of the settings.
OTHERS: Final = ("MULTITRACK_CONFIG", "MULTITRACK_DISABLED", "MULTITRACK_REPRODUCE", "MULTITRACK_STARTED_BY")
#: Directory of the run that this process reproduces; ``multitrack reproduce --run`` sets it.
REPRODUCE: Final = "MULTITRACK_REPRODUCE"
_warned: Final[set[str]] = set()


def variable_of(name: str) -> str:
    """The variable of a setting, or the prefix of a backend's variables without the last ``_``."""
    return PREFIX + re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def reproduced_run() -> Path | None:
    """The directory of the run that this process reproduces; None if it reproduces none.

    Raises:
        ConfigError: If :data:`REPRODUCE` does not name the directory of a run.
    """
    named = os.environ.get(REPRODUCE)
    if not named:
        return None
    directory = Path(named)
    if not directory.is_absolute() or not is_run_id(directory.name) or not is_run(directory):
        raise ConfigError(
            f"environment variable {REPRODUCE} = {short_repr(named)} is not the absolute path of a run's directory; "
            "`multitrack reproduce RUN --run` sets it",
            key=REPRODUCE, source=f"environment variable {REPRODUCE}",
        )  # fmt: skip
    return directory


def closest_to(variable: str, names: Iterable[str]) -> str | None:
    """The known name that a variable was probably meant to be; None if there is none."""
    known = {name.removeprefix(PREFIX): name for name in names}  # the prefix would make short names all alike
    close = close_to(variable.removeprefix(PREFIX), known, 0.8)
    return None if close is None else known[close]


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


_YES: Final = frozenset({"1", "true", "yes", "on", "y", "t"})
_NO: Final = frozenset({"", "0", "false", "no", "off", "n", "f"})


def switched_off() -> bool:
    """Return True if ``MULTITRACK_DISABLED`` turns recording off.

    Raises:
        ConfigError: If its value is neither yes nor no.
    """
    text = os.environ.get("MULTITRACK_DISABLED", "")
    said = text.strip().lower()
    if said in _YES:
        return True
    if said in _NO:
        return False
    raise ConfigError(
        f"environment variable MULTITRACK_DISABLED = {text!r} is neither yes nor no: 1 turns recording off, "
        "0 leaves it on"
    )
