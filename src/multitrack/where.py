"""Filters of runs: a small language, parsed into a predicate.

::

    filter = and {"or" and}
    and    = not {"and" not}
    not    = "not" not | "(" filter ")" | test
    test   = column                              the run has it
           | column ("=" | "!=" | "<" | "<=" | ">" | ">=") value
           | column "~" value                    the text holds it, in any case
           | column "in" "(" value {"," value} ")"
    column = name ["." name] [":" reduction]     params.lr, tags."my stage", metrics.loss:min, status
    value  = number | true | false | none | text, "quoted" where it is not a plain word

An unquoted word that is a column cannot be compared with one: it is an error, as is a character that only looks like
one of the language. A list is compared with the text that tables show it as.

A comparison with what a run does not have is false, ``!=`` as well; so is one of a text with a number, except that a
tag which reads as a number is one. ``none`` is a value: a param's, or a run's parent where it has none. NaN equals
``nan`` and nothing else. Times are ISO 8601, local without an offset, or ``7d``, ``12h``, ``30min`` ago; durations
seconds, or ``90s``, ``15min``, ``2h``. Where a column is always a number, a plain word that is none is an error.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple, NoReturn

from multitrack.cells import ABSENT, Value
from multitrack.columns import GROUPS, METADATA, Column, misread, parse_column, unquoted
from multitrack.errors import QueryError
from multitrack.moments import parse_duration, parse_time
from multitrack.records import STATUSES
from multitrack.terminal import excerpt, safe

#: What a run has in a column; a tuple: what has several names. :data:`~multitrack.cells.ABSENT`: nothing.
Lookup = Callable[[Column], Any]
Predicate = Callable[[Lookup], bool]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\"|'[^']*')|(?P<operator><=|>=|!=|==|[=<>~])|(?P<mark>[(),])"
    r"|(?P<word>(?:[^\s\"'()<>=!~,]|(?<=\.)\"(?:[^\"\\]|\\.)*\")+))"
)
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_SPACE: Final = re.compile(r"\s")
_CONSTANTS: Final = {"true": True, "false": False, "none": None}
#: Characters of a filter that an error shows around the place.
_SHOWN: Final = 120
#: Brackets and nots within each other; Python's own stack ends at some hundreds.
_DEPTH: Final = 50


_GROUPED: Final = tuple(f"{group}." for group in GROUPS)


class _Token(NamedTuple):
    kind: str
    text: str
    place: int


def columns_in(text: str) -> list[Column]:
    """The columns that a filter asks for.

    Raises:
        QueryError: It is no filter.
    """
    parser = _Parser(text)
    parser.parse()
    return list(parser.columns)


def parse_where(text: str) -> Predicate:
    """A predicate of a filter's text.

    Raises:
        QueryError: It is none; the message shows the place.
    """
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._next = 0
        self._depth = 0
        self.columns: dict[Column, None] = {}

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
                what = "a quote without its end" if self._text[place] in "\"'" else "this is no part of a filter"
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
        """Whether this word, operator or mark comes next; if so it is passed over."""
        token = self._token
        found = token.kind in ("word", "mark") and token.text.lower() == word
        self._next += found
        return found

    def _error(self, reason: str, place: int) -> QueryError:
        start = max(0, min(place - _SHOWN // 2, len(self._text) - _SHOWN))
        before, after = self._text[start:place], self._text[place : start + _SHOWN]
        more, rest = "…" if start else "", "…" if start + _SHOWN < len(self._text) else ""
        before, after = (safe(re.sub(_SPACE, " ", part)) for part in (before, after))
        return QueryError(f"{reason}\n  {more}{before}{after}{rest}\n  {' ' * len(more + before)}^")

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
            self._fail(f"more than {_DEPTH} brackets within each other")
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
            return lambda lookup: any(_compares("=", _found(column, lookup), value) for value in wanted)
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
            return lambda lookup: _holds(lookup(column), needle)
        value = self._value(column)
        if value is None and sign not in ("=", "!="):
            self._fail("none is compared with = and != only", self._tokens[self._next - 1])
        return lambda lookup: _compares(sign, _found(column, lookup), value)

    def _values(self, column: Column) -> list[Any]:
        if not self._took("("):
            self._fail("expected ( and values: in (1, 2)")
        values = [self._value(column)]
        while self._took(","):
            values.append(self._value(column))
        if not self._took(")"):
            self._fail("expected , or )")
        return values

    def _value(self, column: Column) -> Any:
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
        value = text if quoted else _number(text)
        if isinstance(value, str) and column.kind == "seconds":
            try:
                return parse_duration(text)
            except ValueError as error:
                self._fail(str(error), token)
        if isinstance(value, str) and column.kind == "number" and not quoted:
            self._fail(f"{excerpt(text)!r} is no number", token)
        return value

    def _fail_if_column(self, token: _Token, metadata: Column | None = None) -> None:
        """Refuse a word that is a column, which nobody means as a text; one of metadata beside another such column."""
        beside = metadata is not None and metadata.group == "metadata" and token.text != metadata.name
        if token.text.startswith(_GROUPED) or (beside and token.text in METADATA):
            word = excerpt(token.text)
            quoted = json.dumps(word, ensure_ascii=False)
            self._fail(f"{word} is a column, and two columns cannot be compared; a text is quoted: {quoted}", token)


def _text_of(token: _Token) -> str:
    return unquoted(token.text) if token.kind == "text" else token.text


def _number(text: str) -> Any:
    """A number, where it is one."""
    for kind in (int, float):
        try:
            return kind(text.replace("_", "x"))  # Python's 1_000 is a text here
        except ValueError:
            continue
    return text


def _found(column: Column, lookup: Lookup) -> Any:
    """A run's value; every run has all metadata, be it ``None``."""
    found = lookup(column)
    if isinstance(found, Value):
        return found.value
    return None if found is ABSENT and column.group == "metadata" else found


def _compares(sign: str, found: Any, wanted: Any) -> bool:
    if isinstance(found, tuple):
        return (all if sign == "!=" else any)(_compares(sign, name, wanted) for name in found)
    if found is ABSENT:
        return False
    if wanted is None:
        return (found is None) == (sign == "=")
    if found is None:
        return False
    if isinstance(found, str) and isinstance(wanted, (int, float)) and not isinstance(wanted, bool):
        found = _number(found)
    elif isinstance(wanted, str) and isinstance(found, (list, dict)):
        return sign in ("=", "!=") and _is_written(found, wanted) == (sign == "=")
    if _is_nan(found) and _is_nan(wanted):
        return sign == "="  # as people look for them; otherwise NaN equals nothing
    if isinstance(found, bool) != isinstance(wanted, bool) or isinstance(found, str) != isinstance(wanted, str):
        return False
    try:
        return _COMPARE[sign](found, wanted)
    except TypeError:
        return False  # a list


def _is_written(found: list[Any] | dict[str, Any], text: str) -> bool:
    """Whether a text is a list or mapping as JSON, with whatever spaces."""
    try:
        return _same(found, json.loads(text))
    except (ValueError, RecursionError):
        return False


def _same(one: Any, other: Any) -> bool:
    """Whether two values of JSON are the same; 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _holds(found: Any, needle: str) -> bool:
    if isinstance(found, tuple):
        return any(_holds(name, needle) for name in found)
    found = getattr(found, "value", found)
    if isinstance(found, (list, dict)):  # as the terminal and as the page shows it
        spaces = (
            json.dumps(found, ensure_ascii=False, separators=marks).lower() for marks in ((",", ":"), (", ", ": "))
        )
        return any(needle in text for text in spaces)
    return found not in (None, ABSENT) and needle in str(found).lower()
