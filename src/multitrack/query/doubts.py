"""Comparisons of a filter with texts that nothing can meet, as all runs have numbers there, or lists without order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from multitrack.errors import QueryError
from multitrack.query.cells import ABSENT, Value
from multitrack.query.columns import Column
from multitrack.query.literals import is_number, number_of
from multitrack.security.terminal import excerpt


class Doubt(NamedTuple):
    """A column that is compared with a text: an error where no run has one there, which only the runs tell.

    Attributes:
        column: The column.
        text: What it is compared with.
        ordered: Whether by ``<``, ``<=``, ``>`` or ``>=``.
        error: Makes an error of a reason, which shows the place in the filter.
    """

    column: Column
    text: str
    ordered: bool
    error: Callable[[str], QueryError]

    def is_settled(self, kind: str) -> bool:
        """Whether it is none, as a run has a value of this kind."""
        return (
            kind == "text"
            or (kind == "list" and not self.ordered)
            or (kind == "number" and number_of(self.text) is not None)
        )

    def reason(self, kinds: set[str]) -> str:
        """What is wrong where the runs have values of these kinds alone; empty: nothing."""
        if "list" in kinds:
            return "lists have no order; = and != compare them"
        what = "no number" if "number" in kinds else "neither true nor false" if "bool" in kinds else ""
        return what and f"{excerpt(self.text)!r} is {what}"


def check(doubts: Sequence[Doubt], runs: Iterable[Callable[[Column], Any]]) -> None:
    """Check that some run has what a text can be compared with; looks at no more runs than that takes.

    Args:
        doubts: The comparisons.
        runs: What each run has in a column.

    Raises:
        QueryError: All runs that have the column have a number there, say; the message shows the place.
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
    """A run's value; every run has all metadata, be it ``None``."""
    found = lookup(column)
    if isinstance(found, Value):
        return found.value
    return None if found is ABSENT and column.group == "metadata" else found


def _kind(value: Any) -> str:
    """What a value is, as far as a text is compared with it."""
    if is_number(value):
        return "number"
    kinds = {bool: "bool", str: "text", list: "list", dict: "list"}
    return next((kind for known, kind in kinds.items() if isinstance(value, known)), "none")
