"""Make text from any source safe to print on a terminal; the one place that decides which characters are unsafe.

Escapes can move the cursor, rewrite printed text and set the clipboard. Bidirectional overrides display a different
text. A newline in a name starts a new row. Long texts are shortened in messages.
"""

from __future__ import annotations

import functools
import logging
import re
import traceback
from typing import Final

#: C0 except newline, DEL, C1; line and paragraph separators; bidirectional controls and marks; lone surrogates.
_ACTIVE: Final = r"\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_NAMED: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def safe(text: object, *, lines: bool = False) -> str:
    """Replace unsafe characters with visible escapes.

    Args:
        text: Any object; its ``str`` is used.
        lines: True to keep newlines; otherwise the result is one line.
    """
    return _unsafe(lines).sub(_escape, str(text))


def all_safe(texts: list[str]) -> list[str]:
    """Make many texts safe, each as one line; nearly always none needs it, which one search shows."""
    return texts if _unsafe(lines=False).search("".join(texts)) is None else [safe(text) for text in texts]


def safe_json(document: str) -> str:
    """Replace unsafe characters in JSON with Unicode escapes of the same value; newlines stay."""
    return _unsafe(lines=True).sub(lambda match: f"\\u{ord(match[0]):04x}", document)


def excerpt(text: str, most: int = 80) -> str:
    """Shorten a text for a message to its beginning, its end and its length, if it exceeds ``most`` characters."""
    end = most // 4
    return text if len(text) <= most else f"{text[: most - end]}…{text[-end:]} ({len(text):,} characters)"


@functools.cache
def _unsafe(lines: bool) -> re.Pattern[str]:
    """Return the pattern of an unsafe character; compiled on first use, in 1 ms that an import does without."""
    return re.compile(f"[{_ACTIVE}]" if lines else rf"[\n{_ACTIVE}]")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return _NAMED.get(match[0]) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


class SafeFilter(logging.Filter):
    """Makes our log messages safe: they quote trackers' errors, names and paths."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Make the record's message and traceback safe; always return True."""
        record.msg, record.args = safe(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = safe("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"), lines=True)
        return True
