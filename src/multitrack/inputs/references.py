"""What a reference says of the thing it points to: an absolute URI, and for local files digest and size."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from multitrack.inputs.names import plain_text

#: Bytes, and files of a directory, whose digest takes a moment that training does not notice. That of more is computed
#: on a thread.
LARGE: Final = 16 << 20
MANY: Final = 1000

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class Described(msgspec.Struct, frozen=True):
    """A URI with what is known of its bytes.

    Attributes:
        uri: The URI.
        digest: Its digest, where that is known.
        size: Its bytes, where they are known.
        unread: The file or directory whose digest is wanted and would take long.
        odd: What the path is, where that has no digest: a FIFO, a device, a socket.
    """

    uri: str
    digest: str | None
    size: int | None
    unread: Path | None = None
    odd: str | None = None


def describe(uri: Any, *, digest: bool | str = True, size: int | None = None) -> Described:
    """A URI or local path as a reference. Only regular files and directories are opened.

    Args:
        uri: What has a scheme stays as it is, unless it is the path of something that is there (``lr:0.1/m.keras``).
            The rest is a local path.
        digest: As for :meth:`multitrack.Run.log_artifact_ref`.
        size: Bytes, where the caller knows.

    Raises:
        TypeError: It is no string or path.
        ValueError: It is empty.
        FileNotFoundError: A digest is wanted of a local path that does not exist.
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
        return Described(path.as_uri(), plain_text(digest) if isinstance(digest, str) else None, size)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"{path} does not exist; digest=False records the reference all the same") from None
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return Described(path.as_uri(), None, size, odd=_kind_of(mode))
    if _is_large(path):
        return Described(path.as_uri(), None, size, unread=path)
    return Described(path.as_uri(), *digest_of(path))


def _is_uri(text: str) -> bool:
    if text.startswith("file:") or _SCHEME.match(text) is None:
        return False
    if "://" in text:
        return True
    above = os.path.dirname(text)  # noqa: PTH120 - of text that may be no path
    return not (os.path.lexists(text) or (":" in above and os.path.isdir(above)))  # noqa: PTH112 - as above


def _local_path(text: str) -> Path:
    path = Path(re.sub(r"^file:(//(localhost)?)?(?=/)", "", text) if text.startswith("file:") else text)
    try:
        return path.absolute()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} is relative, and the current directory was deleted") from None


def _kind_of(mode: int) -> str:
    named = {stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
    return named.get(stat.S_IFMT(mode), "no regular file")


def _is_large(path: Path) -> bool:
    """Whether computing its digest would take long; looks no further than that takes to know."""
    size = 0
    for count, found in enumerate(files_of(path), start=1):
        size += found.stat().st_size
        if size > LARGE or count > MANY:
            return True
    return False


def digest_of(path: Path) -> tuple[str, int]:
    """``sha256:<hex>`` and bytes of a file, or of a directory: its files' names and digests in sorted order.

    Raises:
        OSError: It, or a file in it, cannot be read, or is no longer there.
    """
    import hashlib  # noqa: PLC0415 - OpenSSL: 4 ms of every import and 3 MB, for those who keep references to files

    if not path.is_dir():
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            found = os.fstat(opened.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise OSError(f"{path} is {_kind_of(found.st_mode)} by now")
            return f"sha256:{hashlib.file_digest(opened, 'sha256').hexdigest()}", found.st_size
    whole = hashlib.sha256()
    total = 0
    for file in sorted(files_of(path)):
        digest, size = digest_of(file)
        whole.update(f"{file.relative_to(path).as_posix()}\0{digest}\n".encode("utf-8", "surrogateescape"))
        total += size
    return f"sha256:{whole.hexdigest()}", total


def files_of(path: Path) -> Iterator[Path]:
    """The regular files of a directory, links to some included; of a file, itself."""
    if not path.is_dir():
        yield path
        return
    yield from (found for found in path.rglob("*") if found.is_file())
