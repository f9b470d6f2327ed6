"""Programs of the cases, in processes of their own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from quiet import ROOT, environment


def run(
    cwd: Path, *command: str | Path, python: Sequence[str] = (sys.executable,), limit: float = 120, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run a program in ``cwd``; its output, whether it failed or not. A courier that it leaves is not waited for.

    Args:
        cwd: Its directory, which exists.
        command: The script and its arguments.
        python: The interpreter, with its options.
        limit: Seconds that it may take.
        variables: Further environment variables.
    """
    given = environment(cwd.parent, ROOT / "tests") | {"XDG_CACHE_HOME": os.environ["XDG_CACHE_HOME"]}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        done = subprocess.run(
            [*python, *map(str, command)], cwd=cwd, stdout=out, stderr=err, timeout=limit, check=False,
            env={**given, **variables},
        )  # fmt: skip
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())


def write(path: Path, text: str, *, executable: bool = False) -> Path:
    """Write a program, with its directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if executable:
        path.chmod(0o755)
    return path
