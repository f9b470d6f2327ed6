"""The name of a new backend, and the names that follow from it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, NamedTuple

from multitrack.security.terminal import excerpt

#: The template's own name, in contents and in paths.
PLACEHOLDER: Final = "acme"
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_LONGEST: Final = 40


class BackendName(NamedTuple):
    """A backend's name in a config, which is part of every other name.

    Attributes:
        name: The name, such as ``my_tracker``.
    """

    name: str

    @property
    def distribution(self) -> str:
        """The name of the distribution: ``multitrack-my-tracker``."""
        return f"multitrack-{self.name.replace('_', '-')}"

    @property
    def module(self) -> str:
        """The name of the module: ``multitrack_my_tracker``."""
        return f"multitrack_{self.name}"

    @property
    def prefix(self) -> str:
        """The beginning of the names of classes: ``MyTracker``."""
        return "".join(part.capitalize() for part in self.name.split("_"))

    def replaced(self, text: str) -> str:
        """Put these names in the place of the template's."""
        forms = {
            f"multitrack-{PLACEHOLDER}": self.distribution,
            PLACEHOLDER.capitalize(): self.prefix,
            PLACEHOLDER: self.name,
        }
        return re.sub("|".join(forms), lambda found: forms[found[0]], text)


def checked_name(name: str, taken: Collection[str] = ()) -> BackendName:
    """Check the name of a new backend: it becomes part of a module, an entry point, a table and variables.

    Args:
        name: The name.
        taken: Names that mean something else in a config.

    Raises:
        ValueError: If it is invalid, or taken; the message proposes another one.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        words = re.findall(r"[a-z0-9]+", name.lower().removeprefix("multitrack"))
        close = "_".join(words).lstrip("0123456789_")
        hint = close if _NAME.fullmatch(close) and len(close) <= _LONGEST else "my_tracker"
        raise ValueError(
            f"invalid name {excerpt(name)!r}: use lower-case letters, digits and single underscores, at most "
            f"{_LONGEST}, and begin with a letter, such as {hint!r}"
        )
    if name in taken:
        raise ValueError(f"{name!r} is taken by multitrack itself: choose another name, such as 'my_{name}'")
    return BackendName(name)
