"""The README's example runs, and its table names every option."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

import multitrack
from multitrack_neptune import NeptuneOptions

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_reading_example_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with multitrack.start_run(config={"delivery": "off"}, backends=["neptune"]) as run:
        run.log_metric("loss", 0.5, step=0)
        run.log_lines("grüße\u2028\x85 two")
    multitrack.sync()
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    operations: list[dict[str, Any]] = []
    scope = {"operations": operations}
    exec(example + "        operations.append(operation)\n", scope)  # noqa: S102 - our own README
    assert ["metrics", "loss"] in [operation["path"] for operation in operations]
    assert len(operations) > 10


def test_every_option_is_told_with_its_name() -> None:
    told = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", README, re.MULTILINE)
    assert told == [field.name for field in msgspec.structs.fields(NeptuneOptions)]


def test_the_first_thing_said_is_that_the_service_is_gone() -> None:
    assert "shut down on 5 March 2026" in README.split("\n")[2]
