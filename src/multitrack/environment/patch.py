"""Keep the part of a git diff that is text and not too large, while it is read.

Git's output is cut into sections, one for each changed file. A section is kept whole or left out, so the patch always
applies. Memory is bounded by the limits, however large the diff is.
"""

from __future__ import annotations

from typing import Final

from multitrack.environment.code_files import CodeFiles
from multitrack.journal.provenance import LARGEST, PATCH
from multitrack.security.source_text import holds_private_key

#: Maximum bytes of the changes of one file; git takes a larger file for a binary one.
FILE_LIMIT: Final = 1_000_000
_BEGIN: Final = b"diff --git "


class PatchFilter:
    """Takes the output of ``git diff`` in parts.

    Args:
        files: Redacts, and counts what is left out.
    """

    def __init__(self, files: CodeFiles) -> None:
        self.kept = 0
        self.full = False
        self._files = files
        self._patch: list[bytes] = []
        self._size = 0
        self._rest = b""
        self._head: bytes | None = None
        self._section: list[bytes] = []
        self._length = 0
        self._binary = False

    def take(self, chunk: bytes) -> bool:
        """Take a part; return False once nothing more would be kept."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > FILE_LIMIT:  # one endless line: only its length counts, and that it is not a new section
            self._length += len(self._rest)
            self._rest = b" "
        return not self.full

    def patch(self, *, complete: bool) -> bytes:
        """End the output.

        Args:
            complete: False if git was ended early, so that its last section is not whole.
        """
        if complete and self._rest:
            self._line(self._rest)
        if complete:
            self._end_section()
        return b"".join(self._patch)

    def _line(self, line: bytes) -> None:
        # no line of a file's changes begins like these, because each has a sign before it
        if line.startswith((_BEGIN, b"* Unmerged path ")):
            self._end_section()
            self._head, self._section, self._length, self._binary = line, [], 0, False
        elif line.startswith(b"Binary files "):
            self._binary = True
        self._length += len(line) + 1
        if self._length <= FILE_LIMIT:
            self._section += (line, b"\n")

    def _end_section(self) -> None:
        head, self._head = self._head, None
        if head is None or self.full or not head.startswith(_BEGIN):
            return
        path = _path(head)
        content = b"".join(self._section)
        if self._binary:
            self._files.leave_out(path, f"binary, or larger than {FILE_LIMIT:,} bytes")
        elif self._length > FILE_LIMIT:
            self._files.leave_out(path, f"its changes are larger than {FILE_LIMIT:,} bytes")
        elif holds_private_key(content.decode("latin-1")):
            self._files.leave_out(path, "it holds a private key")
        elif self._size + len(content) > LARGEST - FILE_LIMIT:
            self.full = True  # keeps room for the longer text of redactions
        else:
            content = self._files.source(content, path, PATCH)
            self._patch.append(content if content.endswith(b"\n") else content + b"\n")
            self._size += len(content)
            self.kept += 1


def _path(head: bytes) -> str:
    """The path in ``diff --git a/path b/path``; both are the same, because git was told to look for no renames."""
    both = head[len(_BEGIN) :].rstrip(b"\r")
    one = both[: len(both) // 2].strip(b'"')
    return one.removeprefix(b"a/").decode(errors="surrogateescape")
