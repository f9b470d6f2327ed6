"""The README's example runs, and its tables name every option."""

import re
import subprocess
import sys
from pathlib import Path

import msgspec
from goodseed_runs import start

import multitrack
from multitrack_goodseed import GoodseedOptions
from multitrack_goodseed.names import path_of
from multitrack_goodseed.values import exact_text

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_reading_example_reads(tmp_path: Path) -> None:
    with start(tmp_path, name="baseline", options={"directory": str(tmp_path / "goodseed-runs")}) as run:
        run.log_metric("loss", 0.5, step=0)
        run.log_metric("accuracy", 0.93)
        run.log_lines(["one", "two"])
    multitrack.sync(tmp_path / "journal")
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = example + "    print(points, lines)\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "baseline finished 0.93\n[(0.0, 0.5)] ['one', 'two']\n"


def test_every_option_is_told() -> None:
    told = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", README, re.MULTILINE)
    assert told == [field.name for field in msgspec.structs.fields(GoodseedOptions)]


def test_the_examples_of_names_and_stand_ins_are_true() -> None:
    assert f"`{path_of('/odd/')}`" in README
    assert f"`{exact_text(3, float('nan'), None)}`" in README
    assert f"`{exact_text(3, 2**53 + 1, 3.0)}`" in README
