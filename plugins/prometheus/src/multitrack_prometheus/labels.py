"""Labels of a run: its identity, and texts that Prometheus can read and that stay short."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Final

from multitrack.hookspecs import RunInfo

#: Maximum characters of a label's value from a tag or a path. Names of runs and metrics have their own maximum.
LONGEST: Final = 200
_INVALID: Final = re.compile("[^a-zA-Z0-9_]")


def label_of_tag(key: str) -> str:
    """The label of a tag: ``tag_`` and the key, with ``_`` for characters that a label cannot have."""
    return f"tag_{_INVALID.sub('_', key)}"


#: The label of a run's deployment.
DEPLOYMENT: Final = label_of_tag("deployment")


def readable(text: str) -> str:
    """Return a text without NUL, at which Prometheus would stop to read the page."""
    return text.replace("\0", "\\x00")


def shortened(text: str) -> str:
    """Return a text of at most :data:`LONGEST` characters; a cut one ends in a digest, so that it stays distinct."""
    text = readable(text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 9]}…{_digest(text)}"


def run_directory(run: RunInfo) -> Path:
    """The run's directory in the journal; its lane's directory is ``<run>/lanes/<backend>``."""
    return run.directory.parents[1]


def identity(run: RunInfo) -> tuple[str, str]:
    """The values of the labels ``run`` and ``journal``.

    The second one distinguishes runs with the same id in two journals, on one host or on two.
    """
    host = run.context.host if run.context is not None else None
    return run.id, _digest(f"{host or platform.node()}\0{os.fspath(run_directory(run).parents[1])}")


def _digest(text: str) -> str:
    import hashlib  # noqa: PLC0415 - for the courier; the training process does not need it

    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
