"""Keeps e-mail addresses and customers' numbers out of the journal: an example of the hook ``redact``.

Copy it, and put patterns of your own in place of :data:`PATTERNS`.
"""

import re
from typing import Final

from multitrack.markers import hookimpl

__all__ = ["Redact", "plugin"]

#: What is withheld, by the text that stands for it. Each pattern has a bound for its length: an expression without one
#: can take minutes on a long line.
PATTERNS: Final = {
    "[email]": re.compile(r"\b[\w.%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b"),
    "[customer]": re.compile(r"\bCUST-?\d{4,12}\b", re.IGNORECASE),
}
#: Params and tags whose texts are withheld whole, by the last part of their key.
WITHHELD: Final = frozenset({"customer", "customer_id", "customer_name"})


class Redact:
    """Replaces the texts."""

    name = "redact"

    @hookimpl
    def redact(self, text: str, name: str) -> str | None:
        """Return the text without what is withheld, or ``None`` if there is nothing.

        Args:
            text: A param's or tag's text, a line, a reference or a text of the manifest.
            name: The key of the param or tag, such as ``data/customer``; else empty.
        """
        if name.rpartition("/")[2] in WITHHELD:
            return "[customer]"
        redacted = text
        for replacement, pattern in PATTERNS.items():
            redacted = pattern.sub(replacement, redacted)
        return None if redacted == text else redacted


#: The object that the entry point names.
plugin = Redact()
