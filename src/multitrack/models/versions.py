"""A model, its versions and its aliases."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from multitrack.models.facts import Facts
from multitrack.models.numbers import Number


class Version(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record", tag="version"):
    """A version of a model.

    Attributes:
        time: The time at which it was numbered (ms since the epoch).
        name: The model.
        version: ``MAJOR.MINOR.PIPELINE``.
        run: The id of the run that wrote it.
        uri: Its location.
        digest: ``sha256:<hex>`` of a local file, if known.
        size: Size in bytes, if known.
        stored: The version that a tool gave the file, such as ``s3:<version id>``.
        reasons: One sentence for each reason of the number.
        facts: The facts that later versions are compared with.
    """

    time: int
    name: str
    version: str
    run: str
    uri: str
    digest: str | None = None
    size: int | None = None
    stored: str | None = None
    reasons: list[str] = []
    facts: Facts = Facts()

    @property
    def path(self) -> Path | None:
        """The local path; None for another URI."""
        parts = urlsplit(self.uri)
        return Path(os.fsdecode(unquote_to_bytes(parts.path))) if parts.scheme == "file" else None

    @property
    def number(self) -> Number:
        """The version as a number; 0.0.0 if a damaged file holds another text."""
        return Number.parse(self.version) or Number(0, 0, 0)


class Alias(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record", tag="alias"):
    """A name for one version of a model, such as ``prod``, that can move.

    Attributes:
        time: The time at which it was set (ms since the epoch).
        name: The model.
        alias: The alias.
        version: The version; None if the alias was removed.
    """

    time: int
    name: str
    alias: str
    version: str | None = None


class Model:
    """All versions of one model.

    Attributes:
        name: Its name.
        versions: Its versions, in the order of their numbers.
        aliases: The version of each alias.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.versions: list[Version] = []
        self.aliases: dict[str, str] = {}

    def version(self, number: str) -> Version | None:
        """The version of this number; None if there is none."""
        return next((one for one in self.versions if one.version == number), None)

    def aliases_of(self, version: Version) -> list[str]:
        """The aliases of a version, sorted."""
        return sorted(alias for alias, number in self.aliases.items() if number == version.version)
