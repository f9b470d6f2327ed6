"""Select columns: match groups, patterns and names against the columns of the runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import msgspec

from multitrack._hints import close_to, there_are
from multitrack.errors import QueryError
from multitrack.query.cells import names_of
from multitrack.query.columns import GROUPS, REDUCED, Column, better, parse_column
from multitrack.security.terminal import excerpt
from multitrack.summaries.statistics import REDUCTIONS
from multitrack.summaries.summary import Summary


def chosen(
    wanted: Sequence[str], without: Sequence[str], known: Known, reduction: str
) -> tuple[list[Column], list[Column]]:
    """Return the columns that match patterns, each once, in order.

    Args:
        wanted: The patterns.
        without: Patterns of columns to leave out.
        known: The columns of the runs.
        reduction: The reduction of series and lists if a column has none.

    Returns:
        The columns; and the columns from groups and patterns whose ``best`` is unknown. A column given by name stays in
        the first list, and raises when it is read.

    Raises:
        QueryError: A pattern is invalid, or no run has a column that matches it.
    """
    left_out = {column for text in without for column in known.columns(_Pattern(text))} - {Column.of("metadata", "run")}
    asked: dict[Column, bool] = {}
    for pattern in map(_Pattern, wanted):
        for column in known.columns(pattern):
            if not left_out & {column, msgspec.structs.replace(column, reduction=None)}:
                asked[column] = pattern.column is None and known.has_no_best(column, reduction)
    return [column for column in asked if not asked[column]], [column for column in asked if asked[column]]


class Known:
    """The columns of runs; a column that no run has is treated as a typing mistake.

    Args:
        summaries: The summaries of the runs.
        others: The summaries of all runs that they were chosen from, read only if a column is not found. A column that
            only these have is not a mistake, and has no cells.
    """

    def __init__(self, summaries: Sequence[Summary], others: Iterable[Summary] = ()) -> None:
        self._summaries = summaries
        self._others = others
        self._names: dict[str, dict[str, None]] = {}
        self._beside: Known | None = None

    def names(self, group: str) -> dict[str, None]:
        """Return the names in a group, without its prefix, in the order of the runs."""
        if group not in self._names:
            self._names[group] = {name: None for summary in self._summaries for name in names_of(group, summary)}
        return self._names[group]

    def columns(self, pattern: _Pattern) -> list[Column]:
        """Return the columns that match a pattern.

        Raises:
            QueryError: No run has any.
        """
        if pattern.column is not None:
            self.check(pattern.column)
            return [pattern.column]
        found = self._of_groups(pattern)
        if not found and not pattern.whole and self._summaries and not self._among_others()._of_groups(pattern):
            raise QueryError(
                f"no run has a column {excerpt(pattern.text)}{self._among_others()._closest(pattern.text)}"
            )
        return found

    def _of_groups(self, pattern: _Pattern) -> list[Column]:
        return pattern.among(Column.of(group, name) for group in pattern.groups for name in self.names(group))

    def check(self, column: Column) -> None:
        """Check that some run has this column, if there are runs.

        Raises:
            QueryError: No run has it.
        """
        if not self._summaries or column.group == "metadata" or column.name in self.names(column.group):
            return
        every = self._among_others()
        if column.name not in every.names(column.group):
            plain = msgspec.structs.replace(column, reduction=None)
            raise QueryError(f"no run has {excerpt(str(plain))}{every._closest(str(plain))}")

    def has_no_best(self, column: Column, reduction: str) -> bool:
        """Return True if a column asks for the best of a series or list, and it is unknown which end is best."""
        if column.group not in REDUCED or (column.reduction or reduction) != "best" or better(column.name):
            return False
        lists = column.group == "lists"
        return any(column.name in (each.lists if lists else each.series) for each in self._summaries)

    def _among_others(self) -> Known:
        """Return the columns of all runs; the others are read once."""
        if self._beside is None:
            self._beside = Known([*self._summaries, *self._others])
        return self._beside

    def _closest(self, text: str) -> str:
        """Return a suggestion: the same name in another group, or a similar name; else the names of the group."""
        group, _, name = text.partition(".")
        every = [Column.of(other, one) for other in GROUPS[1:] for one in self.names(other)]  # every run has metadata
        beside = [column for column in every if column.group == group]
        for near in ([column for column in every if column.name == name], beside, every):
            if close := close_to(name, [column.name for column in near]):
                meant = next(column for column in near if column.name == close)
                return f" (did you mean {excerpt(str(meant))}?)"
        return there_are([str(column) for column in beside])


class _Pattern:
    """A group, a pattern of columns, or one column; each with an optional reduction.

    Attributes:
        text: The pattern as given.
        groups: The groups to search.
        whole: True for a whole group, which may be empty.
        column: The single column; ``None`` for a group or a pattern.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        head, _, tail = text.rpartition(":")
        reduced = bool(head) and tail in REDUCTIONS
        self._pattern = head if reduced else text
        self._reduction = tail if reduced else None
        self.column: Column | None = None
        self.whole = self._pattern in GROUPS
        group = self._pattern.partition(".")[0]
        if self.whole:
            self.groups: tuple[str, ...] = (self._pattern,)
            self._pattern += ".*"
        elif '"' not in text and ("*" in text or "?" in text):
            self.groups = (group,) if group in GROUPS else GROUPS
        else:
            self.groups = ()
            self.column = parse_column(text)

    def among(self, every: Iterable[Column]) -> list[Column]:
        """Return the columns that match the pattern."""
        found = [column for column in every if fnmatchcase(f"{column.group}.{column.name}", self._pattern)]
        if self._reduction is None:
            return found
        return [Column.of(column.group, column.name, self._reduction) for column in found if column.group in REDUCED]
