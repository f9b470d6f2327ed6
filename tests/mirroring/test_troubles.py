"""The program runs as without us when nothing can be recorded, and one line says what failed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import multitrack
from observed import MULTITRACK
from shell import as_others
from small import PYTHON, STAND_IN, alone, losses, under, variables, write

#: Limits the sizes of the follower's files, as a full disk does, and not those of the program.
FULL = """
import resource, signal, sys

if "multitrack.mirroring" in sys.orig_argv:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "place"


def troubles(errors: str) -> str:
    """The one line that the command said; counting of lines cannot write at a program's end either, and says so."""
    (line,) = [line for line in errors.splitlines() if line.startswith("multitrack: ")]
    return line


def test_a_full_disk(place: Path) -> None:
    site = write(place / "site", FULL, "sitecustomize.py").parent
    done = under(place, PYTHON, write(place), **variables(site))
    assert (done.status, done.out) == (0, "trained\n")
    assert "not everything was mirrored" in troubles(done.err)
    assert "File too large" in done.err
    done = under(place, PYTHON, place / "train.py")
    assert (done.status, done.err) == (0, "")
    assert [len(values) for values in losses(place).values()] == [6]  # with those of the first time, in one directory


def test_a_disk_that_is_full_when_the_program_notes(place: Path) -> None:
    """The notes cannot be written either; that they were to be can."""
    limit = FULL.replace('"multitrack.mirroring" in sys.orig_argv', "len(sys.orig_argv) == 2")
    site = write(place / "site", limit, "sitecustomize.py").parent
    program = write(place, "from tensorboardX.writer import FileWriter\n\n"
                    "class Quiet(FileWriter):\n    def add(self, content): pass\n\nQuiet('logs')\nprint('trained')\n")  # fmt: skip
    done = under(place, PYTHON, program, **variables(site, STAND_IN))  # the real writer makes files of its own
    assert (done.status, done.out) == (0, "trained\n")
    assert "where the program writes could not be noted in" in troubles(done.err)


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A directory that everybody can reach, which ``tmp_path`` is not."""
    directory = Path("/var/tmp") / f"multitrack-mirror-{os.getpid()}"
    directory.mkdir()
    directory.chmod(0o777)
    yield directory
    (directory / "journal").chmod(0o777)
    shutil.rmtree(directory)


def test_a_read_only_journal(theirs: Path) -> None:
    program = write(theirs / "place")
    (theirs / "journal").mkdir()
    (theirs / "journal").chmod(0o555)
    command = [*MULTITRACK, "exec", "--journal", str(theirs / "journal"), "--", PYTHON, str(program)]
    done = subprocess.run(command, cwd=theirs / "place", env={**os.environ, **variables()}, capture_output=True,
                          text=True, check=False, preexec_fn=as_others)  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "trained\n")
    assert "Permission denied" in troubles(done.stderr)
    assert list((theirs / "journal").iterdir()) == []


@pytest.mark.parametrize("text", ["raise RuntimeError('broken on purpose')\n", "import sys\nsys.exit(9)\n"])
def test_a_broken_package_in_the_program(place: Path, text: str) -> None:
    """The program cannot import multitrack, and is observed: nothing of it is needed there."""
    broken = write(place / "broken" / "multitrack", text, "__init__.py").parent.parent
    program = write(place, f"import sys\nsys.path.insert(0, {str(broken)!r})\n" + write(place).read_text())
    done = under(place, PYTHON, program)
    assert (done.status, done.out, done.err) == (0, "trained\n", "")
    assert len(losses(place)) == 1


def copied(place: Path) -> Path:
    """A copy of the package in a directory of its own, to be broken."""
    source = Path(multitrack.__file__).parent
    shutil.copytree(source, place / "copy" / "multitrack", ignore=shutil.ignore_patterns("__pycache__"))
    return place / "copy"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("mirroring/observer.py", "VARIABLE = 'MULTITRACK_MIRROR'\n1 / 0\n", "division by zero"),
        ("mirroring/observer.py", "VARIABLE = 'MULTITRACK_MIRROR'\n", "no attribute 'install'"),
        ("mirroring/follower.py", "raise RuntimeError('broken on purpose')\n", "the follower ended with 1"),
        (
            "migration/importing.py",
            "def import_runs(*a, **b):\n    raise RuntimeError('on purpose')\n",
            "the follower ended with 1",
        ),
        ("mirroring/session.py", "raise RuntimeError('broken on purpose')\n", "nothing was mirrored"),
    ],
)
def test_a_part_of_the_package_is_broken(place: Path, file: str, text: str, said: str) -> None:
    copy = copied(place)
    (copy / "multitrack" / file).write_text(text)
    program = write(place)
    done = under(place, PYTHON, program, **variables(copy))
    bare = alone(place, PYTHON, program, **variables(copy))
    assert (done.status, done.out) == (bare.status, bare.out) == (0, "trained\n")
    assert said in troubles(done.err)
