"""Several journals read as one: labels, equal ids, copies, and the commands that accept or refuse them."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import multitrack
from multitrack.cli import main
from multitrack.compaction.runs import compact_runs
from multitrack.compare import compare
from multitrack.journal.manifest import Compaction
from multitrack.page.render import write_page
from multitrack.reading.labels import labelled


def record(journal: Path, run_id: str | None = None, *, parent: multitrack.Run | None = None, **params: object) -> str:
    config = {"journal": str(journal), "delivery": "off"}
    with multitrack.start_run(project="p", name=f"in {journal.parent.name}", params=params, config=config,
                              run_id=run_id, parent=parent) as run:  # fmt: skip
        run.log_metric("loss", len(params), step=0)
        run.log_artifact_ref("data", "s3://b/d", role="input")
    return run.id


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.fixture
def journals(tmp_path: Path) -> list[Path]:
    """Of two machines, each with a run ``base`` and one of its own."""
    found = [tmp_path / machine / ".multitrack" for machine in ("gpu1", "gpu2")]
    for i, journal in enumerate(found):
        record(journal, "base", at=i)
        record(journal, f"own{i}", lr=0.1 * (i + 1))
    return found


def test_equal_ids_are_kept_apart(journals: list[Path]) -> None:
    reader = multitrack.open_journal(journals)
    assert [run.id for run in reader.runs()] == ["gpu1:base", "own0", "gpu2:base", "own1"]
    assert [run.journal for run in reader.runs()] == ["gpu1", "gpu1", "gpu2", "gpu2"]
    assert reader.run("gpu2:base").get_params() == {"at": 1}
    assert reader.run("gpu1:own0").get_params() == reader.run("own0").get_params() == {"lr": 0.1}
    with pytest.raises(multitrack.RunError, match=r"several runs match 'base' in .*: gpu1:base, gpu2:base"):
        reader.run("base")
    with pytest.raises(multitrack.RunError, match="no run matches 'gpu3:base'"):
        reader.run("gpu3:base")
    table = compare(reader.runs(), "journal,params.at", sort="run")
    assert [row["run"] for row in table.to_dicts()] == ["gpu1:base", "gpu2:base", "own0", "own1"]
    assert [run.id for run in reader.runs(where="journal = gpu2 and params.at = 1")] == ["gpu2:base"]


def test_a_run_in_one_of_them_has_its_plain_id(journals: list[Path]) -> None:
    assert [run.id for run in multitrack.open_journal(journals[0]).runs()] == ["base", "own0"]
    assert multitrack.open_journal([journals[0]]).run("gpu1:base").id == "base"


def test_labels_can_be_given(journals: list[Path]) -> None:
    reader = multitrack.open_journal({"old": journals[0], "new": journals[1]})
    assert {run.id for run in reader.runs()} == {"old:base", "new:base", "own0", "own1"}
    told = json.loads(invoke("runs", "--json", "--journal", f"a={journals[0]}", "--journal", str(journals[1])).stdout)
    assert [(run["id"], run["journal"]) for run in told] == [
        ("a:base", "a"), ("own0", "a"), ("gpu2:base", "gpu2"), ("own1", "gpu2"),
    ]  # fmt: skip


def test_labels_tell_journals_apart(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a/x/.multitrack", "b/x/.multitrack", "b/y/runs", "b/x/.multitrack")]
    assert [place.label for place in labelled([(path, None) for path in paths])] == ["a/x", "b/x", "runs"]
    assert [place.label for place in labelled([(paths[0], "z"), (paths[1], "z")])] == ["z", "z-2"]


def test_a_copy_counts_once(tmp_path: Path, journals: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    """Also one that was resumed in the other place: the longer one counts."""
    third = tmp_path / "gpu3" / ".multitrack"
    (third / "runs").mkdir(parents=True)
    for name in ("base", "own0"):
        shutil.copytree(journals[0] / "runs" / name, third / "runs" / name)
    record(third, "own0", more=1)
    with caplog.at_level(logging.WARNING, "multitrack"):
        reader = multitrack.open_journal([*journals, third])
        ids = [[run.id for run in reader.runs()] for _ in range(2)]
    assert ids == [["gpu1:base", "own0", "gpu2:base", "own1"]] * 2
    assert reader.run("own0").journal == "gpu3"
    assert reader.run("own0").get_params() == {"lr": 0.1, "more": 1}
    assert reader.run("gpu1:own0").journal == "gpu3"
    assert reader.copies() == {"base": ["gpu1", "gpu2", "gpu3"], "own0": ["gpu1", "gpu3"]}
    assert caplog.text.count("2 runs are in several journals and counted once: base, own0") == 1
    assert reader.count() == 4


def test_copies_that_went_on_differently_are_kept_apart(tmp_path: Path, journals: list[Path]) -> None:
    third = tmp_path / "gpu3" / ".multitrack"
    (third / "runs").mkdir(parents=True)
    shutil.copytree(journals[0] / "runs" / "own0", third / "runs" / "own0")
    record(journals[0], "own0", here=1)
    record(third, "own0", there=1)
    found = {run.id: run.get_params() for run in multitrack.open_journal([journals[0], third]).runs()}
    assert found == {"base": {"at": 0}, "gpu1:own0": {"lr": 0.1, "here": 1}, "gpu3:own0": {"lr": 0.1, "there": 1}}


def test_a_copy_counts_once_after_one_of_both_was_compacted(tmp_path: Path) -> None:
    journal, other = tmp_path / "gpu1", tmp_path / "gpu2"
    config = {"journal": str(journal), "delivery": "off", "compact_after": "1s"}
    with multitrack.start_run(project="p", deployment="eu", config=config, run_id="served") as run:
        for i in range(200):
            run.log_metric("score", i)
    record(journal, "served", more=1)  # so that the first segment is closed
    shutil.copytree(journal, other)
    directory = journal / "runs" / "served"
    before = (directory / "000001.jsonl").stat().st_size
    (found,) = compact_runs([directory], Compaction(0, ["metrics"]))
    assert found.segments >= 1
    assert (directory / "000001.jsonl").stat().st_size < before
    reader = multitrack.open_journal([journal, other])
    assert [run.id for run in reader.runs()] == ["served"]
    assert reader.copies() == {"served": ["gpu1", "gpu2"]}


def test_children_and_parents_have_the_ids_of_the_list(tmp_path: Path) -> None:
    journals = [tmp_path / name for name in ("one", "two")]
    for journal in journals:
        config = {"journal": str(journal), "delivery": "off"}
        with multitrack.start_run(project="p", config=config, run_id="parent") as run:
            record(journal, "child", parent=run)
    reader = multitrack.open_journal(journals)
    assert [(run.id, run.parent) for run in reader.runs()] == [
        ("one:parent", None), ("one:child", "one:parent"), ("two:parent", None), ("two:child", "two:parent"),
    ]  # fmt: skip
    assert [run.id for run in reader.runs(parent="two:parent")] == ["two:child"]
    assert [run.id for run in reader.runs(where="parent = 'two:parent'")] == ["two:child"]
    both = [option for journal in journals for option in ("--journal", str(journal))]
    shown = json.loads(invoke("show", "two:parent", "--json", *both).stdout)
    assert (shown["id"], shown["children"]) == ("two:parent", ["two:child"])
    assert [run["id"] for run in json.loads(invoke("runs", "one:parent", "--json", *both).stdout)] == [
        "one:parent", "one:child",
    ]  # fmt: skip


def test_a_missing_journal_is_named(tmp_path: Path, journals: list[Path]) -> None:
    with pytest.raises(multitrack.JournalError, match=r"no journal in .*gone.*; no journal in .*lost"):
        multitrack.open_journal([tmp_path / "gone", journals[0], tmp_path / "lost"])
    result = invoke("compare", "--journal", str(journals[0]), "--journal", str(tmp_path / "gone"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"no journal in {tmp_path / 'gone'}" in result.stderr
    with pytest.raises(ValueError, match="no journal is named"):
        multitrack.open_journal([])


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root reads everything")
def test_a_run_that_cannot_be_read_is_named(journals: list[Path]) -> None:
    (journals[1] / "runs" / "own1" / "manifest.json").write_text("{")
    segment = journals[1] / "runs" / "own1" / "000001.jsonl"
    segment.write_text("x\n")
    result = invoke("runs", "--json", "--journal", str(journals[0]), "--journal", str(journals[1]))
    assert result.exit_code == 1
    assert [run["id"] for run in json.loads(result.stdout)] == ["gpu1:base", "own0", "gpu2:base"]
    assert str(journals[1] / "runs" / "own1") in result.stderr


@pytest.mark.parametrize("command", [
    ["runs"], ["compare"], ["show", "gpu2:base"], ["logs", "gpu2:base"], ["lineage"], ["models"],
    ["monitor", "loss"], ["report", "--no-charts", "-o", "x.html"], ["plot", "-m", "loss", "-o", "x.png"],
])  # fmt: skip
def test_commands_that_read_accept_several(
    command: list[str], journals: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    both = [option for journal in journals for option in ("--journal", str(journal))]
    result = invoke(*command, *both)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "x.html").exists() == (command[0] == "report")


@pytest.mark.parametrize("command", [
    ["sync"], ["import", "x.csv"], ["compact"], ["replay", "--to", "mlflow"], ["move", "x", "--to", "mlflow"],
    ["reproduce", "base"], ["exec", "--", "true"], ["alerts"], ["models", "add", "base"],
    ["models", "alias", "m@1.0.0", "prod"],
])  # fmt: skip
def test_commands_that_write_refuse_several(command: list[str], journals: list[Path]) -> None:
    both = [option for journal in journals for option in ("--journal", str(journal))]
    place = command.index("--") if "--" in command else len(command)
    result = invoke(*command[:place], *both, *command[place:])
    assert result.exit_code == 2, result.output
    assert "works on one journal at a time" in result.stderr


def test_a_page_of_equal_ids(journals: list[Path], tmp_path: Path) -> None:
    count = write_page(tmp_path / "x.html", multitrack.open_journal(journals).runs(), charts=False)
    text = (tmp_path / "x.html").read_text()
    assert count == 4
    assert set(re.findall(r'"id":"((?:gpu\d:)?\w+)","name":"in gpu', text)) == {
        "gpu1:base",
        "gpu2:base",
        "own0",
        "own1",
    }


def test_a_model_of_several_journals(tmp_path: Path) -> None:
    journals = [tmp_path / name for name in ("one", "two")]
    for i, journal in enumerate(journals):
        config = {"journal": str(journal), "delivery": "off"}
        with multitrack.start_run(project="p", config=config) as run:
            for name in ("both", f"only{i}"):
                run.log_artifact_ref(name, f"s3://b/{name}{i}", kind="model", digest=f"sha256:{i:064}")
    both = [option for journal in journals for option in ("--journal", str(journal))]
    told = json.loads(invoke("models", "--json", *both).stdout)
    assert {(model["journal"], model["name"]) for model in told} == {
        ("one", "both"), ("two", "both"), ("one", "only0"), ("two", "only1"),
    }  # fmt: skip
    assert "s3://b/only1" in invoke("models", "get", "only1", *both).stdout
    result = invoke("models", "get", "both", *both)
    assert result.exit_code == 1
    assert "several journals have the model 'both': one, two; name one with --journal" in result.stderr


def test_runs_of_equal_ids_are_verified_each_with_its_own(tmp_path: Path) -> None:
    """Against tables that two machines write into one directory."""
    journals = [tmp_path / name for name in ("one", "two")]
    for i, journal in enumerate(journals):
        config = {"journal": str(journal), "delivery": "thread", "files": {"directory": str(tmp_path / "tables")}}
        with multitrack.start_run(project="p", backends=["files"], config=config, run_id="base") as run:
            run.log_metric("loss", i, step=0)
    both = [option for journal in journals for option in ("--journal", str(journal))]
    result = invoke("verify", "--against", "files", "--json", *both)
    told = json.loads(result.stdout)
    assert [(run["id"], run["passed"], run["error"]) for run in told] == [
        ("one:base", True, None), ("two:base", True, None),
    ]  # fmt: skip
    assert result.exit_code == 0
