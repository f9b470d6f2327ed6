"""Redact secrets before they reach the journal, by the built-in rules and then by plugins, and count them."""

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

#: Seconds after which log lines read the key variables again, unless the environment's size changed; others always do.
_LOOK_AGAIN: Final = 1.0


class Redacting(Protocol):
    """The part of :class:`multitrack.plugins.Extension` that redaction uses."""

    @property
    def origin(self) -> str:
        """The plugin's origin, for messages."""

    @property
    def redacts(self) -> bool:
        """True if the plugin has the hook ``redact``."""

    def redact(self, text: str, name: str) -> str:
        """Call the hook."""


class Redactor:
    """The redaction rules of one run.

    Args:
        extensions: The plugins of this run.
        secrets: Further values to redact in all texts.
    """

    def __init__(self, extensions: Sequence[Redacting] = (), secrets: Collection[str] = ()) -> None:
        self.extensions = [extension for extension in extensions if extension.redacts]
        self.values: tuple[str, ...] = ()
        self._known = forms_of(secrets)
        self._keys: list[str | None] = []
        self._looked = (0, 0.0)
        self._look()

    def begin(self, *, lines: bool = False) -> Redaction:
        """Begin the redactions of one call, with the trackers' keys in the current environment.

        Args:
            lines: True for log lines, which are frequent: a variable *changed* within the last second may be missed.
        """
        size, when = self._looked
        if not lines or len(os.environ) != size or time.monotonic() - when > _LOOK_AGAIN:
            self._look()
        return Redaction(self)

    def add(self, secrets: Collection[str]) -> None:
        """Redact these values as well."""
        self._known |= forms_of(secrets)
        self.values = tuple(sorted(self._known, key=len, reverse=True))

    def _look(self) -> None:
        self._looked = (len(os.environ), time.monotonic())
        keys = key_values()
        if keys != self._keys:
            self._keys = keys
            self.add(with_basic_forms(keys))  # earlier keys stay secret


class Redaction:
    """The redactions of one call.

    Attributes:
        count: Number of values redacted so far.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.count = 0

    def text(self, text: str, name: str = "") -> str:
        """Redact a text.

        Args:
            text: Any text.
            name: The key, if the text is the value of a param, tag or option.
        """
        if not text:
            return text
        after = REDACTED if name and is_secret_name(name) else self._hooked(self._clean(text), name)
        self.count += after != text
        return after

    def source(self, text: str, path: str) -> str:
        """Redact source code, or the part of a patch that changes one file; not counted among the run's values.

        Args:
            text: The text.
            path: The path of the file.
        """
        from multitrack.security.source_text import without_literals  # noqa: PLC0415 - only runs of scripts need it

        return self._hooked(self._clean(without_literals(text, path)), "")

    def value(self, value: Any, name: str) -> Any:
        """Redact the strings of a plain value, including those in its lists and mappings; numbers stay."""
        if isinstance(value, str):
            return self.text(value, name)
        if isinstance(value, list):
            return [self.value(item, name) for item in value]
        if isinstance(value, dict):
            secret = is_secret_name(name)  # then everything in nested mappings is secret as well
            return {key: self.value(item, name if secret else f"{name}/{key}") for key, item in value.items()}
        return value

    def lines(self, lines: list[str]) -> list[str]:
        """Redact log lines."""
        if not self._redactor.extensions:
            whole = "\n".join(lines)
            if "://" not in whole and not any(value in whole for value in self._redactor.values):
                return lines
        return [self.text(line) for line in lines]

    def command(self, words: Sequence[str]) -> list[str]:
        """Redact a command line."""
        before = self.count
        kept = [self.text(word) for word in without_arguments(words)]
        self.count = before + sum(word != was for word, was in zip(kept, words, strict=True))
        return kept

    def options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Redact a backend's options for the manifest; a secret option is left out, so that its default applies."""
        kept = {key: self.value(value, key) for key, value in options.items()}
        return {key: value for key, value in kept.items() if value != REDACTED or not isinstance(value, str)}

    def _clean(self, text: str) -> str:
        for value in self._redactor.values:
            if value in text:
                text = text.replace(value, REDACTED)
        return without_credentials(text)

    def _hooked(self, text: str, name: str) -> str:
        """Apply the plugins' ``redact`` hooks; the text is withheld if one raises."""
        for extension in self._redactor.extensions:
            try:
                text = extension.redact(text, name)
            except Exception:
                log.exception("multitrack: %s raised in redact; the text was withheld", extension.origin)
                text = REDACTED
        return text


def secret_values(options: Mapping[str, Any]) -> list[str]:
    """The values of options with a secret name, and the passwords in URIs; also in the forms sent by HTTP."""
    texts = {key: value for key, value in options.items() if isinstance(value, str)}
    secrets = [value for key, value in texts.items() if is_secret_name(key)]
    secrets += [form for value in secrets for form in basic_forms(f"api:{value}")]  # W&B sends its key so
    return secrets + [password for value in texts.values() for password in passwords_in(value)]
