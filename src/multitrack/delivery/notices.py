"""Notify the user about a lane: without secrets, and once per problem."""

from __future__ import annotations

from collections.abc import Callable

from multitrack._text import clean_text, error_text
from multitrack.environment.directory import with_reason
from multitrack.errors import BackendError
from multitrack.security.redaction import Redactor


class Notices:
    """The notices of one lane.

    Args:
        backend: The backend's name, the prefix of each notice.
        notice: Called with a sentence for the user.
        redactor: Redacts secrets: a tracker's message may quote a key.
    """

    def __init__(self, backend: str, notice: Callable[[str], None], redactor: Redactor) -> None:
        self._backend = backend
        self._notice = notice
        self._redactor = redactor
        self._said: str | None = None

    def clean(self, text: str) -> str:
        """Make a tracker's or plugin's text safe for files and screens: redacted and valid Unicode."""
        return self._redactor.begin().text(clean_text(text))

    def worded(self, error: BaseException) -> str:
        """The redacted type and message of an error."""
        return self.clean(error_text(error))

    def message(self, error: BackendError) -> str:
        """The redacted message of a backend's error, without its class."""
        return self.clean(error_text(error).removeprefix(f"{type(error).__name__}: "))

    def say(self, text: str) -> None:
        """Send a notice to the user."""
        self._notice(f"{self._backend}: {text}")

    def trouble(self, problem: str, what_next: str) -> str:
        """Notify about a problem, unless one was reported since the last success; return its text."""
        problem = with_reason(problem)
        if self._said is None:
            self.say(f"{problem} ({what_next})")
        self._said = problem
        return problem

    def once(self, problem: str) -> None:
        """Notify about a problem of this machine, unless a problem was reported since the last success."""
        if self._said is None:
            self.say(problem)
            self._said = problem

    def begin_anew(self) -> None:
        """Reset, so that the next problem is reported."""
        self._said = None

    def success(self, *, after_tries: bool) -> None:
        """Note a success, and notify if a problem had been reported."""
        if after_tries and self._said is not None:
            self.say("delivering again")
        self._said = None
