"""Parse filters of runs, a small language, into predicates.

::

    filter = and {"or" and}
    and    = not {"and" not}
    not    = "not" not | "(" filter ")" | test
    test   = column                              the run has a value
           | column ("=" | "!=" | "<" | "<=" | ">" | ">=") value
           | column "~" value                    the value contains the text, case-insensitive
           | column "in" "(" value {"," value} ")"
    column = name ["." name] [":" reduction]     params.lr, tags."my stage", metrics.loss:min, status
    value  = number | true | false | none | text, "quoted" unless it is a plain word

A column cannot be compared with another: an unquoted word that is a column is an error. So is a character that only
looks like one of the language. A list equals a text with the same JSON; lists have no order.

A comparison with a missing value is false, even ``!=``. So is one of a text with a number, unless the text reads as a
number, quoted or not. ``none`` is a value: of a param, or of the parent of a run without one. NaN equals ``nan`` and
nothing else. Times are ISO 8601, local without an offset, or ``7d``, ``12h``, ``30min`` ago. Durations are seconds, or
``90s``, ``15min``, ``2h``. If a column is a number in all runs that have it, a text that is not a number is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from multitrack.errors import QueryError
from multitrack.query.cells import ABSENT
from multitrack.query.columns import GROUPS, METADATA, Column, parse_column, unquoted
from multitrack.query.doubts import Doubt, check, found_in
from multitrack.query.literals import BEYOND, compares, holds, is_beyond, number_of
from multitrack.query.times import parse_duration, parse_time
from multitrack.query.tokens import Token, TokenReader
from multitrack.records import STATUSES
from multitrack.security.terminal import excerpt

#: Returns a run's value in a column: a tuple for a value with several names, :data:`~multitrack.query.cells.ABSENT` if
#: missing.
Lookup = Callable[[Column], Any]
Predicate = Callable[[Lookup], bool]

_CONSTANTS: Final = {"true": True, "false": False, "none": None}
#: Maximum nesting of brackets and nots; Python's own stack ends at some hundreds.
_DEPTH: Final = 50
_GROUPED: Final = tuple(f"{group}." for group in GROUPS)
#: Groups whose columns may have any type.
_OF_ANY_TYPE: Final = ("params", "inputs", "outputs")


def columns_in(text: str) -> list[Column]:
    """Return the columns that a filter uses.

    Raises:
        QueryError: The filter is invalid.
    """
    parser = _Parser(text)
    parser.parse()
    return list(parser.columns)


class Filter:
    """A parsed filter.

    Args:
        takes: Returns True if a run matches, given a lookup of its values.
        doubts: Comparisons with texts, which are errors if all runs have numbers there.
    """

    def __init__(self, takes: Predicate, doubts: Sequence[Doubt]) -> None:
        self._takes = takes
        self._doubts = doubts

    def __call__(self, lookup: Lookup) -> bool:
        """Return True if a run matches."""
        return self._takes(lookup)

    def check(self, runs: Iterable[Lookup]) -> None:
        """Check that each value compared with a text is comparable in some run. Reads no more runs than needed.

        Raises:
            QueryError: The value is a number, or a list without order, in all runs that have it; the message shows the
                place.
        """
        check(self._doubts, runs)


def parse_where(text: str) -> Filter:
    """Parse a filter.

    Raises:
        QueryError: The filter is invalid; the message shows the place.
    """
    parser = _Parser(text)
    return Filter(parser.parse(), parser.doubts)


class _Parser(TokenReader):
    def __init__(self, text: str) -> None:
        super().__init__(text, "a filter")
        self._depth = 0
        self.columns: dict[Column, None] = {}
        self.doubts: list[Doubt] = []

    def parse(self) -> Predicate:
        found = self._any()
        if self.token.kind != "end":
            self.fail("expected `and`, `or` or the end")
        return found

    def _any(self) -> Predicate:
        parts = [self._all()]
        while self.took("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda lookup: any(part(lookup) for part in parts)

    def _all(self) -> Predicate:
        parts = [self._not()]
        while self.took("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda lookup: all(part(lookup) for part in parts)

    def _not(self) -> Predicate:
        self._depth += 1
        if self._depth > _DEPTH:
            self.fail(f"more than {_DEPTH} nested brackets")
        try:
            if self.took("not"):
                found = self._not()
                return lambda lookup: not found(lookup)
            if self.took("("):
                found = self._any()
                if not self.took(")"):
                    self.fail("expected )")
                return found
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Predicate:
        token = self.take()
        if token.kind != "word":
            self.fail("expected a column, such as params.lr or status", token)
        try:
            column = parse_column(token.text)
        except QueryError as error:
            self.fail(str(error), token)
        self.columns[column] = None
        if self.took("in"):
            wanted = self._values(column)
            return lambda lookup: any(compares("=", found_in(column, lookup), value) for value in wanted)
        if self.token.kind != "operator":
            return lambda lookup: lookup(column) is not ABSENT
        sign = self.take().text.replace("==", "=")
        if sign == "~":
            part = self.take()
            if part.kind not in ("word", "text"):
                self.fail("expected a text", part)
            needle = _text_of(part).lower()
            if part.kind == "word":
                self._fail_if_column(part)
            return lambda lookup: holds(lookup(column), needle)
        value = self._value(column, sign)
        if value is None and sign not in ("=", "!="):
            self.fail("none can only be compared with = and !=", self.last)
        return lambda lookup: compares(sign, found_in(column, lookup), value)

    def _values(self, column: Column) -> list[Any]:
        if not self.took("("):
            self.fail("expected ( and values: in (1, 2)")
        values = [self._value(column)]
        while self.took(","):
            values.append(self._value(column))
        if not self.took(")"):
            self.fail("expected , or )")
        return values

    def _value(self, column: Column, sign: str = "=") -> Any:
        token = self.take()
        if token.kind not in ("word", "text"):
            self.fail("expected a value", token)
        text = _text_of(token)
        if token.kind == "word":
            self._fail_if_column(token, column)
        if column.kind == "time":
            try:
                return parse_time(text)
            except ValueError as error:
                self.fail(str(error), token)
        if column == Column.of("metadata", "status") and text not in STATUSES:
            self.fail(f"there is no status {excerpt(text)!r}; there are {', '.join(STATUSES)}", token)
        quoted = token.kind == "text"
        if not quoted and text.lower() in _CONSTANTS:
            return _CONSTANTS[text.lower()]
        number = None if quoted and column.kind not in ("number", "seconds") else number_of(text)
        if number is not None:
            if is_beyond(text, number):
                self.fail(BEYOND, token)
            return number
        if column.kind == "seconds":
            try:
                return parse_duration(text)
            except ValueError as error:
                self.fail(str(error), token)
        if column.kind == "number":
            self.fail(f"{excerpt(text)!r} is not a number", token)
        if column.group in _OF_ANY_TYPE or column == Column.of("metadata", "dirty"):
            ordered = sign not in ("=", "!=")
            self.doubts.append(Doubt(column, text, ordered, lambda reason: self.error(reason, token.place)))
        return text

    def _fail_if_column(self, token: Token, metadata: Column | None = None) -> None:
        """Reject an unquoted word that is a column; a metadata name only beside a metadata column."""
        beside = metadata is not None and metadata.group == "metadata"
        if token.text.startswith(_GROUPED) or (beside and token.text in METADATA):
            word = excerpt(token.text)
            quoted = json.dumps(word, ensure_ascii=False)
            self.fail(f"{word} is a column, and two columns cannot be compared; a text is quoted: {quoted}", token)


def _text_of(token: Token) -> str:
    return unquoted(token.text) if token.kind == "text" else token.text
