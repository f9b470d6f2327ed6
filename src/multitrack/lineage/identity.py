"""Decide when two references are the same thing.

The rule, in this order:

1. A digest is the content: references with the same digest are one thing, wherever they are kept.
2. Without a digest, the version that a tool gave. Some versions are hashes of the content (DVC, git, Git LFS). Others,
   such as ``delta:3``, mean something only together with the URI.
3. Without either, the URI. An input is then the newest thing that a run wrote to this URI before the input was
   recorded. Nothing proves it, so such a link is shown as unversioned.

A version that some reference has together with a digest stands for that digest.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from multitrack.records import ArtifactRef

#: What joined a reference with the others of the same thing.
Joined = Literal["digest", "version", "uri"]

#: Versions that are the same content wherever it is kept.
_OF_CONTENT: Final = re.compile(r"dvc:md5:|git:|hf:(?!commit:|branch:)")
#: Versions that follow a name which moves: they say no more than the URI does.
_MOVING: Final = re.compile(r"(?:lakefs|hf):branch:")
#: The object id of Git LFS is the digest of the file.
_LFS: Final = "lfs:sha256:"


class Identity(msgspec.Struct, frozen=True):
    """What a reference refers to.

    Attributes:
        key: The same for all references of one thing.
        joined: What the key was made of.
    """

    key: str
    joined: Joined


class Identities:
    """The identities of the references of many runs, which need each other.

    Args:
        references: All references.
    """

    def __init__(self, references: Iterable[ArtifactRef]) -> None:
        every = list(references)
        self._digests: dict[str, set[str]] = {}
        for ref in every:
            if (digest := digest_of(ref)) is not None and (key := _version_key(ref)) is not None:
                self._digests.setdefault(key, set()).add(digest)
        self._written: dict[str, list[tuple[int, str]]] = {}
        for ref in every:
            if ref.role == "output":
                self._written.setdefault(ref.uri, []).append((ref.time, self._own(ref).key))
        for written in self._written.values():
            written.sort()

    def of(self, ref: ArtifactRef) -> Identity:
        """Return the identity of one of the references."""
        own = self._own(ref)
        if own.joined != "uri" or ref.role == "output":
            return own
        written = self._written.get(ref.uri, [])
        before = bisect.bisect_right(written, ref.time, key=lambda one: one[0])
        return Identity(written[before - 1][1], "uri") if before else own

    def _own(self, ref: ArtifactRef) -> Identity:
        """Return the identity by digest and version, or by the URI alone."""
        digest = digest_of(ref)
        if digest is not None:
            return Identity(digest, "digest")
        key = _version_key(ref)
        if key is None:
            return Identity(ref.uri, "uri")
        digests = self._digests.get(key, set())
        return Identity(next(iter(digests)) if len(digests) == 1 else key, "version")


def digest_of(ref: ArtifactRef) -> str | None:
    """Return the digest of a reference, also of one that has it as its version."""
    if ref.digest is None and ref.version is not None and ref.version.startswith(_LFS):
        return ref.version.removeprefix("lfs:")
    return ref.digest


def _version_key(ref: ArtifactRef) -> str | None:
    version = ref.version
    if version is None or _MOVING.match(version):
        return None
    return version if _OF_CONTENT.match(version) else f"{ref.uri}@{version}"
