"""What Evidently finds, and what of it is passed on; skipped where it is not installed (``make drift`` has it)."""

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner, Result

import multitrack
from browser import chromium
from multitrack.cli import main
from multitrack.drift import compare
from test_docs import blocks, execute

ROOT = Path(__file__).parents[2]
EVIL = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
evidently = pytest.mark.skipif(
    importlib.util.find_spec("evidently") is None, reason="needs Evidently, which `make drift` installs"
)


def table(mean: float = 0, rows: int = 200, text: str = "x") -> dict[str, list[Any]]:
    """A column that moves with the mean, one that stays, and categories."""
    even = [((i * 37) % rows) / rows for i in range(rows)]
    return {"moves": [mean + one for one in even], "stays": even, "city": [text if i % 3 else "b" for i in range(rows)]}


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["drift", *arguments])


@pytest.fixture(autouse=True)
def config(tmp_path: Path, isolated: None) -> None:
    (tmp_path / "multitrack.toml").write_text('delivery = "off"\n')


@evidently
def test_columns_and_their_share() -> None:
    found = compare(table(), table(2))
    assert found.drifted == ["moves"]
    assert (found.share, found.found) == (1 / 3, False)
    moves, stays, city = found.columns.values()
    assert (moves.kind, moves.method, moves.threshold, moves.drifted) == ("numerical", "K-S p_value", 0.05, True)
    assert moves.score < 1e-9
    assert (stays.score, stays.drifted) == (1.0, False)
    assert (city.kind, city.method, city.drifted) == ("categorical", "Z-test p_value", False)
    assert compare(table(), table(2), share=0.3).found
    none = compare(table(), table(), share=0)
    assert not none.found
    assert "Dataset Drift is NOT detected" in none.html
    assert "Dataset Drift is detected" in compare(table(), table(2), share=0).html


@evidently
def test_large_tables_are_compared_by_distance() -> None:
    found = compare(table(rows=1500), table(2, rows=1500))
    assert {one.threshold for one in found.columns.values()} == {0.1}
    assert found.columns["moves"].score > 0.1
    assert found.columns["moves"].drifted
    assert found.columns["stays"].score < 0.01


@evidently
def test_the_threshold_and_the_columns() -> None:
    found = compare(table(), table(0.1), columns=["moves", "city"], threshold=1e-9)
    assert list(found.columns) == ["moves", "city"]
    assert {one.threshold for one in found.columns.values()} == {1e-9}
    assert not found.drifted
    assert compare(table(), table(0.3), columns=["moves"], threshold=0.5).drifted == ["moves"]


@evidently
def test_names_that_collide_once_they_are_harmless() -> None:
    names = {"a<": [1.0, 2, 3] * 10, "a‹": [4.0, 5, 6] * 10}
    found = compare(names, {**names, "a‹": [400.0, 500, 600] * 10})
    assert (list(found.columns), found.drifted) == (["a<", "a‹"], ["a‹"])
    categories = compare({"c": ["<", "‹"] * 50}, {"c": ["<", "<"] * 50})
    assert categories.drifted == ["c"]


@evidently
def test_the_report_runs_no_text_of_the_data_and_asks_no_host(tmp_path: Path) -> None:
    hostile = {EVIL: table()["moves"], f"{EVIL}c": table(text=EVIL)["city"]}
    found = compare(hostile, {**hostile, EVIL: table(2)["moves"]})
    assert list(found.columns) == list(hostile)
    assert "<script>document" not in found.html
    (tmp_path / "report.html").write_text(found.html)
    with chromium(tmp_path) as page:
        page.open((tmp_path / "report.html").as_uri())
        page.wait("document.body.innerText.includes('Drift')")
        assert page.js("document.title") != "owned"
        assert page.js("document.querySelectorAll('img[src=x]').length") == 0
        assert "‹img src=x" in page.js("document.body.innerText")
        hosts = "performance.getEntriesByType('resource').filter((e) => !/^(data|blob|file):/.test(e.name)).length"
        assert page.js(hosts) == 0


@evidently
def test_no_host_is_asked_and_no_variable_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **_: Any) -> None:
        raise AssertionError(f"asked for {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    compare(table(), table(2))
    assert "DO_NOT_TRACK" not in os.environ


@evidently
@pytest.mark.parametrize(("wrong", "message"), [({"share": 2}, "share"), ({"threshold": -1}, "threshold")])
def test_invalid_numbers(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare(table(), table(), **wrong)  # type: ignore[arg-type]


@evidently
def test_the_command(tmp_path: Path) -> None:
    pd.DataFrame(table()).to_csv("train.csv", index=False)
    with multitrack.start_run("shop", "prod") as run:
        run.log_list_metric("moves", table(2)["moves"])
        run.log_list_metric("stays", table(2)["stays"])
    sides = ["--reference", "train.csv", "--current", "prod"]
    missing = invoke(*sides)
    assert (missing.exit_code, missing.stdout) == (2, "")
    assert "city missing; --columns moves,stays compares those in both" in missing.stderr
    shown = invoke(*sides, "--columns", "moves,stays", "--no-record", "--html", "report.html")
    assert shown.exit_code == 1, shown.output
    assert [line.split()[:2] for line in shown.stdout.splitlines()[1:3]] == [["moves", "yes"], ["stays", "no"]]
    assert f"drift from train.csv to {run.id}: 1 of 2 columns drifted (50%), limit 50%" in shown.stdout
    assert "Content-Security-Policy" in (tmp_path / "report.html").read_text()
    assert len(list(multitrack.open_journal().runs())) == 1
    done = invoke(*sides, "--columns", "moves,stays", "--share", "0.6", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["drift"], told["share"], told["columns"]["moves"]["drifted"]) == (False, 0.5, True)
    recorded = multitrack.open_journal().run(told["run"])
    assert recorded.summary().metrics["drift/share"] == 0.5
    assert recorded.facts.project == "shop"
    assert Path(told["html"]) == recorded.directory / "drift.html"
    assert invoke(*sides, "--columns", "moves,stays", "--into", "prod").exit_code == 1
    assert multitrack.open_journal().run("prod").summary().metrics["drift/share"] == 0.5


@evidently
def test_the_example(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "drift.py"], cwd=tmp_path, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "shop-1: no drift; drifted: nothing\nshop-2: drift; drifted: alcohol, color_intensity\n"
    )
    reader = multitrack.open_journal(tmp_path / "drift-run" / ".multitrack")
    assert {run.facts.name: run.summary().metrics.get("drift/share") for run in reader.runs()} == {
        "training": None, "shop-1": 0, "shop-2": 2 / 13,
    }  # fmt: skip


@evidently
def test_the_page_on_drift(tmp_path: Path) -> None:
    """Its Python, then its commands, on what that recorded; and what they print."""
    page = ROOT / "docs" / "drift.md"
    execute("\n".join(blocks(page, "python")), tmp_path)
    (shown,) = blocks(page, "text")
    command, _, table_of = shown.partition("\n")
    result = CliRunner().invoke(main, command.removeprefix("$ multitrack ").split())
    runs = re.compile(r"\d{8}-\d{6}-\d{3}-\w{6}")
    printed, written = (runs.sub("ID", text).splitlines() for text in (result.stdout, table_of))
    assert [line.rstrip() for line in printed] == written
    for line in blocks(page, "sh")[1].strip().splitlines():
        done = CliRunner().invoke(main, line.partition("#")[0].split()[1:])
        assert done.exit_code == 1, (line, done.output)


def test_wrong_usage() -> None:
    assert invoke("--reference", "a.csv").exit_code == 2
    wrong = invoke("--reference", "a.csv", "--current", "b.csv", "--into", "run", "--no-record")
    assert (wrong.exit_code, "one of them" in wrong.stderr) == (2, True)
    with multitrack.start_run("shop", "prod"):
        pass
    nobody = invoke("--reference", "a.csv", "--current", "b.csv", "--into", "nobody")
    assert (nobody.exit_code, "no run matches 'nobody'" in nobody.stderr) == (2, True)


def test_without_evidently_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    result = invoke("--reference", "a.csv", "--current", "b.csv")
    assert (result.exit_code, "pip install 'multitrack[drift]'" in result.stderr) == (2, True)
