"""That the benchmarks run: a few points each, one round. What they measure is never asserted."""

import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "performance.md"


def groups() -> list[str]:
    listed = subprocess.run([sys.executable, HERE, "--list"], check=True, capture_output=True, text=True).stdout
    return re.findall(r"^(\w+): \d+ rounds of$", listed, re.MULTILINE)


@pytest.mark.long("reading", "scale")
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


def test_hooks_on_two_threads_are_timed_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))
    from fits import Watched

    within, go_on = threading.Event(), threading.Event()

    class Callback:
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 0:
                within.set()
                assert go_on.wait(30)

    watched = Watched(Callback())
    hook = watched.callback.on_train_batch_end
    other = threading.Thread(target=hook, args=(0,))
    other.start()
    assert within.wait(30)
    hook(1)
    assert watched.spent > 0
    assert watched.beside == 0
    here = watched.spent
    go_on.set()
    other.join()
    assert watched.beside > 0
    assert watched.spent == here
