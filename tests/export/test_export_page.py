"""docs/export.md: its Python, its commands and what they print, and whether it has every column."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from multitrack.cli import main
from multitrack.dataset.schema import TABLES

PAGE = Path(__file__).parents[2] / "docs" / "export.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_its_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "multitrack.toml").write_text('delivery = "off"\n')
    record, *read, spark = blocks("python")
    assert "pyspark" in spark  # tests/export/test_spark.py runs that
    names: dict[str, object] = {"__name__": "page"}
    exec(record, names)  # noqa: S102 - of this repository
    (commands,) = blocks("sh")
    runner = CliRunner()
    for line in commands.strip().splitlines():
        program, *arguments = shlex.split(line, comments=True)
        done = runner.invoke(main, arguments, prog_name=program)
        assert done.exit_code == 0, (line, done.output)
        assert re.search(r"3 runs; |try 2", done.output), (line, done.output)
    for code in read:
        exec(code, names)  # noqa: S102 - of this repository
    assert "│" in capsys.readouterr().out
    (shown,) = blocks("text")
    command, printed = shown.split("\n", 1)
    assert runner.invoke(main, shlex.split(command)[2:], prog_name="multitrack").stdout == printed


def test_it_has_every_table_and_column() -> None:
    text = PAGE.read_text()
    seen = 0
    for table in TABLES:
        (row,) = re.findall(rf"^\| `{table.name}` \| .*", text, re.MULTILINE)
        for column in table.columns:
            assert column.name in ("run", "project") or f"`{column.name}`" in row, (table.name, column.name)
            seen += 1
    assert seen > 80
