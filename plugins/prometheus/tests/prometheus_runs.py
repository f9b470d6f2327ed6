"""Runs for the tests of this backend: in this process, and as a training with its courier."""

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from prometheus_server import until

import multitrack
import recording_backends
from multitrack.recording.run import Run

#: A training that logs until a file ``enough`` is there; a second backend delivers nothing until there is a file ``go``.
TRAINING = """
import sys, time
from pathlib import Path
import multitrack

config = {"journal": "journal", "interval": 0.1, "prometheus": OPTIONS}
run = multitrack.start_run("digits", "training", run_id=RUN_ID, config=config, backends=BACKENDS,
                           tags={"team": "vision"}, params={"lr": 0.1})
step = 0
while not Path("enough").exists():
    run.log_metrics({"loss": 1 / (step + 1), "val/acc": step / 2}, step=step)
    step += 1
    time.sleep(0.01)
assert "prometheus_client" not in sys.modules
run.end()
"""


def start(tmp_path: Path, options: dict[str, Any], **arguments: Any) -> Run:
    """A run of this process that ``multitrack.sync`` delivers."""
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "prometheus": {"hold": 0.0, **options}}
    return multitrack.start_run(config=config, **{"project": "digits", "backends": ["prometheus"], **arguments})


def delivered(tmp_path: Path, run: Run) -> tuple[str, list[str]]:
    """Deliver what there is; the tracker's id of the run, and the sentences of its report."""
    multitrack.sync(tmp_path / "journal")
    lane = run.flush()["prometheus"]
    assert (lane.problem, lane.set_aside, lane.pending) == (None, 0, 0)
    return str(lane.id), lane.stand_ins


@contextlib.contextmanager
def training(
    tmp_path: Path, options: dict[str, Any], *, others: Sequence[str] = (), run_id: str = "nightly"
) -> Iterator[subprocess.Popen[str]]:
    """A training in ``tmp_path``, as a process; it is told to end when the block is left."""
    backends = ["prometheus", *others]
    script = (
        TRAINING.replace("OPTIONS", repr(options)).replace("BACKENDS", repr(backends)).replace("RUN_ID", repr(run_id))
    )
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with (tmp_path / "output").open("w") as output:
        environment = {**os.environ, "PYTHONPATH": str(Path(recording_backends.__file__).parent)}
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=output, stderr=output, text=True)
    try:
        yield process
        (tmp_path / "enough").touch()
        process.wait(60)
    finally:
        process.kill()
        process.wait()
        for log in (tmp_path / "journal").glob("courier-*.log"):  # it has the port, which the next training is to take
            courier = Path("/proc", log.stem.partition("-")[2])
            until(lambda courier=courier: not courier.exists(), "end of the courier")  # type: ignore[misc]
    assert process.returncode in (0, -9), (tmp_path / "output").read_text()
