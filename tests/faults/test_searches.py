"""Killed searches: a short form of ``searches.py``."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_search_killed_at_any_moment_goes_on(tmp_path: Path) -> None:
    """In a process without TensorFlow, which forks some hundred; each exact moment of death has two searches."""
    command = [sys.executable, "-W", "ignore", Path(__file__).with_name("searches.py"), "--searches", "14"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([*command, "--kills", "5"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr  # with the seed
    assert "completed afterwards" in done.stdout  # it was killed between KerasTuner's end of a trial and ours
    kills = re.search(r"(\d+) kills, 14 searches", done.stdout)
    assert kills is not None
    assert int(kills[1]) >= 42, "three a search; some end before they meet their fifth"
