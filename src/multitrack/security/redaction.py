"""Keeping secrets out of the journal: the built-in rules, then what plugins withhold, each time counted."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Protocol

from multitrack.security.secrets import (
    REDACTED,
    basic_forms,
    forms_of,
    is_secret_name,
    key_values,
    passwords_in,
    with_basic_forms,
    without_arguments,
    without_credentials,
)

log = logging.getLogger("multitrack")

#: Log lines look at the environment again after so many seconds, or when its size has changed; all else, each time.
_LOOK_AGAIN: Final = 1.0


class Redacting(Protocol):
    """A plugin as far as redaction goes: :class:`multitrack.plugins.Extension`."""

    @property
    def origin(self) -> str:
        """Where it is from, for messages."""

    @property
    def redacts(self) -> bool:
        """Whether it has the hook at all."""

    def redact(self, text: str, name: str) -> str:
        """Call the hook."""


class Redactor:
    """What the texts of one run pass through on their way to the journal.

    Args:
        extensions: The plugins that count for this run.
        secrets: Further values to take out, wherever they stand.
    """

    def __init__(self, extensions: Sequence[Redacting] = (), secrets: Collection[str] = ()) -> None:
        self.extensions = [extension for extension in extensions if extension.redacts]
        self.values: tuple[str, ...] = ()
        self._known = forms_of(secrets)
        self._keys: list[str | None] = []
        self._looked = (0, 0.0)
        self._look()

    def begin(self, *, lines: bool = False) -> Redaction:
        """One call's way through; the trackers' keys are those of the environment as it is now.

        Args:
            lines: For log lines, which come often: a variable *changed* within the last second may be missed.
        """
        size, when = self._looked
        if not lines or len(os.environ) != size or time.monotonic() - when > _LOOK_AGAIN:
            self._look()
        return Redaction(self)

    def add(self, secrets: Collection[str]) -> None:
        """Take out these values as well."""
        self._known |= forms_of(secrets)
        self.values = tuple(sorted(self._known, key=len, reverse=True))

    def _look(self) -> None:
        self._looked = (len(os.environ), time.monotonic())
        keys = key_values()
        if keys != self._keys:
            self._keys = keys
            self.add(with_basic_forms(keys))  # what was a key once stays one


class Redaction:
    """The redactions of one call.

    Attributes:
        count: How many values were redacted so far.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.count = 0

    def text(self, text: str, name: str = "") -> str:
        """A text as it may be kept.

        Args:
            text: Any text.
            name: The param's, tag's or option's key, where it is the value of one.
        """
        if not text:
            return text
        after = REDACTED if name and is_secret_name(name) else self._hooked(self._clean(text), name)
        self.count += after != text
        return after

    def value(self, value: Any, name: str) -> Any:
        """A plain value as it may be kept: its strings, and those in its lists and mappings; numbers stay."""
        if isinstance(value, str):
            return self.text(value, name)
        if isinstance(value, list):
            return [self.value(item, name) for item in value]
        if isinstance(value, dict):
            secret = is_secret_name(name)  # then a mapping in a list of this name is so throughout
            return {key: self.value(item, name if secret else f"{name}/{key}") for key, item in value.items()}
        return value

    def lines(self, lines: list[str]) -> list[str]:
        """Log lines as they may be kept."""
        if not self._redactor.extensions:
            whole = "\n".join(lines)
            if "://" not in whole and not any(value in whole for value in self._redactor.values):
                return lines
        return [self.text(line) for line in lines]

    def command(self, words: Sequence[str]) -> list[str]:
        """A command line as it may be kept."""
        before = self.count
        kept = [self.text(word) for word in without_arguments(words)]
        self.count = before + sum(word != was for word, was in zip(kept, words, strict=True))
        return kept

    def options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """A backend's options as the manifest may keep them: a secret one is left out, and is its default again."""
        kept = {key: self.value(value, key) for key, value in options.items()}
        return {key: value for key, value in kept.items() if value != REDACTED or not isinstance(value, str)}

    def _clean(self, text: str) -> str:
        for value in self._redactor.values:
            if value in text:
                text = text.replace(value, REDACTED)
        return without_credentials(text)

    def _hooked(self, text: str, name: str) -> str:
        """The text as the plugins leave it; withheld where one raises."""
        for extension in self._redactor.extensions:
            try:
                text = extension.redact(text, name)
            except Exception:
                log.exception("multitrack: %s raised in redact; the text was withheld", extension.origin)
                text = REDACTED
        return text


def secret_values(options: Mapping[str, Any]) -> list[str]:
    """The values of those options that are secrets by their name, and the passwords in URIs; also as sent by HTTP."""
    texts = {key: value for key, value in options.items() if isinstance(value, str)}
    secrets = [value for key, value in texts.items() if is_secret_name(key)]
    secrets += [form for value in secrets for form in basic_forms(f"api:{value}")]  # W&B's key goes so
    return secrets + [password for value in texts.values() for password in passwords_in(value)]
