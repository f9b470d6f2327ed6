"""The README's example runs, and its tables name every option and every key."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
from trackio_runs import start

import multitrack
from multitrack_trackio import TrackioOptions
from multitrack_trackio.names import project_name

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_reading_example_reads(tmp_path: Path) -> None:
    with start(tmp_path, name="baseline", options={"directory": str(tmp_path / "trackio-runs")}) as run:
        run.log_metric("accuracy", 0.93)
        run.log_lines(["one", "two"])
    multitrack.sync(tmp_path / "journal")
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example + "    print(lines)\n"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "baseline finished 0.93\n[(0, 'one'), (1, 'two')]\n"


def test_every_option_is_told_with_its_name_and_default() -> None:
    told = re.findall(r"^\| `(\w+)` \| (.*?) \| .* \|$", README, re.MULTILINE)
    fields = msgspec.structs.fields(TrackioOptions)
    assert [name for name, _ in told] == [field.name for field in fields]
    assert dict(told)["upload_limit"] == f"`{TrackioOptions().upload_limit}`"


def test_the_example_of_a_projects_name_is_true() -> None:
    assert f"`{project_name('my.model')}`" in README
