"""A training in a git repository, recorded by a process of its own, and ``multitrack reproduce`` of it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

import multitrack
from multitrack.cli import main
from multitrack.reading.recorded_run import RecordedRun
from repositories import git, repository, write

#: Metrics of all kinds, which a seed determines; ``NOISE`` changes them.
TRAIN = """
import os, random, sys
import multitrack

random.seed(1)
noise = float(os.environ.get("NOISE", 0))
with multitrack.start_run("p", "base", params={"lr": float(sys.argv[1])}, config={"delivery": "off", "journal": "runs"}) as run:
    for step in range(3):
        run.log_metric("loss", random.random() + noise, step=step)
        run.log_metric("epoch_seconds", os.getpid(), step=step)
    run.log_list_metric("latency", [random.random() for _ in range(3)])
    run.log_metric("accuracy", random.random())
    with multitrack.start_run(name="child", parent=run) as child:
        child.log_metric("x", random.random())
"""


class Training:
    """A repository with ``train.py``, and the runs that it recorded in ``runs/``.

    Args:
        folder: The repository to make.
        files: Its files beside ``train.py``.
    """

    def __init__(self, folder: Path, files: dict[str, str | bytes] | None = None, *, train: str = TRAIN) -> None:
        self.folder = repository(folder, {"train.py": train, ".gitignore": "runs/\n", **(files or {})})
        self.journal = folder / "runs"

    def edit(self, **files: str) -> None:
        """Write files: ``train="…"`` is ``train.py``."""
        write(self.folder, {f"{name}.py": text for name, text in files.items()})

    def commit(self) -> None:
        git(self.folder, "commit", "-qam", "later")

    def run(self, *arguments: str | Path, where: Path | None = None, program: str | Path = "train.py") -> RecordedRun:
        """Train; the run that begins first."""
        command = [sys.executable, str(program), *map(str, arguments or ["0.1"])]
        done = subprocess.run(command, cwd=where or self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return next(multitrack.open_journal(self.journal).runs())

    def reproduce(self, run: str, *arguments: str | Path) -> Result:
        """Call the command in the repository."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            given = ["reproduce", run, "--journal", self.journal, *arguments]
            return CliRunner().invoke(main, list(map(str, given)), prog_name="multitrack")
        finally:
            os.chdir(before)

    def reproduced(self, run: str, *arguments: str | Path, status: int = 0) -> dict[str, Any]:
        """Call the command with ``--json``; its document."""
        result = self.reproduce(run, "--json", *arguments)
        assert result.exit_code == status, result.output
        document: dict[str, Any] = json.loads(result.stdout)
        return document

    def state(self) -> tuple[str, ...]:
        """What a reproduction must leave as it is in the repository."""
        questions = (("status", "--porcelain"), ("worktree", "list"), ("branch", "-a"), ("config", "--list", "--local"))
        return tuple(git(self.folder, *question) for question in questions)
