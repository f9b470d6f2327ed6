"""Versions that a URI states itself: of lakeFS, of S3, and of the Hugging Face Hub."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from multitrack.markers import hookimpl

#: A lakeFS commit, and one counted back from it. Every other name may move.
_LAKEFS_COMMIT: Final = re.compile(r"[0-9a-f]{64}(?:[~^]\d*)*")
_HUB_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_HUB: Final = re.compile(r"hf://(?:datasets/|spaces/)?[^/@]+/[^/@]+@([^/]+)")
_S3: Final = ("s3", "s3a", "s3n")
_AWS: Final = re.compile(r"(?:.+\.)?s3[.-](?:.+\.)?amazonaws\.com(?:\.cn)?")


@hookimpl
def find_data_version(uri: str) -> str | None:
    """Return the version that a URI states.

    ::

        lakefs:commit:<id>      lakefs://repository/<id>/path
        lakefs:branch:main      lakefs://repository/main/path: a branch, which moves; a tag looks the same
        s3:<version id>         s3://bucket/key?versionId=<version id>
        hf:commit:<id>          hf://datasets/owner/name@<id>
        hf:branch:main          hf://datasets/owner/name@main: a branch, which moves; a tag looks the same
    """
    try:
        parts = urlsplit(uri)
        host = parts.hostname or ""
    except ValueError:  # not a URL
        return None
    if parts.scheme == "lakefs":
        return _lakefs(parts)
    if parts.scheme in _S3 or (parts.scheme == "https" and _AWS.fullmatch(host)):
        return _s3(parts)
    if (found := _HUB.match(uri)) is not None:
        revision = unquote(found[1])
        return f"hf:{'commit' if _HUB_COMMIT.fullmatch(revision) else 'branch'}:{revision}"
    return None


def given_version(uri: str, version: str) -> str:
    """Return the version that a caller gives; the bare version id of an S3 object gets its prefix."""
    bare = urlsplit(uri).scheme in _S3 and not version.startswith("s3:")
    return f"s3:{version}" if bare else version


def _lakefs(parts: SplitResult) -> str | None:
    ref = unquote(parts.path.removeprefix("/").partition("/")[0])
    if not ref:
        return None
    return f"lakefs:{'commit' if _LAKEFS_COMMIT.fullmatch(ref) else 'branch'}:{ref}"


def _s3(parts: SplitResult) -> str | None:
    # "+" stands for itself in a version id, as in S3's own URLs.
    query = parse_qsl(parts.query.replace("+", "%2B"))
    return next((f"s3:{value}" for name, value in query if name.lower() == "versionid" and value), None)
