"""docs/archive.md: its Python, then its commands, on what that recorded."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from multitrack.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "archive.md"


def test_its_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "multitrack.toml").write_text('delivery = "off"\n')
    text = PAGE.read_text()
    (record,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (commands,) = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    exec(record, {"__name__": "page"})  # noqa: S102 - of this repository
    runner, printed = CliRunner(), []
    for line in commands.strip().splitlines():
        program, *arguments = shlex.split(line, comments=True)
        done = runner.invoke(main, arguments, prog_name=program)
        assert done.exit_code == 0, (line, done.output)
        printed.append(done.stdout)
    assert [re.sub(r", \d.*", "", line) for line in printed[:3]] == [
        "archive: 2 runs; 2 new\n", "archive: 2 runs; 2 unchanged\n", "elsewhere: 2 runs; 2 new\n",
    ]  # fmt: skip
    assert printed[3].count("digits") == 2
