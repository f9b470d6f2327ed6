"""Whatever is in a journal, a config or a tracker's answer: no listing or message can do anything to a terminal."""

import contextlib
import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import multitrack
from multitrack.cli import main
from multitrack.delivery.lane_state import LaneState, lane_file
from multitrack.delivery.report import DeliveryReport, LaneReport
from multitrack.journal.atomic import write_json
from multitrack.security.terminal import safe, safe_json

ACTIVE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
PIECES = [
    "\x1b[2J", "\x1b[31m", "\x1b]8;;https://evil\x1b\\click\x1b]8;;\x1b\\", "\x1b]52;c;ZXZpbA==\x07", "\x1b]0;owned\x07",
    "\x9b31m", "\x9d0;owned\x9c", "\u202egnp.exe", "\u2066", "\u200f", "\n20261121-000000-000-ffffff  fake  p  finished",
    "\r", "\t", "\b\b\b", "\x7f", "\u2028", "[bold red]x[/]", "[/]", "[link=https://evil]x[/link]", ":bomb:", "\\", "plain",
    "漢字", "🚀", "'\"`", "é", "x" * 300,
]  # fmt: skip
words = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), min_size=1, max_size=4).map("".join)
texts = words.filter(lambda text: "\0" not in text and text.strip() != "")


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments, prog_name="multitrack")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert not ACTIVE.search(result.output), (arguments, result.output)
    assert not ACTIVE.search(result.stderr), (arguments, result.stderr)
    return result.stdout


@contextlib.contextmanager
def fresh_directory() -> Iterator[Path]:
    """For one example of Hypothesis, which shares a test's fixtures."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)


@given(text=texts, other=texts)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_listing_does_anything(text: str, other: str) -> None:
    with fresh_directory() as place:
        run: Any = multitrack.start_run(
            text, other, params={text: other, "l": [text]}, tags={text: other}, notes=text, group=other,
            config={"delivery": "off", "mistakes": "warn"},
        )  # fmt: skip
        run.log_params({"more": 1}, source=text)
        run.log_metric(text, 1.0, step=0)
        run.log_metric(other, text)
        run.log_lines(text, stream=other)
        run.log_artifact_ref(text, "s3://x/" + other, kind=text, digest=other)
        multitrack.start_run(name=other, parent=run).end()
        run.end()
        manifest = json.loads((run.directory / "manifest.json").read_text())
        manifest["context"] |= dict.fromkeys(("user", "host", "python", "program"), text) | {"command": [text, other]}
        manifest["context"]["git"] = {"commit": text, "branch": other}
        manifest["context"]["code"] = {"files": {text: 1}, "left_out": {text: other}, "redacted": {text: 1}}
        manifest["context"]["hardware"] = {"cpu": text, "system": other, "gpus": [{"name": text}], "cuda": other}
        manifest["backends"] = [{"name": text, "load": other}, {"name": "b", "load": f"{other}:{text}"}]
        (run.directory / "manifest.json").write_text(json.dumps(manifest))
        for name in (text, "b"):
            with contextlib.suppress(OSError):  # a name too long for a file
                write_json(lane_file(run.directory, name), LaneState(
                    name, set_aside=1, reasons={text: 1}, stand_ins=[other], id=text, url=other, problem=text,
                ))  # fmt: skip
        table = invoke("runs")
        assert len(table.splitlines()) == 3
        assert [line.split()[0] for line in table.splitlines()][1:] == [
            found.id for found in multitrack.open_journal().runs()
        ]
        invoke("show", run.id)
        assert len(invoke("logs", run.id).splitlines()) == len(text.removesuffix("\n").split("\n"))
        streams = [line["stream"] for line in json.loads(invoke("logs", run.id, "--json"))]
        assert streams == [other] * len(text.removesuffix("\n").split("\n"))
        assert json.loads(invoke("show", run.id, "--json"))["notes"] == text
        assert {found["name"] for found in json.loads(invoke("runs", "--json"))} == {other}
        assert len(invoke("sync", run.id).splitlines()) == 1
        invoke("sync", run.id, "--json")
        invoke("show", text)
        invoke("show", run.id, "--diff")
        invoke("runs", "--" + text)
        invoke("logs", run.id, "--from", text)
        (place / "multitrack.toml").write_text(f"project = {json.dumps(text)}\n[{json.dumps(other)}]\nx = 1\n")
        for command in ("config", "backends"):
            invoke(command)
            invoke(command, "--json")


@given(st.text(alphabet=st.characters(codec=None)))
def test_safe_leaves_nothing_active_and_the_rest_as_it_is(text: str) -> None:
    assert not ACTIVE.search(safe(text))
    assert "\n" not in safe(text)
    if not ACTIVE.search(text):
        assert safe(text, lines=True) == text


@given(texts)
def test_safe_json_holds_the_same_values(text: str) -> None:
    document = msgspec.json.format(msgspec.json.encode({text: [text]}).decode(), indent=2)
    assert json.loads(safe_json(document)) == {text: [text]}
    assert not ACTIVE.search(safe_json(document))


EVIL = "\x1b[2J\n\u202e\x9b"


def test_what_we_log_is_safe(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("multitrack")
    log.warning("multitrack: %s", EVIL)
    try:
        raise ValueError(EVIL)
    except ValueError:
        log.exception("multitrack: %s raised", "it")
    assert "\\x1b[2J\\n\\u202e\\x9b" in caplog.text
    assert not ACTIVE.search(caplog.text)


def test_a_report_is_one_line() -> None:
    lane = LaneReport(1, 1, 1, {EVIL: 1}, EVIL, False)
    assert not ACTIVE.search(str(DeliveryReport({EVIL: lane})))
    assert "\n" not in str(DeliveryReport({EVIL: lane}))


def test_the_couriers_notices_are_safe(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    class Hostile:
        pass

    (tmp_path / "hostile.py").write_text(
        "from recording_backends import FileBackend\nfrom multitrack import hookimpl\n"
        "class Backend(FileBackend):\n    name = 'hostile'\n    @hookimpl\n"
        f"    def open_run(self, run):\n        raise ValueError({EVIL!r})\n"
        "backend = Backend()\n"
    )
    import sys

    sys.path.insert(0, str(tmp_path))
    try:
        multitrack.start_run(backends=["hostile:backend"], config={"interval": 0.05}).end()
    finally:
        sys.path.remove(str(tmp_path))
    said = capfd.readouterr().err
    assert "ValueError: \\x1b[2J" in said
    assert not ACTIVE.search(said)


def test_a_moment_that_cannot_be_is_shown_as_such(tmp_path: Path) -> None:
    run = multitrack.start_run(config={"delivery": "off"})
    run.end()
    assert run.directory is not None
    path = run.directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"created": 10**18}))
    assert run.id in invoke("runs")
    assert run.id in invoke("show", run.id)
