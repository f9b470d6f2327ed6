"""``multitrack alerts``: its listings, its exit status, and that a terminal is safe from names."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import multitrack
from alerting import WrittenRun, at
from multitrack.alerts.state import State, StoredFiring, state_lock, write_state
from multitrack.cli import main
from three_runs import EVIL

CONFIG = """\
[[alerts]]
name = "too low"
when = "score:mean over 1h < 0.9 by deployment"
[[alerts]]
when = "nan loss"
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["alerts", *arguments], prog_name="multitrack")


def config(text: str = CONFIG) -> None:
    Path("multitrack.toml").write_text('journal = "journal"\n' + text)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    config()
    run = WrittenRun(tmp_path / "journal", "a", deployment="eu")
    run.log(0, score=0.95, loss=float("nan"))
    run.log(1, score=0.7)
    run.end(2)
    return tmp_path / "journal"


def test_check_lists_what_fires_and_exits_with_1(journal: Path) -> None:
    before = invoke()
    assert before.exit_code == 0
    assert [line.split()[-2:] for line in before.output.splitlines()[1:]] == [["not", "evaluated"]] * 2
    checked = invoke("check")  # the first one looks at the present: that run has ended long ago
    assert (checked.exit_code, "firing" in checked.output) == (0, False)
    with multitrack.start_run(
        "p", config={"delivery": "off", "journal": str(journal)}, tags={"deployment": "us"}
    ) as run:
        run.log_metric("score", 0.5)
        run.log_metric("loss", float("nan"))
        checked = invoke("check")
        assert checked.exit_code == 1
        assert "multitrack: alert: FIRING: too low" in checked.stderr
        assert f"run {run.name} ({run.id})" in checked.stdout
        listed = json.loads(invoke("--json").stdout)
        assert [(one["name"], one["state"], one["group"], one["value"]) for one in listed] == [
            ("too low", "firing", "us", 0.5), ("nan loss", "firing", run.id, "NaN"),
        ]  # fmt: skip
        again = invoke("check")
        assert (again.exit_code, again.stderr) == (1, "")  # told once
        run.log_metric("score", 1.5)
    checked = invoke("check")
    assert (checked.exit_code, checked.stderr.count("alert: resolved: ")) == (0, 2)
    assert invoke().exit_code == 0


def test_alerts_of_rules_that_only_code_has_are_listed(journal: Path) -> None:
    foreign = StoredFiring("los >", "a", at(0))
    write_state(
        journal, State(at(9), [StoredFiring("loss > 3 x best", "a", at(1), value=9, run=("a", "try")), foreign])
    )
    config("")
    listed = invoke()
    assert listed.exit_code == 1
    (row,) = [line for line in listed.stdout.splitlines() if "firing" in line]
    assert row.split()[:6] == ["loss", ">", "3", "x", "best", "firing"]
    assert row.endswith("run try (a)")


def test_a_message_that_could_not_be_sent_exits_with_1_and_waits(journal: Path, tmp_path: Path) -> None:
    config('[[alerts]]\nwhen = "x > 1"\n[notify.command]\nprogram = "page.sh"\n')
    invoke("check")
    with multitrack.start_run("p", config={"delivery": "off", "journal": str(journal)}) as run:
        run.log_metric("x", 2)
    checked = invoke("check")
    assert checked.exit_code == 1
    assert "No such file or directory: " in checked.stderr
    assert "2 notifications were not sent; `multitrack alerts check` tries again" in checked.stderr
    (tmp_path / "page.sh").write_text('#!/bin/sh\necho >> "$0.told"\n')
    (tmp_path / "page.sh").chmod(0o755)
    assert invoke("check").exit_code == 0
    assert (tmp_path / "page.sh.told").read_text() == "\n\n"


def test_test_replays_the_rules_and_keeps_nothing(journal: Path) -> None:
    shown = invoke("test")
    assert shown.exit_code == 0
    assert ["too low" in shown.stdout, "(the run is finished)" in shown.stdout] == [True, True]
    found = json.loads(invoke("test", "--json", "--rule", "score > 0.9", "--rule", "nan").stdout)
    assert [(one["rule"], one["fired"], one["resolved"], one["value"], one["value_then"]) for one in found] == [
        ("score > 0.9", at(0), at(1), 0.95, 0.7), ("nan", at(0), at(2), "NaN", None),
    ]  # fmt: skip
    assert invoke("test", "--since", "7d").stderr == f"multitrack: no alert would have fired in {journal}\n"
    assert not (journal / "alerts.json").exists()


def test_check_leaves_a_journal_to_the_process_that_evaluates_it(journal: Path) -> None:
    lock = state_lock(journal)
    assert lock.take()
    try:
        checked = invoke("check")
    finally:
        lock.release()
    assert "evaluates the alerts of" in checked.stderr
    assert not (journal / "alerts.json").exists()


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("", (), "no alerts: write [[alerts]]"),
        ('[[alerts]]\nwhen = "loss >"', (), "[[alerts]] 1 when: expected a number\n  loss >\n        ^\n"),
        (CONFIG, ("test", "--rule", "loss > \x1b"), "--rule: expected a number\n  loss > \\x1b\n         ^\n"),
        (CONFIG, ("test", "--since", "soon"), "'soon' is not a time"),
    ],
)
def test_wrong_usage_exits_with_2(journal: Path, text: str, arguments: tuple[str, ...], message: str) -> None:
    config(text)
    done = invoke(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_names_from_a_journal_do_not_act_on_a_terminal(tmp_path: Path) -> None:
    config('[[alerts]]\nwhen = "x > 1 by stage"\n')
    WrittenRun(tmp_path / "journal", "a", stage=EVIL).log(0, x=5)
    invoke("check")
    shown: list[Any] = [invoke("test"), invoke("test", "--json"), invoke("check")]
    with multitrack.start_run(
        EVIL, EVIL, config={"delivery": "off", "journal": "journal"}, tags={"stage": EVIL}
    ) as run:
        run.log_metric("x", 9)
        shown += [invoke("check"), invoke(), invoke("--json")]
    assert "firing" in shown[-1].output
    for result in shown:
        assert not set(result.output) & set("\x1b\x07\x9b\r\u202e"), result.output


def test_config_shows_the_rules_and_no_secret(journal: Path) -> None:
    config(CONFIG + '[notify.webhook]\nurl = "https://me:hunter2@host/x"\n')
    shown = CliRunner().invoke(main, ["config", "--json"])
    values = {row["key"]: row["value"] for row in json.loads(shown.stdout)["values"]}
    assert values["alerts"] == ["score:mean over 1h < 0.9 by deployment", "nan loss"]
    assert values["notify"] == ["webhook"]
    assert "hunter2" not in shown.output
