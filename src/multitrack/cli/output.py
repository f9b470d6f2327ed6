"""Standard output and standard error of the command, and its messages on errors of the machine.

Text for people is written in the stream's own encoding, with an escape for each character that it lacks. A document
(``--json``, ``--csv``, ``--markdown``, ``--rerun``) is UTF-8, the same bytes in a file and in a pipe; ``--diff`` is the
recorded bytes. On a terminal neither holds active characters. A failed write to standard output raises
:class:`OutputError`. A failed write to standard error is dropped, because there is nowhere left to report it.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

from multitrack._text import clean_text
from multitrack.security.terminal import excerpt, safe, safe_json

#: Characters of a message: arguments and names may have any length.
_LONGEST: Final = 4000


class OutputError(Exception):
    """A write to standard output failed: it is closed, its reader is gone, or the disk is full.

    Not an ``OSError``, because click handles one of these in its own way.
    """

    def __init__(self, cause: OSError) -> None:
        super().__init__(f"cannot write to standard output: {cause.strerror}")
        self._errno = cause.errno

    def drop(self) -> int:
        """Discard the buffer, print the error unless the reader has closed the pipe, and return the exit status."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
        if self._errno != errno.EPIPE:
            say(self)
        return 1


class _Output(io.FileIO):
    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(error) from None


class _Errors(io.FileIO):
    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


@contextlib.contextmanager
def streams() -> Iterator[None]:
    """Replace standard streams by ones that exist, take every character, and fail as described in this module.

    Streams that are not files, such as a test's, are left alone.
    """
    _occupy(0, os.O_RDONLY)
    _occupy(1, os.O_RDONLY)  # which takes nothing: to write to a closed stream is an error
    _occupy(2, os.O_WRONLY)
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _opened(sys.stdout, 1, _Output), _opened(sys.stderr, 2, _Errors)
    try:
        yield
    finally:
        with contextlib.suppress(OutputError):
            sys.stdout.flush()
        sys.stdout, sys.stderr = before


def _occupy(fd: int, flags: int) -> None:
    """Open a closed descriptor, so that no other file gets its number and is written to as a stream."""
    try:
        os.fstat(fd)
    except OSError:
        opened = os.open(os.devnull, flags)
        if opened != fd:
            os.dup2(opened, fd)
            os.close(opened)


def _opened(stream: TextIO | None, fd: int, raw: type[io.FileIO]) -> TextIO:
    encoding = "utf-8"
    if stream is not None:
        stream.flush()
        try:
            fd = stream.fileno()
        except (OSError, ValueError):
            return stream
        encoding = stream.encoding
    file = raw(fd, "wb", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(file), encoding, "backslashreplace", line_buffering=fd == 2 or file.isatty()
    )


def line(text: str = "", *, err: bool = False) -> None:
    """Print a line for people; its text is escaped already."""
    stream = sys.stderr if err else sys.stdout
    stream.write(f"{text}\n")
    if err:
        stream.flush()


def say(text: object, *, lines: bool = False) -> None:
    """Print a message to standard error.

    Args:
        text: The message; may hold anything.
        lines: Keep its newlines.
    """
    line(f"multitrack: {excerpt(safe(text, lines=lines), _LONGEST)}", err=True)


def document(parts: Iterable[str], *, json: bool = False) -> None:
    """Print a document as it is made: UTF-8 in a file or a pipe; on a terminal, with escapes for what would act there.

    Args:
        parts: The document, in pieces.
        json: It is JSON, so that its own escapes will do.
    """
    out = sys.stdout
    buffer = getattr(out, "buffer", None)
    if buffer is None or out.isatty():
        for part in parts:
            out.write(_ascii(part) if json and not _holds_all(out) else part if json else safe(part, lines=True))
        return
    out.flush()
    for part in parts:
        buffer.write(part.encode("utf-8", "backslashreplace"))
    buffer.flush()


def file_content(content: bytes) -> None:
    """Print a file as it is; on a terminal as text, with escapes for what would act there."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None or sys.stdout.isatty():
        sys.stdout.write(safe(content.decode("utf-8", "backslashreplace").expandtabs(), lines=True))
        return
    sys.stdout.flush()
    buffer.write(content)
    buffer.flush()


def _holds_all(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "").replace("_", "").startswith("utf")


def _ascii(document: str) -> str:
    """JSON of the same values, for a terminal that has other characters only as escapes."""
    return re.sub(r"[^\x00-\x7f]", lambda match: _json_escape(match[0]), document)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def told(error: BaseException) -> str:
    """A trouble of the machine in a sentence: the file, and what is wrong with it."""
    if isinstance(error, MemoryError):
        return "out of memory"
    if not isinstance(error, OSError) or not error.strerror:
        return str(error) or type(error).__name__
    if error.filename is not None:
        return (
            f"{os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename}: {error.strerror}"
        )
    if error.errno == errno.ENOENT and not _has_directory():
        return "the current directory was deleted; start from one that exists, or give absolute paths"
    return error.strerror


def _has_directory() -> bool:
    try:
        Path.cwd()
    except OSError:
        return False
    return True


def print_json(value: object) -> None:
    """One JSON document; NaN and ±inf as strings, as in the journal."""
    text = safe_json(msgspec.json.format(msgspec.json.encode(plain(value)).decode(), indent=2))
    document([f"{text}\n"], json=True)


def json_line(value: object) -> str:
    """One JSON document on a line of its own."""
    return f"{safe_json(msgspec.json.encode(plain(value)).decode())}\n"


def plain(value: Any) -> Any:
    """With NaN and ±inf as strings, as JSON has none and null would lose them; paths that are no UTF-8 with escapes."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float) and value - value != 0.0:
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return msgspec.to_builtins(value) if isinstance(value, msgspec.Struct) else value
