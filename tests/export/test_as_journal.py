"""A data set in the place of a journal: `compare`, `report`, `plot` and the others show what they show of the journals."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

import multitrack
import multitrack.compare
from exported_runs import compared, plain, record_odd_runs
from multitrack.cli import main
from multitrack.compaction.runs import compact_runs
from multitrack.dataset.manifest import State
from multitrack.errors import ExportError
from multitrack.export import export
from multitrack.journal.manifest import Compaction


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def config(journal: Path, **more: object) -> dict[str, object]:
    return {"journal": str(journal), "delivery": "off", **more}


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No test changes it."""
    found = tmp_path_factory.mktemp("odd") / "gpu1" / ".multitrack"
    record_odd_runs(found)
    return found


@pytest.mark.parametrize("storage", ["parquet", "delta"])
def test_the_table_of_compare(storage: Any, journal: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    export(multitrack.open_journal(journal).runs(), data, storage=storage)
    assert rounded(plain(compared(data))) == rounded(plain(compared(journal)))


def rounded(rows: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Rows with means of 14 digits.

    Of a run with integers beyond 64 bits, statistics are computed again, where sums of integers are sums of doubles.
    """
    return {
        run: {name: f"{float(value):.14g}" if name.endswith(":mean") else value for name, value in row.items()}
        for run, row in rows.items()
    }


def test_every_record_that_a_data_set_has(journal: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    export(multitrack.open_journal(journal).runs(), data)
    found = multitrack.open_journal(data)
    seen = 0
    for run in multitrack.open_journal(journal).runs():
        other = found.run(run.id)
        assert repr(other.get_metrics()) == repr({
            name: [type(point)(point.step, _double(point.value), point.time) for point in points]
            for name, points in run.get_metrics().items()
        })  # fmt: skip
        assert repr(other.get_list_metrics()) == repr({
            name: [_double(value) for value in values] for name, values in run.get_list_metrics().items()
        })  # fmt: skip
        assert list(other.get_lines()) == list(run.get_lines())
        assert other.manifest == msgspec.structs.replace(run.manifest, backends=[], compact=None)
        mine, theirs = run.summary(), other.summary()
        for name in ("status", "ended", "sources", "objects", "tags", "lines", "records", "models"):
            assert getattr(theirs, name) == getattr(mine, name), name
        assert repr(theirs.params) == repr(mine.params)
        assert [(ref.name, ref.uri, ref.digest) for ref in theirs.artifacts] == [
            (ref.name, ref.uri, ref.digest) for ref in mine.artifacts
        ]  # fmt: skip
        seen += len(mine.artifacts)
    assert seen == 12


def _double(value: float) -> int | float:
    try:
        return float(value) if float(value) == value else value
    except OverflowError:
        return value


@pytest.mark.long("show", "where")
@pytest.mark.parametrize("command", [
    ["runs"], ["lineage"], ["show", "child 0"], ["logs", "rün 0"],
    ["compare", "--columns", "name,status,started,ended,took,params,tags,versions,models"],
    ["compare", "--where", "params.lr > 0.03 and project = 'digits'", "--markdown", "-c", "name,params,metrics.loss"],
], ids=["runs", "lineage", "show", "logs", "columns", "where"])  # fmt: skip
def test_commands_print_the_same(command: list[str], journal: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    export(multitrack.open_journal(journal).runs(), data)
    told = [invoke(*command, "--journal", place) for place in (journal, data)]
    assert [result.exit_code for result in told] == [0, 0], told[1].output
    place = re.compile(r"^\s*journal .*\n(\s{10,}.*\n)*|[+-]?\d\.0\b", re.MULTILINE)
    first, second = (_numbers(place.sub(_integral, result.stdout)) for result in told)
    assert len(first) > 10
    assert second == first


def _integral(match: re.Match[str]) -> str:
    return match[0].removesuffix(".0") if match[0].endswith(".0") else ""


def _numbers(text: str) -> list[str]:
    return text.split()


def test_a_report_and_pictures(journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    export(multitrack.open_journal(journal).runs(), "data")
    pages = []
    for place in (str(journal), "data"):
        assert invoke("report", "--no-charts", "--journal", place, "-o", "x.html").exit_code == 0
        block = re.search(
            r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', Path("x.html").read_text(), re.DOTALL
        )
        assert block is not None
        pages.append({run["id"]: run for run in json.loads(block[1])["runs"]})
        result = invoke("plot", "-m", "loss", "--journal", place, "-o", f"{len(pages)}.svg", "--project", "digits")
        assert result.exit_code == 0, result.output
    first, second = pages
    assert first.keys() == second.keys()
    assert len(first) == 10
    for run_id, run in first.items():
        for name in ("name", "project", "status", "started", "ended", "parent", "params", "series", "lists", "lines"):
            assert _plain(second[run_id][name]) == _plain(run[name]), name
    pictures = [re.findall(r'<path d="[^"]*"', Path(f"{i}.svg").read_text()) for i in (1, 2)]
    assert len(pictures[0]) > 5
    assert pictures[0] == pictures[1]


def _plain(value: Any) -> str:
    text = re.sub(r"(\d)\.0\b", r"\1", json.dumps(value, sort_keys=True))
    return re.sub(r'(?<!")\b\d{13,}(\.\d+)?', lambda match: f"{float(match[0]):.12g}", text)  # see `rounded`


def test_a_run_that_was_running(tmp_path: Path) -> None:
    """As of the export: not killed because no process writes the copy."""
    run = multitrack.start_run("p", config=config(tmp_path / "j"), run_id="live")
    run.log_metric("loss", 1, step=0)
    export(multitrack.open_journal(tmp_path / "j").runs(), tmp_path / "data")
    (found,) = multitrack.open_journal(tmp_path / "data").runs()
    assert (found.summary().status, found.ended()) == ("running", None)
    assert invoke("report", "--no-charts", "--journal", tmp_path / "data", "-o", tmp_path / "x.html").exit_code == 0
    assert '"status":"running"' in (tmp_path / "x.html").read_text()
    run.end()
    export(multitrack.open_journal(tmp_path / "j").runs(), tmp_path / "data")
    (found,) = multitrack.open_journal(tmp_path / "data").runs()
    assert found.summary().status == "finished"


def test_only_runs_that_changed_are_copied(tmp_path: Path, cache: Path) -> None:
    for run_id in ("r0", "r1", "r2"):
        with multitrack.start_run("p", config=config(tmp_path / "j"), run_id=run_id, params={"a": 1}):
            pass
    data = tmp_path / "data"

    def copied() -> dict[str, int]:
        multitrack.open_journal(data)
        return {path.parent.name: path.stat().st_mtime_ns for path in cache.rglob("000001.jsonl")}

    export(multitrack.open_journal(tmp_path / "j").runs(), data)
    first = copied()
    assert first.keys() == {"r0", "r1", "r2"}
    assert copied() == first
    with multitrack.start_run("p", config=config(tmp_path / "j"), run_id="r1", params={"b": 2}):
        pass
    export(multitrack.open_journal(tmp_path / "j").runs(), data)
    second = copied()
    assert {name for name in second if second[name] != first[name]} == {"r1"}
    assert multitrack.open_journal(data).run("r1").get_params() == {"a": 1, "b": 2}
    shutil.rmtree(data)
    shutil.rmtree(tmp_path / "j")
    with multitrack.start_run("p", config=config(tmp_path / "j"), run_id="other"):
        pass
    export(multitrack.open_journal(tmp_path / "j").runs(), data)
    assert copied().keys() == {"other"}


def test_equal_ids(tmp_path: Path) -> None:
    journals = [tmp_path / name for name in ("one", "two")]
    for i, journal in enumerate(journals):
        with multitrack.start_run("p", config=config(journal), run_id="base", params={"at": i}):
            pass
    export(multitrack.open_journal(journals).runs(), tmp_path / "data")
    found = multitrack.open_journal(tmp_path / "data")
    assert {run.id: (run.journal, run.get_params()) for run in found.runs()} == {
        "one:base": ("one", {"at": 0}), "two:base": ("two", {"at": 1}),
    }  # fmt: skip
    assert plain(compared(tmp_path / "data")) == plain(compared(journals))
    result = invoke("runs", "--json", "--journal", f"old={tmp_path / 'data'}", "--journal", journals[0])
    assert {(run["id"], run["journal"]) for run in json.loads(result.stdout)} == {
        ("old/one:base", "old/one"), ("old/two:base", "old/two"),
    }  # fmt: skip
    assert "1 run is in several journals and counted once: base" in result.stderr


def test_a_compacted_run(tmp_path: Path) -> None:
    settings = config(tmp_path / "j", compact_after="1s")
    for count in (300, 1):
        with multitrack.start_run("p", deployment="eu", config=settings, run_id="served") as run:
            for i in range(count):
                run.log_metric("score", i % 7)
    list(compact_runs([tmp_path / "j" / "runs" / "served"], Compaction(0, ["metrics"])))
    export(multitrack.open_journal(tmp_path / "j").runs(), tmp_path / "data")
    told = [invoke("monitor", "score", "--json", "--journal", tmp_path / place) for place in ("j", "data")]
    first, second = (re.sub(r'"(rate|end)": *[\d.]+', "", result.stdout) for result in told)  # up to now
    assert first == second
    assert sum(window["count"] for window in json.loads(told[1].stdout)["groups"][0]["windows"]) == 301


def test_what_is_refused(tmp_path: Path, journal: Path) -> None:
    data = tmp_path / "data"
    export(multitrack.open_journal(journal).runs(), data)
    for command in (["sync"], ["compact"], ["import", "x.csv"]):
        result = invoke(*command, "--journal", data)
        assert (result.exit_code, "is a data set, which" in result.stderr) == (2, True), result.output
    with pytest.raises(multitrack.MultitrackError, match=r"no data set in memory://nothing: dataset\.json is"):
        multitrack.open_journal("memory://nothing")
    result = invoke("runs", "--journal", journal, "--journal", "memory://nothing")
    assert (result.exit_code, "no data set in memory://nothing" in result.stderr) == (1, True)


def test_the_data_set_is_named_and_not_its_copy(tmp_path: Path, journal: Path, cache: Path) -> None:
    data, empty = tmp_path / "data", tmp_path / "empty"
    export(multitrack.open_journal(journal).runs(), data)
    export([], empty)
    result = invoke("show", "rün 0", "--journal", data)
    printed = re.sub(r"\s", "", result.stdout)
    assert f"journal{data}" in printed
    assert str(cache) not in printed
    assert f"no runs match (10 in {data})" in invoke("runs", "--project", "none", "--journal", data).stderr
    assert f"no runs in {empty}" in invoke("runs", "--journal", empty).stderr
    assert multitrack.open_journal([data, journal]).where == f"{data}, {journal}"


def test_verify_says_that_a_data_set_has_no_deliveries(tmp_path: Path, journal: Path) -> None:
    data = tmp_path / "data"
    export(multitrack.open_journal(journal).runs(), data)
    result = invoke("verify", "--against", "files", "--journal", data)
    assert (result.exit_code, "replay" in result.stderr) == (1, False)
    assert "a data set has no deliveries to compare with: verify the journal that it was made of" in result.stderr
    assert "10 runs were not delivered to files" in invoke("verify", "--against", "files", "--journal", journal).stderr


def test_a_url(tmp_path: Path, journal: Path) -> None:
    export(multitrack.open_journal(journal).runs(), "memory://as-journal/runs")
    result = invoke("compare", "--journal", "memory://as-journal/runs", "--columns", "name,params.lr", "--csv")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 11), result.output


def test_a_data_set_of_somebody_else_writes_nowhere_else(tmp_path: Path, cache: Path) -> None:
    with multitrack.start_run("p", config=config(tmp_path / "j"), run_id="r0"):
        pass
    data = tmp_path / "data"
    export(multitrack.open_journal(tmp_path / "j").runs(), data)
    told = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps({**told, "files": {**told["files"], "runs": ["../j/x.parquet"]}}))
    with pytest.raises(ExportError, match=r"names a file outside of the data set: \.\./j/x\.parquet"):
        multitrack.open_journal(data)
    (data / "dataset.json").write_text(json.dumps(told))
    state = msgspec.msgpack.decode((data / told["state"]).read_bytes(), type=State)
    inside = state.files
    state.files = [msgspec.structs.replace(inside[0], path="../j/x.parquet"), *inside[1:]]
    (data / told["state"]).write_bytes(msgspec.msgpack.encode(state))
    with pytest.raises(ExportError, match=r"names a file outside of the data set: \.\./j/x\.parquet"):
        multitrack.open_journal(data)
    state.files = inside
    state.runs[0].id = "../../out"
    (data / told["state"]).write_bytes(msgspec.msgpack.encode(state))
    with pytest.raises(ExportError, match=r"has a run with an invalid id: \.\./\.\./out"):
        multitrack.open_journal(data)
    assert list(cache.rglob("*.jsonl")) == []
