"""A virtual environment with the packages that some requirements name, and nothing else, made without a network.

What is installed here is linked there: the tests' own environment has all that is needed, and far more.
"""

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from quiet import QUIET

ROOT = Path(__file__).parents[1]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


class CleanEnvironment:
    """A virtual environment.

    Args:
        folder: Its folder; nothing is there yet.
        requirements: What is installed in it, with all that this requires in turn.
    """

    def __init__(self, folder: Path, *requirements: str) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
        for name in sorted(set(closure(*requirements))):
            self._link(importlib.metadata.distribution(name))

    def _link(self, distribution: importlib.metadata.Distribution) -> None:
        for part in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            (self.site / part).symlink_to(str(distribution.locate_file(part)))

    def install(self, *wheels: Path) -> None:
        """Install wheels; fails if anything that they require is missing."""
        subprocess.run([*PIP, "--python", self.python, "install", "--no-index", *wheels], check=True)

    def run(self, *command: str | Path, cwd: Path) -> str:
        """Run a program of this environment, and return what it printed; fails if the program does."""
        done = subprocess.run(
            command, cwd=cwd, env=self.variables(cwd), capture_output=True, text=True, timeout=280, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def variables(self, home: Path) -> dict[str, str]:
        """The variables of its processes: nothing of the tests' environment, and no package index."""
        return {
            "PATH": f"{self.python.parent}:{os.environ['PATH']}", "HOME": str(home), "VIRTUAL_ENV": str(self.folder),
            "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **QUIET,
        }  # fmt: skip


def closure(*requirements: str) -> Iterator[str]:
    """The names of the distributions that requirements need here, with their extras, but for multitrack's own."""
    waiting, seen = [Requirement(text) for text in requirements], set()
    while waiting:
        requirement = waiting.pop()
        if (key := (requirement.name, frozenset(requirement.extras))) in seen:
            continue
        seen.add(key)
        found = importlib.metadata.distribution(requirement.name)
        if requirement.name != "multitrack":
            yield found.metadata["Name"]
        for needed in map(Requirement, found.requires or ()):
            marker = needed.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in (*requirement.extras, "")):
                waiting.append(needed)
