"""Programs that are killed at once: the journal has each call that returned."""

from __future__ import annotations

from pathlib import Path

import pytest

from compat_programs import contents, journal_runs, run_compat

PROGRAMS = {
    "neptune": """
import os, signal
import neptune

run = neptune.init_run(project="p")
for step in range(100):
    run["loss"].append(step / 2, step=step)
run["text"].append("last")
run["done"] = True
os.kill(os.getpid(), signal.SIGKILL)
""",
    "wandb": """
import os, signal
import wandb

run = wandb.init(project="p")
for step in range(100):
    wandb.log({"loss": step / 2}, step=step)
wandb.log({"text": "last"}, step=99)
run.config.done = True
os.kill(os.getpid(), signal.SIGKILL)
""",
}


@pytest.mark.parametrize("sdk", PROGRAMS)
def test_nothing_is_lost(tmp_path: Path, sdk: str) -> None:
    script = tmp_path / "given" / "killed.py"
    script.parent.mkdir()
    script.write_text(PROGRAMS[sdk])
    done = run_compat(sdk, script, tmp_path / "place")
    assert done.returncode == -9, done.stderr
    (run,) = journal_runs(tmp_path / "place")
    found = contents(run)
    assert found["series"] == {"loss": [(step, step / 2) for step in range(100)]}
    assert found["params"] == {"done": True}
    assert found["lines"] == ["text: last"]
    assert run.summary().status == "killed"
