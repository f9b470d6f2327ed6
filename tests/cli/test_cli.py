"""The command: listings for people and machines, exit statuses, and nothing that a name could do to a terminal."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import multitrack
from multitrack.cli import main
from recording_backends import delivered

pytestmark = pytest.mark.usefixtures("trusted")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="multitrack")


@pytest.fixture
def run(tmp_path: Path) -> multitrack.Run:
    """A finished run that is not delivered yet."""
    with multitrack.start_run(
        "digits", "baseline", params={"lr": 0.1, "text": "x" * 300}, tags={"team": "vision"}, notes="first try",
        backends=["recording_backends:file"], config={"delivery": "off"},
    ) as run:  # fmt: skip
        run.log_metric("loss", 0.5, step=0)
        run.log_metric("accuracy", float("nan"))
        run.log_list_metric("l", [1, 2])
        run.log_lines(["hello", "world"])
        run.log_artifact_ref("data", "s3://bucket/data", kind="dataset", role="input")
    return run


def test_runs_lists_what_there_is_and_how_far_it_is_delivered(run: multitrack.Run) -> None:
    text = invoke("runs").output
    assert re.search(rf"{run.id} +baseline +digits +finished .* file 7 pending", text)
    (found,) = json.loads(invoke("runs", "--json").output)
    assert (found["id"], found["status"], found["backends"]["file"]["pending"]) == (run.id, "finished", 7)
    for none in (["--project", "other"], ["--status", "failed"], ["--where", "params.lr > 1"]):
        nothing = invoke("runs", *none, "--json")
        assert json.loads(nothing.stdout) == []
        assert "no runs match (1 in " in nothing.stderr
    assert len(json.loads(invoke("runs", "--limit", "1", "--json").output)) == 1
    (listed,) = multitrack.open_journal().runs()
    assert "file" in listed.lanes()
    assert listed._manifest is None  # whose packages a listing of thousands does not hold


def test_runs_fit_a_terminal(run: multitrack.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TTY_COMPATIBLE": "1", "NO_COLOR": "1", "COLUMNS": "80"}.items():
        monkeypatch.setenv(name, value)
    lines = re.sub(r"\x1b\[[\d;]*m", "", invoke("runs").output).splitlines()
    assert lines[0].split() == ["run", "name", "project", "status", "took", "delivery"]
    assert lines[1].split()[:4] == [run.id, "baseline", "digits", "finished"]
    assert lines[-1] == "columns that do not fit: started, records (--json has all)"
    assert max(map(len, lines)) <= 80


def test_show_tells_all_of_a_run(run: multitrack.Run) -> None:
    text = invoke("show", "baseline").output
    for part in (
        run.id,
        "lr",
        "0.1",
        "(300 characters)",
        "accuracy",
        "nan",
        "vision",
        "s3://bucket/data",
        "first try",
        "7 pending",
        "path = ",  # where the backend delivers to
    ):
        assert part in text
    found = json.loads(invoke("show", run.id[:12], "--json").output)
    assert found["params"]["text"] == "x" * 300
    assert found["metrics"] == {"loss": 0.5, "accuracy": "NaN", "l": 2}
    assert found["points"] == {"loss": 1, "l": 2}
    assert found["context"]["python"]


def test_show_names_the_key_of_a_file_that_a_param_is_from(tmp_path: Path) -> None:
    base = tmp_path / "base.toml"
    base.write_text("[model]\nunits = 64\n")
    with multitrack.start_run("digits", config={"delivery": "off"}) as run:
        run.log_params(base)
        run.log_params({"lr": 0.1})
    rows = {row.split()[0]: row.split()[1:] for row in invoke("show", run.id).output.splitlines() if row.split()}
    assert rows["model/units"] == ["64", f"{base}:model.units"]
    assert rows["lr"] == ["0.1", "code"]


def test_show_tells_a_simple_metric_and_a_series_of_one_name_apart() -> None:
    with multitrack.start_run("digits", "both", config={"delivery": "off"}) as run:
        for step, value in enumerate((0.6033, 0.6413)):
            run.log_metric("val_mae", value, step=step)
        run.log_metric("val_mae", 0.6033)
        run.log_metric("mse", 2.0)
    lines = [re.split(r"  +", line.strip()) for line in invoke("show", "both").output.splitlines()]
    at = lines.index(["metric", "value", "points"])
    assert lines[at + 1 : at + 4] == [
        ["val_mae", "0.6413", "2"], ["val_mae", "0.6033", "simple, beside the series"], ["mse", "2"],
    ]  # fmt: skip


def test_a_report_of_no_run_leaves_the_one_that_is_there(run: multitrack.Run) -> None:
    there = Path("there.html")
    there.write_text("there")
    for arguments, status, said in (
        (("--where", "params.lr > 1"), 1, "no runs match (1 in "),
        (("--where", "params.lrr < 1"), 1, "no run has params.lrr (did you mean params.lr?)"),
        (("--port", "80"), 2, "--port needs --watch"), (("--every", "80"), 2, "--every needs --watch"),
    ):  # fmt: skip
        result = invoke("report", "-o", "there.html", *arguments)
        assert (result.exit_code, there.read_text()) == (status, "there")
        assert said in result.stderr
    assert invoke("report", "-o", "there.html", "--no-charts").exit_code == 0
    assert "baseline" in there.read_text()


def test_show_of_what_is_not_there() -> None:
    result = invoke("show", "x")
    assert result.exit_code == 1
    assert "no journal in" in result.output
    multitrack.start_run(config={"delivery": "off"}, name="a").end()
    result = invoke("show", "x")
    assert result.exit_code == 1
    assert "no run matches 'x'" in result.output
    multitrack.start_run(config={"delivery": "off"}, name="a").end()
    assert "several runs match 'a'" in invoke("show", "a").output
    assert "several runs match '2'" in invoke("show", "2").output  # all ids begin so
    multitrack.start_run(config={"delivery": "off"}, name="2").end()
    assert multitrack.open_journal().run("2").facts.name == "2"


def test_logs_prints_lines_with_time_and_stream(run: multitrack.Run) -> None:
    lines = invoke("logs", run.id).output.splitlines()
    assert [line.split(maxsplit=3)[2:] for line in lines] == [["log", "hello"], ["log", "world"]]
    assert len(invoke("logs", run.id, "--limit", "1").output.splitlines()) == 1
    assert invoke("logs", run.id, "--from", "2100-01-01").output == ""
    assert len(invoke("logs", run.id, "--to", "2100-01-01T00:00:00+02:00").output.splitlines()) == 2
    document = invoke("logs", run.id, "--json").output
    assert [line["text"] for line in json.loads(document)] == ["hello", "world"]
    assert document.count("\n") == 4  # brackets, and a line each
    assert json.loads(invoke("logs", run.id, "--to", "2000-01-01", "--json").output) == []
    wrong = invoke("logs", run.id, "--from", "yesterday")
    assert wrong.exit_code == 2
    assert "'yesterday' is not a time, such as 2026-11-21T09:30 or 7d (ago)" in wrong.output
    assert len(invoke("logs", run.id, "--from", "1h").output.splitlines()) == 2
    shown = " ".join(invoke("logs", run.id).output.splitlines()[0].split()[:2])  # as it is shown it can be asked for
    assert "hello" in invoke("logs", run.id, "--from", shown, "--to", shown).output


def test_sync_delivers_and_says_so(run: multitrack.Run, tmp_path: Path) -> None:
    result = invoke("sync")
    assert (result.exit_code, result.output) == (0, f"{run.id}  file: 7 delivered\n")
    assert len(delivered(tmp_path / "delivered.jsonl", "metric")) == 2
    result = invoke("sync", "--journal", str(tmp_path / ".multitrack"))
    assert (result.exit_code, result.output) == (0, "nothing is pending\n")


def test_a_search_is_shown_with_its_children(tmp_path: Path) -> None:
    config = {"delivery": "off"}
    with multitrack.start_run("digits", "search", config=config) as search:
        children = [multitrack.start_run("digits", f"trial {n}", parent=search, config=config) for n in range(22)]
        for child in children:
            child.end("failed" if child is children[0] else "finished")
    alone = multitrack.start_run("digits", "alone", config=config)
    alone.end()
    shown = invoke("show", "search").output
    assert re.search(rf"^{children[0].id} +trial 0 +failed ", shown, re.MULTILINE)
    assert sum(child.id in shown for child in children) == 20
    assert f"2 more children: multitrack runs --parent {search.id}" in shown
    assert json.loads(invoke("show", "search", "--json").output)["children"] == [child.id for child in children]
    assert json.loads(invoke("show", "alone", "--json").output)["children"] == []
    assert children[-1].directory is not None
    (children[-1].directory / "manifest.json").write_text("{")
    (children[-1].directory / "000001.jsonl").write_text("{")
    for one in (search, alone):  # a run that cannot be read is no trouble of another that is named by its id
        found = invoke("show", one.id, "--json")
        assert (found.exit_code, found.stderr) == (0, "")
    children.pop()
    for arguments, expected in (
        (("--parent", "search"), children), (("search",), [search, *children]), (("alone",), [alone]),
        (("--since", "1h", "--limit", "2"), [children[-1], alone]), (("--until", "1h"), []),
    ):  # fmt: skip
        listed = [run["id"] for run in json.loads(invoke("runs", *arguments, "--json").stdout)]
        assert listed == [run.id for run in expected], arguments


def test_a_directory_with_a_journal_will_do(tmp_path: Path, run: multitrack.Run) -> None:
    for place in (tmp_path, tmp_path / ".multitrack"):
        assert run.id in invoke("runs", "--journal", str(place)).output
    (tmp_path / "other").mkdir()
    assert "no journal in" in invoke("runs", "--journal", str(tmp_path / "other")).output


def test_sync_that_leaves_something_exits_with_1(tmp_path: Path) -> None:
    run = multitrack.start_run(backends=["recording_backends:closed"], config={"delivery": "off"})
    run.log_metric("x", 1.0)
    run.end()
    result = invoke("sync", run.id, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report[run.id]["closed"]["pending"] == 1
    assert "the door is closed" in report[run.id]["closed"]["problem"]
    assert "the door is closed" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("--help",), ("sync", "--help"), ("--version",)])
def test_help(arguments: tuple[str, ...]) -> None:
    result = invoke(*arguments)
    assert result.exit_code in (0, 2)  # a group without a command shows its help; click 8.2 made that a usage error
    assert "multitrack" in result.output.lower()


@pytest.mark.parametrize("arguments", [("nonsense",), ("runs", "--nonsense"), ("runs", "--status", "odd"), ("show",)])
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    assert invoke(*arguments).exit_code == 2


def test_nothing_recorded_can_do_anything_to_a_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\u202e [bold red]x[/] \\"
    run: Any = multitrack.start_run(evil, evil, params={evil: evil}, tags={evil: evil}, notes=evil, group=evil,
                                    config={"delivery": "off"})  # fmt: skip
    run.log_metric(evil, 1.0, step=0)
    run.log_lines(evil, stream=evil)
    run.log_artifact_ref(evil, "s3://x/" + evil, kind=evil)
    run.end()
    for arguments in (("runs",), ("show", run.id), ("logs", run.id)):
        text = invoke(*arguments).output
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text), arguments
        assert "[bold red]x[/]" in text
