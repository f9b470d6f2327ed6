"""Text that cannot do anything to a terminal, wherever it came from: the one place that decides which characters can.

Escapes move the cursor, rewrite what was printed, set the clipboard; bidirectional overrides show another text than
the one that is there; a newline in a name makes a row of its own. A text of any length makes no message of that length.
"""

from __future__ import annotations

import logging
import re
import traceback
from typing import Final

#: C0 but newline, DEL, C1; line and paragraph separators; bidirectional marks, overrides and isolates; lone surrogates.
_ACTIVE: Final = r"\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL: Final = re.compile(rf"[\n{_ACTIVE}]")
_CONTROL_BUT_NEWLINE: Final = re.compile(f"[{_ACTIVE}]")
_NAMED: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def safe(text: object, *, lines: bool = False) -> str:
    """A text on one line, each character that does something shown as an escape.

    Args:
        text: Anything; its ``str``.
        lines: Keep newlines.
    """
    return (_CONTROL_BUT_NEWLINE if lines else _CONTROL).sub(_escape, str(text))


def safe_json(document: str) -> str:
    """JSON with the same values, and nothing in it that does something; what it is indented with stays."""
    return _CONTROL_BUT_NEWLINE.sub(lambda match: f"\\u{ord(match[0]):04x}", document)


def excerpt(text: str, most: int = 80) -> str:
    """A text in a message: whole, or of a longer one the beginning, the end, and how long it is."""
    end = most // 4
    return text if len(text) <= most else f"{text[: most - end]}…{text[-end:]} ({len(text):,} characters)"


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return _NAMED.get(match[0]) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


class SafeFilter(logging.Filter):
    """Makes what we log safe: it quotes trackers' errors, names and paths."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Alter the record; always lets it pass."""
        record.msg, record.args = safe(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = safe("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"), lines=True)
        return True
