"""Names in goodseed: of fields, projects and runs.

A field's path is a namespace and a name: ``parameters/lr``. A series has its name alone, so that goodseed shows it at
the top. goodseed removes ``/`` at both ends of a path; a name with one there gets a ``~`` beside it, and so does a name
with a ``~`` there, so that different names stay different.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

#: Namespaces of single values.
PARAMETERS: Final = "parameters/"
SUMMARY: Final = "summary/"
TAGS: Final = "tags/"
ARTIFACTS: Final = "artifacts/"
TYPES: Final = "types/"
WHOLE: Final = "whole/"
OWN: Final = "multitrack/"
#: Namespaces of series of texts.
LOGS: Final = "logs/"
EXACT: Final = "exact/"
TIMES: Final = "times/"

_PROJECT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}(/[A-Za-z0-9][A-Za-z0-9._-]{0,59}){0,3}")
_ODD: Final = re.compile(r"[^A-Za-z0-9.-]+")
_RUN_LENGTH: Final = 128
_NAME_LENGTH: Final = 200
#: Control characters, and those that change the direction of text or have no width: goodseed refuses them in a name.
_REFUSED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def path_of(name: str) -> str:
    """Return the path of a name, or its end behind a namespace."""
    return f"{'~' if name[0] in '/~' else ''}{name}{'~' if name[-1] in '/~' else ''}"


def name_of(path: str) -> str:
    """Return the name for a path without its namespace."""
    return path.removeprefix("~").removesuffix("~")


def project_name(project: str) -> str:
    """Return the project's name in goodseed, which is also a path of directories.

    Words of ASCII letters, digits, ``.``, ``_`` and ``-``, with single ``/`` between them, are left alone. Any other
    project gets a similar name with a digest.
    """
    if _PROJECT.fullmatch(project):
        return project
    return f"{_ODD.sub('-', project)[:40].strip('.-') or 'project'}-{digest_of(project)}"


def run_name(name: str) -> str:
    """Return the run's name in goodseed; characters that it refuses are replaced, and a long name is cut."""
    name = _REFUSED.sub("\ufffd", name)
    return name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"


def run_identity(run_id: str, created: int, host: str) -> str:
    """Return the run's id in goodseed. Runs of the same id in two journals differ in the time of their start."""
    digest = digest_of(f"{run_id} {created} {host}")
    beginning = run_id[: _RUN_LENGTH - len(digest) - 1].lstrip("-_") or "run"
    return f"{beginning}-{digest}"


def file_of(home: Path, project: str, native_id: str) -> Path:
    """Return the path of a run's file.

    Args:
        home: goodseed's home directory.
        project: The project's name outside of goodseed.
        native_id: The run's id in goodseed.
    """
    return home / "projects" / project_name(project) / "runs" / f"{native_id}.sqlite"


def digest_of(text: str) -> str:
    """Return a short digest of a text."""
    import hashlib  # noqa: PLC0415 - for the courier; the training process does not need it

    return hashlib.sha256(text.encode()).hexdigest()[:8]
