"""A run that a second process continues by its id."""

import sys
from pathlib import Path

import neptune
from neptune.exceptions import MissingFieldException, RunNotFound

if not Path("id.txt").exists():
    run = neptune.init_run(project="team/digits", tags=["first"], capture_stdout=False)
    run["params/lr"] = 0.1
    run["loss"].extend([3.0, 2.0])
    run["log"].append("first process")
    Path("id.txt").write_text(run["sys/id"].fetch())
    run.stop()
    sys.exit()

run = neptune.init_run(with_id=Path("id.txt").read_text(), project="team/digits", capture_stdout=False)
assert run["params/lr"].fetch() == 0.1
assert run["loss"].fetch_last() == 2.0
assert run["sys/tags"].fetch() == {"first"}
run["loss"].append(1.0)
run["params/lr"] = 0.1
run["sys/tags"].add("second")
frame = run["loss"].fetch_values()
assert list(frame["value"]) == [3.0, 2.0, 1.0]
assert list(frame["step"]) == [0, 1, 2]
assert list(run["log"].fetch_values()["value"]) == ["first process"]
try:
    run["nothing"].fetch()
except MissingFieldException:
    print("missing")
try:
    neptune.init_run(with_id="DIG-404")
except RunNotFound:
    print("not found")
run.stop()
