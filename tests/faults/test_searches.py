"""Killed searches: a short form of ``searches.py``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from counted import counts

#: Whichever kinds a line has, in the order in which they are printed.
LINES = {
    "8 attempt failed, 1 attempt finished, 6 attempt killed, 5 completed afterwards, 42 kills, 2 lost by KerasTuner, "
    "14 searches, 1 torn by KerasTuner": {
        "attempt failed": 8, "attempt finished": 1, "attempt killed": 6, "completed afterwards": 5, "kills": 42,
        "lost by KerasTuner": 2, "searches": 14, "torn by KerasTuner": 1,
    },
    "42 kills, 14 searches, 0 torn by KerasTuner": {"kills": 42, "searches": 14, "torn by KerasTuner": 0},
}  # fmt: skip


@pytest.mark.case(26)
@pytest.mark.parametrize("line", LINES)
def test_a_line_of_counts_is_read_whatever_kinds_it_has(line: str) -> None:
    assert counts(line) == LINES[line]


@pytest.mark.case(26)
@pytest.mark.parametrize("line", ["", "kills", "many kills", "1 kills, 2 kills"])
def test_what_is_not_a_line_of_counts_is_not_taken_for_one_of_none(line: str) -> None:
    with pytest.raises(ValueError, match=r"unpack|int|twice"):
        counts(line)


@pytest.mark.slow
def test_a_search_killed_at_any_moment_goes_on(tmp_path: Path) -> None:
    """In a process without TensorFlow, which forks some hundred; each exact moment of death has three searches."""
    command = [sys.executable, "-W", "ignore", Path(__file__).with_name("searches.py"), "--searches", "21"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([*command, "--kills", "5"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr  # with the seed
    found = counts(done.stdout.splitlines()[-2])
    assert (found["searches"], found["kills"]) == (21, 7 + 14 * 5)
    # The moments between KerasTuner's end of a trial and ours, and one after which it runs the trial again: as of the
    # searches that die once.
    assert found["completed afterwards"] >= 3
    assert found["attempt killed"] >= 1
