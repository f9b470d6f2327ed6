"""That the benchmarks run: a few points each, one round. What they measure is never asserted."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "performance.md"


def groups() -> list[str]:
    listed = subprocess.run([sys.executable, HERE, "--list"], check=True, capture_output=True, text=True).stdout
    return re.findall(r"^(\w+): \d+ rounds of$", listed, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("group", groups())
def test_a_group_runs_and_has_a_place_on_the_page(group: str) -> None:
    before = PAGE.read_bytes()
    done = subprocess.run([sys.executable, HERE, "--only", group, "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tables = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(tables) > 3
    assert PAGE.read_bytes() == before, "a quick run is no measurement"
    assert f"<!-- measured: {group} -->" in before.decode()
