"""``docs/compat.md`` names every call and existing tests, and its code runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import multitrack.compat.neptune as neptune
import multitrack.compat.wandb as wandb
from compat_programs import contents, journal_runs
from quiet import ROOT, environment

PAGE = (ROOT / "docs" / "compat.md").read_text()
#: Names that need no row: the exceptions are the SDK's own, and these do nothing that is seen.
UNNAMED = {
    "ANONYMOUS_API_TOKEN", "Handler", "exceptions", "types", "utils", "ping", "start", "writable", "store", "run",
    "AlertLevel", "Error", "UsageError", "errors", "Run", "is_finished", "get_url",
    "entity", "path", "url", "disabled", "step", "start_time",
}  # fmt: skip


@pytest.mark.parametrize("number", [0, 1])
def test_the_code_runs(tmp_path: Path, number: int) -> None:
    place = tmp_path / "place"
    place.mkdir()
    code = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[number]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, env=environment(tmp_path), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (run,) = journal_runs(place)
    assert {"train/loss", "loss"} & contents(run)["series"].keys()
    assert not run.get_mistakes()


def test_the_tests_exist() -> None:
    code = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", PAGE)
    assert len(named) > 40
    assert [name for name in named if f"def {name}(" not in code] == []


@pytest.mark.parametrize(
    ("section", "kinds", "names"),
    [
        ("Neptune", [neptune.Run, neptune.Handler], neptune.__all__),
        ("W&B", [wandb.Run], [*wandb.__all__, *wandb._CALLS]),
    ],
)
def test_every_call_is_named(section: str, kinds: list[type], names: list[str]) -> None:
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    words = set(re.findall(r"\w+", text))
    public = {name for kind in kinds for name in vars(kind)} | set(names)
    assert {name for name in public if not name.startswith("_")} - words - UNNAMED == set()
