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
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from multitrack.errors import QueryError
from multitrack.query.cells import ABSENT
from multitrack.query.columns import GROUPS, METADATA, Column, misread, parse_column, unquoted
from multitrack.query.doubts import Doubt, check, found_in
from multitrack.query.literals import BEYOND, compares, holds, is_beyond, number_of
from multitrack.query.times import parse_duration, parse_time
from multitrack.records import STATUSES
from multitrack.security.terminal import excerpt, safe

#: Returns a run's value in a column: a tuple for a value with several names, :data:`~multitrack.query.cells.ABSENT` if
#: missing.
Lookup = Callable[[Column], Any]
Predicate = Callable[[Lookup], bool]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\"|'[^']*')|(?P<operator><=|>=|!=|==|[=<>~])|(?P<mark>[(),])"
    r"|(?P<word>(?:[^\s\"'()<>=!~,]|(?<=\.)\"(?:[^\"\\]|\\.)*\")+))"
)
_SPACE: Final = re.compile(r"\s")
_CONSTANTS: Final = {"true": True, "false": False, "none": None}
#: Number of characters of a filter that an error shows around the place.
_SHOWN: Final = 120
#: Maximum nesting of brackets and nots; Python's own stack ends at some hundreds.
_DEPTH: Final = 50
_GROUPED: Final = tuple(f"{group}." for group in GROUPS)
#: Groups whose columns may have any type.
_OF_ANY_TYPE: Final = ("params", "inputs", "outputs")


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


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


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._next = 0
        self._depth = 0
        self.columns: dict[Column, None] = {}
        self.doubts: list[Doubt] = []

    def parse(self) -> Predicate:
        found = self._any()
        if self._token.kind != "end":
            self._fail("expected `and`, `or` or the end")
        return found

    def _split(self) -> list[_Token]:
        tokens, place, end = [], 0, len(self._text.rstrip())
        while place < end:
            match = _TOKEN.match(self._text, place)
            if match is None:
                place += len(self._text[place:]) - len(self._text[place:].lstrip())
                what = "a quote without an end" if self._text[place] in "\"'" else "this is not part of a filter"
                raise self._error(what, place)
            kind = match.lastgroup or ""
            if kind == "word" and (wrong := misread(match[kind].partition('"')[0])):
                raise self._error(wrong[1], match.start(kind) + wrong[0])
            tokens.append(_Token(kind, match[kind], match.start(kind)))
            place = match.end()
        return [*tokens, _Token("end", "", end)]

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next += token.kind != "end"
        return token

    def _took(self, word: str) -> bool:
        """Return True, and skip the token, if this word or mark comes next."""
        token = self._token
        found = token.kind in ("word", "mark") and token.text.lower() == word
        self._next += found
        return found

    def _error(self, reason: str, place: int) -> QueryError:
        start = max(0, min(place - _SHOWN // 2, len(self._text) - _SHOWN))
        before, after = self._text[start:place], self._text[place : start + _SHOWN]
        more, rest = "…" if start else "", "…" if start + _SHOWN < len(self._text) else ""
        before, after = (safe(re.sub(_SPACE, " ", part)) for part in (before, after))
        shown = f"{reason}\n  {more}{before}{after}{rest}\n  {' ' * len(more + before)}^"
        return QueryError(shown, position=place)

    def _fail(self, reason: str, token: _Token | None = None) -> NoReturn:
        raise self._error(reason, (token or self._token).place)

    def _any(self) -> Predicate:
        parts = [self._all()]
        while self._took("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda lookup: any(part(lookup) for part in parts)

    def _all(self) -> Predicate:
        parts = [self._not()]
        while self._took("and"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda lookup: all(part(lookup) for part in parts)

    def _not(self) -> Predicate:
        self._depth += 1
        if self._depth > _DEPTH:
            self._fail(f"more than {_DEPTH} nested brackets")
        try:
            if self._took("not"):
                found = self._not()
                return lambda lookup: not found(lookup)
            if self._took("("):
                found = self._any()
                if not self._took(")"):
                    self._fail("expected )")
                return found
            return self._test()
        finally:
            self._depth -= 1

    def _test(self) -> Predicate:
        token = self._take()
        if token.kind != "word":
            self._fail("expected a column, such as params.lr or status", token)
        try:
            column = parse_column(token.text)
        except QueryError as error:
            self._fail(str(error), token)
        self.columns[column] = None
        if self._took("in"):
            wanted = self._values(column)
            return lambda lookup: any(compares("=", found_in(column, lookup), value) for value in wanted)
        if self._token.kind != "operator":
            return lambda lookup: lookup(column) is not ABSENT
        sign = self._take().text.replace("==", "=")
        if sign == "~":
            part = self._take()
            if part.kind not in ("word", "text"):
                self._fail("expected a text", part)
            needle = _text_of(part).lower()
            if part.kind == "word":
                self._fail_if_column(part)
            return lambda lookup: holds(lookup(column), needle)
        value = self._value(column, sign)
        if value is None and sign not in ("=", "!="):
            self._fail("none can only be compared with = and !=", self._tokens[self._next - 1])
        return lambda lookup: compares(sign, found_in(column, lookup), value)

    def _values(self, column: Column) -> list[Any]:
        if not self._took("("):
            self._fail("expected ( and values: in (1, 2)")
        values = [self._value(column)]
        while self._took(","):
            values.append(self._value(column))
        if not self._took(")"):
            self._fail("expected , or )")
        return values

    def _value(self, column: Column, sign: str = "=") -> Any:
        token = self._take()
        if token.kind not in ("word", "text"):
            self._fail("expected a value", token)
        text = _text_of(token)
        if token.kind == "word":
            self._fail_if_column(token, column)
        if column.kind == "time":
            try:
                return parse_time(text)
            except ValueError as error:
                self._fail(str(error), token)
        if column == Column.of("metadata", "status") and text not in STATUSES:
            self._fail(f"there is no status {excerpt(text)!r}; there are {', '.join(STATUSES)}", token)
        quoted = token.kind == "text"
        if not quoted and text.lower() in _CONSTANTS:
            return _CONSTANTS[text.lower()]
        number = None if quoted and column.kind not in ("number", "seconds") else number_of(text)
        if number is not None:
            if is_beyond(text, number):
                self._fail(BEYOND, token)
            return number
        if column.kind == "seconds":
            try:
                return parse_duration(text)
            except ValueError as error:
                self._fail(str(error), token)
        if column.kind == "number":
            self._fail(f"{excerpt(text)!r} is not a number", token)
        if column.group in _OF_ANY_TYPE or column == Column.of("metadata", "dirty"):
            ordered = sign not in ("=", "!=")
            self.doubts.append(Doubt(column, text, ordered, lambda reason: self._error(reason, token.place)))
        return text

    def _fail_if_column(self, token: _Token, metadata: Column | None = None) -> None:
        """Reject an unquoted word that is a column; a metadata name only beside a metadata column."""
        beside = metadata is not None and metadata.group == "metadata"
        if token.text.startswith(_GROUPED) or (beside and token.text in METADATA):
            word = excerpt(token.text)
            quoted = json.dumps(word, ensure_ascii=False)
            self._fail(f"{word} is a column, and two columns cannot be compared; a text is quoted: {quoted}", token)


def _text_of(token: _Token) -> str:
    return unquoted(token.text) if token.kind == "text" else token.text
