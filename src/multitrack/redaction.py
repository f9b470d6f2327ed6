"""Keeping secrets out of the journal: credentials in URIs, and what plugins withhold."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from multitrack.plugins import Extension

log = logging.getLogger("multitrack")

#: What stands in the place of a secret.
REDACTED: Final = "[redacted]"
_QUERY_SECRETS: Final = re.compile(
    r"(?i)^(x-(amz|goog)-(signature|credential|security-token)|awsaccesskeyid|googleaccessid|signature|sig|"
    r".*(token|secret|password|passwd|api_?key|access_?key|credential).*)$"
)


def without_credentials(uri: str) -> str:
    """A URI without ``user:password@`` and without the secret parts of a signed query.

    Parts that hold no secret stay letter for letter.
    """
    try:
        parts = urlsplit(uri)
    except ValueError:
        return re.sub(r"//[^/@]*@", "//", uri)
    if not parts.scheme or not (parts.netloc or parts.query):
        return uri
    netloc, query = parts.netloc, parts.query
    if "@" in netloc:
        user, host = netloc.rsplit("@", 1)
        # ssh://git@host names an account, not a secret; a password or a token as the user does not stay
        netloc = host if ":" in user or parts.scheme in {"http", "https"} else netloc
    pairs = parse_qsl(query, keep_blank_values=True)
    if any(_QUERY_SECRETS.match(key) for key, _ in pairs):
        query = urlencode(
            [(key, REDACTED if _QUERY_SECRETS.match(key) else value) for key, value in pairs], safe="[]/:"
        )
    if (netloc, query) == (parts.netloc, parts.query):
        return uri
    return urlunsplit(parts._replace(netloc=netloc, query=query))


class Redactor:
    """Passes texts through the ``redact`` hooks, and counts.

    Args:
        extensions: The plugins that count for this run.
    """

    def __init__(self, extensions: Sequence[Extension]) -> None:
        self._extensions = [extension for extension in extensions if extension.redacts]
        self.count = 0

    @property
    def active(self) -> bool:
        """Whether any plugin redacts; without one, texts need not pass through here."""
        return bool(self._extensions)

    def text(self, text: str, name: str = "") -> str:
        """The text as it may be kept; withheld where a hook raises."""
        before = text
        for extension in self._extensions:
            try:
                text = extension.redact(text, name)
            except Exception:
                log.exception("multitrack: %s raised in redact; the text was withheld", extension.origin)
                text = REDACTED
        self.count += text != before
        return text
