"""Split filters and the rules of alerts into tokens, and show the place of an error in them."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, NoReturn

from multitrack.errors import QueryError
from multitrack.query.columns import misread
from multitrack.security.terminal import safe

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<text>\"(?:[^\"\\]|\\.)*\"|'[^']*')|(?P<operator><=|>=|!=|==|[=<>~])|(?P<mark>[(),])"
    r"|(?P<word>(?:[^\s\"'()<>=!~,]|(?<=\.)\"(?:[^\"\\]|\\.)*\")+))"
)
_SPACE: Final = re.compile(r"\s")
#: Number of characters of a text that an error shows around the place.
_SHOWN: Final = 120


class Token(NamedTuple):
    """A token: its kind (``text``, ``operator``, ``mark``, ``word`` or ``end``), its text and its place."""

    kind: str
    text: str
    place: int


class TokenReader:
    """Reads the tokens of a text one after the other.

    Args:
        text: The text.
        what: What the text is, for messages: ``a filter``.

    Raises:
        QueryError: The text has a character that belongs to no token.
    """

    def __init__(self, text: str, what: str) -> None:
        self._text = text
        self._what = what
        self._tokens = self._split()
        self._next = 0

    def _split(self) -> list[Token]:
        tokens, place, end = [], 0, len(self._text.rstrip())
        while place < end:
            match = _TOKEN.match(self._text, place)
            if match is None:
                place += len(self._text[place:]) - len(self._text[place:].lstrip())
                quote = self._text[place] in "\"'"
                raise self.error("a quote without an end" if quote else f"this is not part of {self._what}", place)
            kind = match.lastgroup or ""
            if kind == "word" and (wrong := misread(match[kind].partition('"')[0])):
                raise self.error(wrong[1], match.start(kind) + wrong[0])
            tokens.append(Token(kind, match[kind], match.start(kind)))
            place = match.end()
        return [*tokens, Token("end", "", end)]

    @property
    def token(self) -> Token:
        """The next token."""
        return self._tokens[self._next]

    @property
    def last(self) -> Token:
        """The token that was taken last."""
        return self._tokens[self._next - 1]

    def take(self) -> Token:
        """Return the next token, and skip it."""
        token = self.token
        self._next += token.kind != "end"
        return token

    def took(self, word: str) -> bool:
        """Return True, and skip the token, if this word or mark comes next."""
        token = self.token
        found = token.kind in ("word", "mark") and token.text.lower() == word
        self._next += found
        return found

    def error(self, reason: str, place: int) -> QueryError:
        """Create an error that shows the place in the text."""
        start = max(0, min(place - _SHOWN // 2, len(self._text) - _SHOWN))
        before, after = self._text[start:place], self._text[place : start + _SHOWN]
        more, rest = "…" if start else "", "…" if start + _SHOWN < len(self._text) else ""
        before, after = (safe(re.sub(_SPACE, " ", part)) for part in (before, after))
        shown = f"{reason}\n  {more}{before}{after}{rest}\n  {' ' * len(more + before)}^"
        return QueryError(shown, position=place)

    def fail(self, reason: str, token: Token | None = None) -> NoReturn:
        """Raise an error at a token; default: the next one."""
        raise self.error(reason, (token or self.token).place)
