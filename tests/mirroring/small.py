"""Programs that log with tensorboardX; where it is not installed, with a stand-in, whose start takes no time."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from observed import MULTITRACK, Done, execute, recorded, run

STAND_IN = Path(__file__).parent / "stand_in"
#: `make frameworks` has the package itself.
_MODULES = () if importlib.util.find_spec("tensorboardX") else (STAND_IN,)
#: Writes three points, and says so.
TRAIN = """
from tensorboardX import SummaryWriter

with SummaryWriter("logs/one") as writer:
    for step in range(3):
        writer.add_scalar("loss", 1 / (step + 1), step)
print("trained")
"""
#: Writes two points, and waits for a signal.
WAITING = """
import os, signal, sys, time
from pathlib import Path
from tensorboardX import SummaryWriter

def flush(values):
    # until they are in the file: the writer's own does not wait for its queue
    while b"".join(map(Path.read_bytes, Path("logs/one").iterdir())).count(b"loss") < values:
        writer.flush()
        time.sleep(0.01)

def leave(number, _):
    os.write(1, f"caught {signal.Signals(number).name}\\n".encode())  # a print may be under way
    writer.close()
    sys.exit(5)

if "catch" in sys.argv:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, leave)
writer = SummaryWriter("logs/one")
for step in range(2):
    writer.add_scalar("loss", 1.0, step)
flush(2)
print("waiting", flush=True)
while "end" not in sys.argv:
    time.sleep(0.05)
time.sleep(2)
writer.add_scalar("loss", 0.5, 2)
flush(3)
print("over", flush=True)
"""


def write(place: Path, text: str = TRAIN, name: str = "train.py") -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text(text)
    return place / name


def variables(*further: Path | str) -> dict[str, str]:
    """The environment that has tensorboardX, behind further directories of modules."""
    return {"PYTHONPATH": os.pathsep.join(map(str, (*further, *_MODULES)))}


def alone(place: Path, *command: str | Path, **environment: str) -> Done:
    return run(place, *command, **{**variables(), **environment})


def under(place: Path, *program: str | Path, options: tuple[str, ...] = (), **environment: str) -> Done:
    """Run a program under ``multitrack exec``, with the journal in its directory's neighbour ``journal``."""
    return execute(place, place.parent / "journal", *program, options=options, **{**variables(), **environment})


def started(
    place: Path, *program: str | Path, options: tuple[str, ...] = (), **environment: str
) -> subprocess.Popen[str]:
    """Start a program under ``multitrack exec``, and wait for its first line."""
    process = subprocess.Popen(
        [*MULTITRACK, "exec", "--journal", str(place.parent / "journal"), *options, "--", *map(str, program)],
        cwd=place, env={**os.environ, **variables(), **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    return process


def losses(place: Path) -> dict[str, list[float]]:
    """The points of each run in the journal of a program's directory."""
    found = {}
    for each in recorded(place.parent / "journal"):
        found[each.manifest.name] = [float(point.value) for point in each.get_metrics().get("loss", ())]
    return found


PYTHON = sys.executable
