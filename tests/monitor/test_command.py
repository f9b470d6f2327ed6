"""``multitrack monitor`` as it prints, draws and refuses."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from matplotlib.image import imread

import multitrack
from monitor_clock import Clock, start
from multitrack.cli import main
from three_runs import EVIL


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["monitor", *map(str, arguments)], prog_name="multitrack")


def printed(*arguments: str | Path) -> str:
    done = invoke(*arguments)
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return done.stdout


@pytest.fixture
def served(clock: Clock, zone: None) -> Clock:
    """Two deployments: ``eu`` is one long run, ``us`` three executions."""
    clock.ms = 1_698_500_000_000  # 2023-10-28 15:33:20 in Berlin
    with start("service", deployment="eu", trigger="endpoint", params={"model": "v2"}) as run:
        run.log_artifact_ref("classifier", "s3://b/m", kind="model", role="input", version="1.0.0")
        for minute in range(180):
            clock.ms += 60_000
            if not 60 < minute < 130:
                run.log_metric("score", minute)
    for day in range(2):
        clock.ms = 1_698_500_000_000 + day * 86_400_000
        with start(f"batch {day}", deployment="us", trigger="schedule") as run:
            run.log_metric("score", 10)
            run.log_list_metric("latency", [1, 2, 3])
    with start("by hand", deployment="us") as run:
        run.log_metric("score", 30)
        run.log_artifact_ref("report", "s3://b/r", kind="text")
    return clock


@pytest.mark.usefixtures("served")
def test_windows_as_a_table() -> None:
    table = printed("score", "--every", "1h", "--stat", "count,mean,max", "--until", "2023-10-29T00:00")
    assert [line.rstrip() for line in table.splitlines()] == [
        "deployment  from (UTC+02:00)            count   mean  max",
        "eu          2023-10-28 15:00:00            26   12.5   25",
        "eu          2023-10-28 16:00:00            35     43   60",
        "eu          2023-10-28 17:00:00            16  137.5  145",
        "eu          2023-10-28 18:00:00            34  162.5  179",
        "us          2023-10-28 15:00:00             1     10   10",
        "us          … 3 windows without values",
    ]
    both = printed("score", "--every", "1h", "--stat", "rate").splitlines()
    assert both[0].split() == ["deployment", "from", "per", "second"]
    assert both[1].split() == ["eu", "2023-10-28", "15:00:00", "+02:00", "0.00722222"]
    assert both[-1].split() == ["us", "2023-10-29", "14:00:00", "+01:00", "0.000555556"]  # after the change of clocks


@pytest.mark.usefixtures("served")
def test_windows_as_json() -> None:
    told = json.loads(printed("score", "--every", "1h", "--by", "tags.deployment", "--json", "--stat", "count,p99"))
    assert (told["metric"], told["by"], told["every"]) == ("score", "tags.deployment", 3600)
    eu, us = told["groups"]
    assert (eu["value"], us["value"]) == ("eu", "us")
    runs = {run.facts.name: run.id for run in multitrack.open_journal().runs()}
    first, *_, last = us["windows"]
    assert (first["count"], first["p99"], first["runs"]) == (1, 10, [runs["batch 0"]])
    assert (last["count"], last["runs"]) == (2, [runs["batch 1"], runs["by hand"]])
    assert {window["p99"] for window in us["windows"] if not window["count"]} == {None}
    assert sum(window["count"] for window in eu["windows"]) == 111
    assert json.loads(printed("score", "--where", "tags.trigger = schedule", "--json"))["groups"][0]["value"] == "us"


@pytest.mark.usefixtures("served")
def test_executions() -> None:
    told = {each["name"]: each for each in json.loads(printed("--executions", "--json"))}
    assert [(each["by"], each["trigger"], each["status"]) for each in told.values()] == [
        ("eu", "endpoint", "finished"), ("us", "schedule", "finished"), ("us", "schedule", "finished"),
        ("us", "run", "finished"),
    ]  # fmt: skip
    assert told["service"]["inputs"] == {
        "model": {"type": "str", "value": "v2", "source": "code"},
        "classifier": {"type": "model", "value": "s3://b/m", "source": "s3:1.0.0"},
    }
    assert told["batch 0"]["outputs"]["latency"] == {"type": "int", "value": 3, "source": "list of 3, the last"}
    table = printed("--executions", "--since", "2023-10-29", "--by", "trigger").splitlines()
    assert len(table) == 3  # the service had ended before
    assert "report s3://b/r (text)" in table[2]
    assert "score 10 (int, simple metric)" in table[1]


@pytest.mark.usefixtures("served")
def test_a_picture(tmp_path: Path) -> None:
    done = printed("score", "--plot", "score.png", "--stat", "mean,p95,count")
    assert done.startswith("score.png: ")
    assert imread(tmp_path / "score.png").std() > 0.05  # something is drawn
    assert printed("score", "--plot", "a.svg", "--by", "status").startswith("a.svg")
    texts = set(re.findall(r"<!-- (.*?) -->", (tmp_path / "a.svg").read_text()))
    assert {"score", "count", "per second", "mean", "p50", "p95", "p99"} <= texts


@pytest.mark.usefixtures("served")
def test_wrong_usage(tmp_path: Path) -> None:
    for arguments, error in (
        ((), "METRIC, or --executions"), (("score", "--executions"), "leave out METRIC"),
        (("score", "--plot", "a.gif"), "one of .png"), (("score", "--plot", "a.png", "--json"), "one form at a time"),
        (("score", "--every", "soon"), "'soon' is not a duration"), (("scor",), "did you mean metrics.score?"),
        (("score", "--stat", "p200"), "no statistic"), (("score", "--since", "x"), "not a time"),
    ):  # fmt: skip
        done = invoke(*arguments)
        assert (done.exit_code, done.stdout) == (2, ""), arguments
        assert error in done.stderr
    done = invoke("score", "--since", "2024-01-01")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "multitrack: no values of score in this range\n")
    done = invoke("--executions", "--where", "name = nobody")
    assert "no runs match (4 in" in done.stderr


def test_text_that_acts_on_a_terminal_does_not(clock: Clock) -> None:
    with start(EVIL, deployment=EVIL, trigger=EVIL, params={EVIL: EVIL}) as run:
        run.log_metric(EVIL, 1)
    for arguments in ((EVIL,), ("--executions",)):
        text = printed(*arguments)
        assert not set(text) & {"\x1b", "\u202e", "\x07"}
        assert text.count("\n") == 2


def test_deployment_and_trigger_are_tags(clock: Clock) -> None:
    with start("a", deployment="eu", trigger="endpoint", tags={"tier": 1}) as run:
        assert run.directory is not None
    (run_,) = multitrack.open_journal().runs(tags={"deployment": "eu"}, where="tags.trigger = endpoint")
    assert run_.summary().tags == {"tier": "1", "deployment": "eu", "trigger": "endpoint"}
    for wrong in ("", 3):
        with pytest.raises((TypeError, ValueError), match="deployment name"):
            start("b", deployment=wrong)
    lenient = multitrack.start_run(deployment="", trigger="endpoint", config={"delivery": "off", "mistakes": "warn"})
    lenient.end()
    assert multitrack.open_journal().run(lenient.id).summary().tags == {"trigger": "endpoint"}
