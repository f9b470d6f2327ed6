"""Keep files of a run's source in its directory, with secrets redacted, and count what is left out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import msgspec

from multitrack._text import clean_text
from multitrack.journal.atomic import write_whole
from multitrack.journal.provenance import CODE, LARGEST, CodeState
from multitrack.security.redaction import Redaction

log = logging.getLogger("multitrack")

#: Maximum number of names in the manifest; there may be a million.
_NAMES: Final = 100
#: Maximum characters of such a name.
_NAME: Final = 500


class CodeFiles:
    """The files in a run's ``code/``, while they are gathered.

    Args:
        directory: The run's directory.
        redaction: The redaction of the run's texts.

    Attributes:
        journal: The journal's directory.
        redaction: As given.
        redacted: Number of redacted texts, by file.
    """

    def __init__(self, directory: Path, redaction: Redaction) -> None:
        self.journal = directory.parent.parent
        self.redaction = redaction
        self.redacted: dict[str, int] = {}
        self._directory = directory / CODE
        self._files: dict[str, int] = {}
        self._left_out: dict[str, str] = {}
        self._left_out_count = 0

    def source(self, content: bytes, path: str, file: str) -> bytes:
        """Redact source code, and count that for the file it goes to; bytes that are not UTF-8 stay as they are.

        Args:
            content: The code.
            path: The path that it has in the source.
            file: The file in ``code/``.
        """
        try:
            text, encoding = content.decode(), "utf-8"
        except UnicodeDecodeError:
            text, encoding = content.decode("latin-1"), "latin-1"
        after = self.redaction.source(text, path)
        if after == text:
            return content
        self.redacted[file] = self.redacted.get(file, 0) + 1
        return after.encode(encoding, "replace")

    def write(self, name: str, content: bytes) -> None:
        """Write a file; an empty one is left out, and so is one that cannot be written."""
        if not content:
            return
        if len(content) > LARGEST:
            self.leave_out(name, f"larger than {LARGEST:,} bytes")
            return
        path = self._directory / name
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            write_whole(path, content)
        except OSError as error:
            log.warning("multitrack: %s was not written: %s", path, error)
            self.leave_out(name, f"not written: {error.strerror}")
            return
        self._files[name] = len(content)

    def leave_out(self, what: str, reason: str, count: int = 1) -> None:
        """Note a part, or a path, that is left out."""
        self._left_out_count += count
        if len(self._left_out) < _NAMES:
            self._left_out[self.names([what])[0]] = self.redaction.text(clean_text(reason))[:_NAME]

    def names(self, names: list[str]) -> list[str]:
        """The first of the names, as the manifest holds them."""
        return [self.redaction.text(clean_text(name))[:_NAME] for name in names[:_NAMES]]

    def added_to(self, code: CodeState) -> CodeState:
        """Add all files that were written, and all that was left out."""
        redacted = {name: count for name, count in self.redacted.items() if name in self._files}
        return msgspec.structs.replace(
            code, files=self._files, left_out=self._left_out, left_out_count=self._left_out_count, redacted=redacted
        )
