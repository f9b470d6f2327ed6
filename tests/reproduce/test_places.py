"""Recorded paths and their places in the prepared directory."""

import sys
from pathlib import Path

import pytest

from multitrack.journal.manifest import Context, GitState
from multitrack.reproduce.places import Places

AGAIN = Path("/again")


def places(cwd: str, root: str | None = "/u/proj", program: str | None = None, *words: str, **more: str) -> Places:
    git = None if root is None else GitState(commit="0" * 40, root=root)
    context = Context(
        user="u", host="h", pid=1, cwd=cwd, program=program, command=["python", *words], git=git, python="3.11.0",
        executable=more.get("executable", "/usr/bin/python"), platform="linux",
    )  # fmt: skip
    return Places(context, AGAIN, ["/u/data/in.csv", "/u/proj/data/in.csv"])


@pytest.mark.parametrize(
    ("cwd", "word", "mapped"),
    [
        ("/u/proj", "train.py", "train.py"),
        ("/u/proj", "/u/proj/train.py", "/again/source/train.py"),
        ("/u/proj", "--data=/u/proj/data/in.csv", "--data=/again/source/data/in.csv"),
        ("/u/proj", "data.path=/u/proj", "data.path=/again/source"),
        ("/u/proj", "/u/project2/x", "/u/project2/x"),
        ("/u/proj/sub", "../train.py", "/again/source/train.py"),
        ("/u/proj", "../out", "/u/out"),
        ("/u", "proj/train.py", "/again/source/train.py"),
        ("/u", "proj", "proj"),
        ("/u", "results/x", "results/x"),
        ("/u", "/u/results/x", "/again/work/results/x"),
        ("/u", "/u/data/in.csv", "/u/data/in.csv"),
        ("/", "/etc/x", "/etc/x"),
        ("/u/proj", "print('a=b/c')", "print('a=b/c')"),
        ("/u/proj", "s3://bucket/x", "s3://bucket/x"),
    ],
)
def test_words_of_a_command(cwd: str, word: str, mapped: str) -> None:
    assert places(cwd, "/u/proj", None, word).command() == [mapped]


def test_the_current_directory() -> None:
    assert places("/u/proj/a/b").work == AGAIN / "source" / "a" / "b"
    assert places("/u").work == AGAIN / "work"
    assert places("/u", None).work == AGAIN / "work"
    assert places("(deleted)").work == AGAIN / "work"


def test_a_script_outside_of_everything_is_in_the_current_directory() -> None:
    assert places("/u", "/u/proj", "/bin/tool.py", "/bin/tool.py").command() == ["/again/work/tool.py"]


def test_paths_of_the_python_environment_are_those_here() -> None:
    """A virtual environment is often inside of the repository, and not in its commit."""
    found = places("/u/proj", "/u/proj", None, executable="/u/proj/.venv/bin/python")
    assert found.place("/u/proj/.venv/lib/x.csv") == Path(sys.prefix, "lib", "x.csv")
    assert places("/u/proj").place("/usr/share/x.csv") is None


def test_paths_that_the_command_may_write(tmp_path: Path) -> None:
    found = places("/u/proj", "/u/proj", None, f"--out={tmp_path}", "/nowhere/x", sys.executable, "/u/proj/out")
    assert found.outside() == [str(tmp_path)]


def test_no_recorded_path_leads_out_of_the_directory() -> None:
    for path in ("/u/proj/../../etc/passwd", "/u/proj/a/../../x"):
        assert places("/u/proj").place(path) is None
