"""Describe the target of a reference: an absolute URI, and for local files digest and size."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from multitrack._text import plain_text

#: Maximum bytes, and files in a directory, whose digest is computed at once, which training does not notice. Digests of
#: larger ones are computed on a thread.
LARGE: Final = 16 << 20
MANY: Final = 1000

#: Maximum bytes read from a file that reports size 0. Files in ``/proc`` do so, and some of them never end.
_UNSIZED: Final = 1 << 20

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_FILE: Final = re.compile(r"(?i)file:(?://([^/]*))?(?=/)")


class _EndlessError(OSError):
    """The file has no known end, so it cannot be read whole."""


class Described(msgspec.Struct, frozen=True):
    """A URI with its digest and size, as far as known.

    Attributes:
        uri: The URI.
        digest: The digest, if known.
        size: The size in bytes, if known.
        unread: The file or directory whose digest is still to be computed on a thread.
        path: The local path, if it is one.
        odd: The kind of a path that has no digest: a FIFO, a device, a socket, an endless file.
    """

    uri: str
    digest: str | None
    size: int | None
    unread: Path | None = None
    path: Path | None = None
    odd: str | None = None


def describe(uri: Any, *, digest: bool | str = True, size: int | None = None) -> Described:
    """Describe a URI or local path. Only regular files and directories are opened.

    Args:
        uri: A text with a scheme is a URI and stays unchanged, unless it is an existing path (``lr:0.1/m.keras``) or
            a ``file:`` URI of this host. Anything else is a local path.
        digest: As for :meth:`multitrack.Run.log_artifact_ref`.
        size: Size in bytes, if the caller knows it.

    Raises:
        TypeError: If it is not a string or path.
        ValueError: If it is empty or contains a NUL.
        FileNotFoundError: If a digest is wanted and the local path does not exist.
        OSError: If the file cannot be read.
    """
    if not isinstance(uri, (str, os.PathLike)):
        raise TypeError(f"uri must be a string or a path, got {type(uri).__qualname__}")
    text = plain_text(os.fsdecode(uri))
    if not text or "\0" in text:
        raise ValueError(f"uri must not be empty or hold a NUL character, got {text!r}")
    if isinstance(uri, str) and _is_uri(text):
        return Described(text, plain_text(digest) if isinstance(digest, str) else None, size)
    path = _local_path(text)
    if digest is not True:
        given = plain_text(digest) if isinstance(digest, str) else None
        return Described(path.as_uri(), given, size, path=path)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{path} does not exist; pass digest=False to record the reference anyway") from None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise FileNotFoundError(
            f"{path} is a symbolic link that leads to itself; pass digest=False to record the reference anyway"
        ) from None
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return Described(path.as_uri(), None, size, odd=_kind_of(mode))
    try:
        if _is_large(path):
            return Described(path.as_uri(), None, size, unread=path, path=path)
        return Described(path.as_uri(), *digest_of(path), path=path)
    except _EndlessError:
        return Described(path.as_uri(), None, size, odd="an endless file")


def _is_uri(text: str) -> bool:
    file = _FILE.match(text)
    if file is not None:
        return (file[1] or "localhost").lower() != "localhost"
    if text.startswith("file:") or _SCHEME.match(text) is None:
        return False
    if "://" in text:
        return True
    above = os.path.dirname(text)  # noqa: PTH120 - the text may not be a path
    return not (os.path.lexists(text) or (":" in above and os.path.isdir(above)))  # noqa: PTH112 - as above


def _local_path(text: str) -> Path:
    file = _FILE.match(text)
    path = Path(text if file is None else text[file.end() :])
    if file is not None:
        unquoted = Path(_unquoted(path))
        if os.path.lexists(unquoted) or not os.path.lexists(path):  # the path of f"file://{path}" may have a literal %
            path = unquoted
    try:
        return path.absolute()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is relative, and the current directory was deleted") from None


def _unquoted(path: Path) -> str:
    """Decode the percent-escapes of a URI's path; they may stand for any bytes."""
    text = os.fsdecode(unquote_to_bytes(os.fsencode(path)))
    if "\0" in text:
        raise ValueError(f"uri must not hold a NUL character, got {str(path)!r}")
    return text


def _kind_of(mode: int) -> str:
    named = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    return named.get(stat.S_IFMT(mode), "not a regular file")


def _is_large(path: Path) -> bool:
    """Return True if computing the digest would take long; stops at the first file that exceeds a limit."""
    size = 0
    for count, file in enumerate(files_of(path), start=1):
        found = file.stat()
        size += 0 if _has_no_size(found) else found.st_size
        if size > LARGE or count > MANY:
            return True
    return False


def digest_of(path: Path) -> tuple[str, int]:
    """Compute the digest ``sha256:<hex>`` and the size in bytes of a file or directory.

    The digest of a directory is that of its files' names and digests, in sorted order.

    Raises:
        OSError: If the path or a file in it cannot be read, or no longer exists.
    """
    import hashlib  # noqa: PLC0415 - loads OpenSSL, 4 ms and 3 MB, which only references to files need

    if not path.is_dir():
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            found = os.fstat(opened.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError(f"{path} is {_kind_of(found.st_mode)} now")
            if _has_no_size(found):
                content = _unsized(opened.fileno(), path)
                return f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)
            return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}", found.st_size
    whole = hashlib.sha256()
    total = 0
    for file in sorted(files_of(path)):
        try:
            digest, size = digest_of(file)
        except _EndlessError:
            continue
        whole.update(f"{file.relative_to(path).as_posix()}\0{digest}\n".encode("utf-8", "surrogateescape"))
        total += size
    return f"sha256:{whole.hexdigest()}", total


def _has_no_size(found: os.stat_result) -> bool:
    """Return True if a regular file's size is unreliable: 0, or a kernel file's such as ``/proc/kcore``."""
    return found.st_size == 0 or found.st_dev in _kernels()


@functools.cache
def _kernels() -> set[int]:
    """The device numbers of the kernel's own file systems."""
    found = set()
    for place in ("/proc", "/sys"):
        with contextlib.suppress(OSError):
            if os.path.ismount(place):
                found.add(os.stat(place).st_dev)  # noqa: PTH116 - as above
    return found


def _unsized(file: int, path: Path) -> bytes:
    """Read an open file whose size is unreliable.

    Raises:
        _EndlessError: If it does not end within :data:`_UNSIZED` bytes, or has no content at the moment.
    """
    content = b""
    try:
        while len(content) <= _UNSIZED and (read := os.read(file, _UNSIZED)):
            content += read
    except BlockingIOError:
        raise _EndlessError(f"{path} has no content at the moment") from None
    if len(content) > _UNSIZED:
        raise _EndlessError(f"{path} does not end")
    return content


def files_of(path: Path) -> Iterator[Path]:
    """Yield the regular files in a directory, including symbolic links to files; for a file, the file itself."""
    if not path.is_dir():
        yield path
        return
    yield from (found for found in path.rglob("*") if found.is_file())
