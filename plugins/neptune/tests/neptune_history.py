"""Runs as Neptune's own 1.x client writes them offline, with the values that are hard to move."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import datetime, pathlib, sys
import neptune, numpy
from neptune.types import File
from neptune.utils import stringify_unsupported

many = int(sys.argv[1])
pathlib.Path("weights.bin").write_bytes(b"hello")
quiet = {"mode": "offline", "git_ref": False, "capture_hardware_metrics": False}
run = neptune.init_run(name="first 🚀", description="notes", tags=["a", "b"], source_files=["weights.bin"], **quiet)
run["params"] = stringify_unsupported({"lr": 0.1, "n": 3, "opt": {"name": "adam", "flag": True, "none": None}})
run["when"] = datetime.datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)
start = 1_700_000_000.25
for i in range(many):
    run["m/loss"].append(1 / (i + 1), step=i, timestamp=start + i)
run["m/acc"].extend([0.5, 0.5, 1e-300], steps=[2, 2, 1], timestamps=[start + 1, start + 1, start])
for value in (0.5, 0.25):
    run["m/counted"].append(value)
run["m/half"].append(1.0, step=0.5, timestamp=start)
run["m/half"].append(2.0, step=1, timestamp=start)
run["m/gone"].append(1.0)
del run["m/gone"]
run["texts"].append("one\\ntwo", step=3)
run["texts"].append("grüße", step=4)
run["best"] = 0.25
run["best"] = 0.5
run["text"] = "x" * 5000
run["weights"].upload("weights.bin")
run["memory"].upload(File.from_content("abc"))
run["some"].upload_files(["*.bin"])
run["data"].track_files("s3://bucket/data")
run["local"].track_files("weights.bin")
run["my/set"].add(["u", "v"])
run["my/set"].remove("u")
run["sys/group_tags"].add("g")
run["sys/tags"].remove("b")
run["images"].append(File.as_image(numpy.zeros((2, 2))))
run["images"].append(File.as_image(numpy.ones((2, 2))), step=7, name="ones", description="of ones")
run["fetched"] = 1
print("printed", end="")
print(" at once\\n50 %\\r100 %")
run.stop()
with neptune.init_run(name="second", **quiet) as second:
    second["only"] = 1.0
"""


def write_history(place: Path, many: int = 500) -> Path:
    """Write two runs, in a process of its own, since the client hooks into the one that it is in."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NEPTUNE_")}
    subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(many)], cwd=place, env=environment, check=True, capture_output=True
    )
    return place / ".neptune"
