"""The README's example runs, and its table names every option and file."""

import re
from pathlib import Path

import msgspec
import pytest

import multitrack
from multitrack_tensorboard import TensorboardOptions, files

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_reading_example_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with multitrack.start_run(
        "p", config={"delivery": "off"}, backends=["tensorboard"], params={"lr": 0.1, "units": 3}, tags={"a": "b"}
    ) as run:
        run.log_metric("loss", 0.1, step=7)
        run.log_metric("best", 2**60 + 1)
        run.log_lines(["grüße\u2028", "  *two*"])
    multitrack.sync()
    capsys.readouterr()
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(example, {})  # noqa: S102 - our own README
    printed = capsys.readouterr().out
    assert re.search(r"^loss 7 \d+\.\d+ 0\.1$", printed, re.MULTILINE)
    assert re.search(rf"^best 0 \d+\.\d+ {2**60 + 1}$", printed, re.MULTILINE)
    assert "multitrack/params [['lr', '0.1'], ['units', '3']]" in printed
    assert "multitrack/tags [['a', 'b']]" in printed
    lines = ["grüße\u2028", "  *two*"]
    assert f"multitrack/lines/log 0 {lines}" in printed


def test_every_option_is_told_with_its_name() -> None:
    told = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", README, re.MULTILINE)
    assert told == [field.name for field in msgspec.structs.fields(TensorboardOptions)]


def test_every_file_is_told_with_its_name() -> None:
    told = re.findall(r"^\| `(events\.[\w.]+)` \|", README, re.MULTILINE)
    assert told == [files.RUN_FILE, files.HPARAMS_FILE, files.RECORDS_FILE, files.END_FILE]


def test_every_tag_is_told() -> None:
    from multitrack_tensorboard import tags

    for tag in (tags.RUN, tags.END, tags.PARAMS, tags.WHOLE, tags.TAGS, tags.ARTIFACTS, tags.EXACT, tags.LINES):
        assert f"`{tag}" in README
