"""Version numbers of models: MAJOR.MINOR.PIPELINE."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, Self

_NUMBER: Final = r"(?a)(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})"


class Number(NamedTuple):
    """The number of a version; sorts by its parts.

    Attributes:
        major: Goes up when inputs or outputs became incompatible.
        minor: Goes up when the objective improved on the same data.
        pipeline: Goes up with every other training.
    """

    major: int
    minor: int
    pipeline: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse ``1.2.0``; None if it is not of that form."""
        found = re.fullmatch(_NUMBER, text)
        return None if found is None else cls(int(found[1]), int(found[2]), int(found[3]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.pipeline}"
