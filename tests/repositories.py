"""Real git repositories, and the source that is recorded of them."""

import os
import subprocess
from pathlib import Path
from typing import Any

import msgspec

from multitrack.environment.context import full_context, quick_context
from multitrack.journal.manifest import Context
from multitrack.journal.provenance import CODE, CodeState
from multitrack.security.redaction import Redactor

ALL = ("git", "diff", "script", "packages", "hardware")
_IDENTITY = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "protocol.file.allow=always")


def git(directory: Path, *arguments: str | Path, **options: Any) -> str:
    """Run git; its output."""
    command = ["git", *_IDENTITY, *map(str, arguments)]
    return subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True, **options).stdout.strip()


def repository(directory: Path, files: dict[str, str | bytes] | None = None) -> Path:
    """A repository with one commit."""
    directory.mkdir(parents=True, exist_ok=True)
    git(directory, "init", "-q", "-b", "trunk")
    write(directory, files or {"train.py": "lr = 1\n"})
    git(directory, "add", "-A")
    git(directory, "commit", "-qm", "first")
    return directory


def write(directory: Path, files: dict[str, str | bytes]) -> None:
    """Write files, with their directories."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def gather(repo: Path, run: Path, *parts: str, program: Path | None = None) -> Context:
    """Gather the context of a program in a repository, as the thread of a run does."""
    run.mkdir(parents=True, exist_ok=True)
    redaction = Redactor().begin()
    quick = quick_context(redaction)
    quick = msgspec.structs.replace(quick, program=None if program is None else str(program), cwd=os.fspath(repo))
    return full_context(quick, redaction, run, parts or ("git", "diff"))


def code_of(context: Context) -> CodeState:
    """What was recorded of the source."""
    assert context.code is not None
    return context.code


def kept(run: Path, name: str) -> bytes:
    """A file in the run's ``code/``."""
    return (run / CODE / name).read_bytes()
