"""``docs/mirror.md``, as somebody follows it."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import multitrack
from frameworks.test_frameworks import ROWS as FRAMEWORKS
from observed import run
from small import TRAIN, variables, write
from test_exec import ROWS

PAGE = Path(__file__).parents[2] / "docs" / "mirror.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_commands(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path / "package", TRAIN.replace("one", "module"))
    (tmp_path / "launch.py").write_text(
        "import subprocess, sys\nsubprocess.run([sys.executable, 'train.py'], check=True)\n"
    )
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    for command in "".join(blocks("sh")).splitlines():
        done = run(tmp_path, *shlex.split(command, comments=True), **variables(), PATH=path)
        assert done.status == 0, f"{command}: {done.out}{done.err}"
    runs = {each.id: each for each in multitrack.open_journal(tmp_path / ".multitrack").runs()}
    assert runs.keys() == {"one", "module"}
    assert {*runs["module"].lanes()} == {"files"}
    assert "2 of 2 runs are complete in tensorboard" in done.err


def test_the_script(tmp_path: Path) -> None:
    indented = TRAIN.replace("\n", "\n    ")
    write(tmp_path, f"def main():\n    {indented}\n")
    (code,) = blocks("python")
    write(tmp_path, code, "script.py")
    done = run(tmp_path, sys.executable, "script.py", **variables())
    assert (done.status, done.out, done.err) == (0, "trained\n['one']\n", "")


def test_every_row_has_its_test() -> None:
    text = PAGE.read_text()
    assert {*re.findall(r"`test_exec\.py\[([\w-]+)\]`", text)} == {*ROWS}
    assert {*re.findall(r"`frameworks/test_frameworks\.py\[([\w-]+)\]`", text)} == {*FRAMEWORKS}
    for name in re.findall(r"`((?:frameworks/)?test_\w+\.py)", text):
        assert (Path(__file__).parent / name).exists(), name
    assert "def test_a_script_runs_as_without_and_is_recorded" in (Path(__file__).parent / "test_exec.py").read_text()
