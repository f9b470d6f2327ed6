"""Find comparisons with a text that no run can satisfy: all runs have numbers there, or lists, which have no order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from multitrack.errors import QueryError
from multitrack.query.cells import ABSENT, Value
from multitrack.query.columns import Column
from multitrack.query.literals import is_number, number_of
from multitrack.security.terminal import excerpt


class Doubt(NamedTuple):
    """A comparison of a column with a text, which is an error if no run has a comparable value.

    Attributes:
        column: The column.
        text: The text.
        ordered: True for ``<``, ``<=``, ``>`` and ``>=``.
        error: Makes an error from a reason; its message shows the place in the filter.
    """

    column: Column
    text: str
    ordered: bool
    error: Callable[[str], QueryError]

    def is_settled(self, kind: str) -> bool:
        """Return True if a value of this kind can be compared with the text."""
        return (
            kind == "text"
            or (kind == "list" and not self.ordered)
            or (kind == "number" and number_of(self.text) is not None)
        )

    def reason(self, kinds: set[str]) -> str:
        """Return the error if the runs have only values of these kinds; empty if there is none."""
        if "list" in kinds:
            return "lists have no order; use = or !="
        what = "not a number" if "number" in kinds else "neither true nor false" if "bool" in kinds else ""
        return what and f"{excerpt(self.text)!r} is {what}"


def check(doubts: Sequence[Doubt], runs: Iterable[Callable[[Column], Any]]) -> None:
    """Check that some run has a value that can be compared with each text. Reads no more runs than needed.

    Args:
        doubts: The comparisons.
        runs: Functions that return each run's value in a column.

    Raises:
        QueryError: All runs with the column have, for example, a number there; the message shows the place.
    """
    left: dict[Doubt, set[str]] = {doubt: set() for doubt in doubts}
    if not left:
        return
    for lookup in runs:
        for doubt, kinds in [*left.items()]:
            kinds.add(kind := _kind(found_in(doubt.column, lookup)))
            if doubt.is_settled(kind):
                del left[doubt]
        if not left:
            return
    for doubt, kinds in left.items():
        if reason := doubt.reason(kinds):
            raise doubt.error(reason)


def found_in(column: Column, lookup: Callable[[Column], Any]) -> Any:
    """Return a run's value; missing metadata is ``None``."""
    found = lookup(column)
    if isinstance(found, Value):
        return found.value
    return None if found is ABSENT and column.group == "metadata" else found


def _kind(value: Any) -> str:
    """Return the kind of a value for the comparison with a text."""
    if is_number(value):
        return "number"
    kinds = {bool: "bool", str: "text", list: "list", dict: "list"}
    return next((kind for known, kind in kinds.items() if isinstance(value, known)), "none")
