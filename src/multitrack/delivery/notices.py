"""The sentences of a lane: without secrets, and each trouble once."""

from __future__ import annotations

from collections.abc import Callable

from multitrack._text import clean_text, error_text
from multitrack.environment.directory import with_reason
from multitrack.errors import BackendError
from multitrack.security.redaction import Redactor


class Notices:
    """Says what becomes of one lane.

    Args:
        backend: Its backend's name, which each sentence begins with.
        notice: Called with a sentence for the user.
        redactor: Takes secrets out: a tracker's message may quote a key.
    """

    def __init__(self, backend: str, notice: Callable[[str], None], redactor: Redactor) -> None:
        self._backend = backend
        self._notice = notice
        self._redactor = redactor
        self._said: str | None = None

    def clean(self, text: str) -> str:
        """A text of a tracker or plugin as files and screens may have it."""
        return self._redactor.begin().text(clean_text(text))

    def worded(self, error: BaseException) -> str:
        """An error as files and messages may have it."""
        return self.clean(error_text(error))

    def message(self, error: BackendError) -> str:
        """The message of a backend's own error, without its class."""
        return self.clean(error_text(error).removeprefix(f"{type(error).__name__}: "))

    def say(self, text: str) -> None:
        """Say a sentence."""
        self._notice(f"{self._backend}: {text}")

    def trouble(self, problem: str, what_next: str) -> str:
        """Say a trouble, unless one has been said since the last success; the trouble as it is shown."""
        problem = with_reason(problem)
        if self._said is None:
            self.say(f"{problem} ({what_next})")
        self._said = problem
        return problem

    def once(self, problem: str) -> None:
        """Say a trouble of this machine, unless one has been said."""
        if self._said is None:
            self.say(problem)
            self._said = problem

    def begin_anew(self) -> None:
        """Forget what was said: the next trouble is said again."""
        self._said = None

    def success(self, *, after_tries: bool) -> None:
        """It works; said where a trouble had been."""
        if after_tries and self._said is not None:
            self.say("delivering again")
        self._said = None
