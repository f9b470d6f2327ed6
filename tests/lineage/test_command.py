"""``multitrack lineage`` as it prints, and how its target is found."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from click.testing import CliRunner, Result

import multitrack
from chains import RAW, chain, start
from multitrack.cli import main
from multitrack.lineage.graph import Graph
from multitrack.lineage.layout import layout
from multitrack.lineage.nodes import DataNode, Edge, ModelNode
from multitrack.lineage.walk import Lineage
from three_runs import EVIL, evil_run


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["lineage", *map(str, arguments)], prog_name="multitrack")


def told(*arguments: str | Path) -> str:
    """The output, with the ids of runs and digests replaced."""
    done = invoke(*arguments)
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return re.sub(r"sha256:\w+", "SHA", re.sub(r"\d{8}-\d{6}-\d{3}-\w{6}", "ID", done.stdout))


def refused(*arguments: str | Path) -> str:
    done = invoke(*arguments)
    assert (done.exit_code, done.stdout) == (2, ""), done.output
    return done.stderr


TREE = f"""\
            ┌── raw  dataset  {RAW}
        ┌── run prepare  ID  finished
    ┌── clean  dataset  SHA
┌── run train  ID  finished  val_accuracy=0.93
classifier 1.0.0  model  SHA
└── run evaluate  ID  finished
"""


def test_what_came_before_is_above_and_what_came_after_below(tmp_path: Path) -> None:
    chain(tmp_path)
    journal = multitrack.open_journal()
    model = journal.lineage("classifier").targets[0]
    copied = tmp_path / "copied.keras"
    for target in (
        "classifier", "pretrained", model, model[:15], model[7:19], f"classifier@{model}", f"pretrained@{model[7:15]}",
        "model.keras", tmp_path / "model.keras", copied, copied.as_uri(),
    ):  # fmt: skip
        assert told(target) == TREE, target
    assert told("evaluate", "--up").splitlines()[-2:] == [
        "┌── classifier 1.0.0  model  SHA",
        "run evaluate  ID  finished",
    ]
    assert told(RAW, "--down", "--depth", 1) == f"raw  dataset  {RAW}\n└── run prepare  ID  finished\n"
    (prepare,) = (run.id for run in journal.runs() if run.facts.name == "prepare")
    assert told(prepare) == told("prepare")


def test_a_file_is_found_by_its_content_before_its_place(tmp_path: Path) -> None:
    chain(tmp_path)
    (tmp_path / "elsewhere.keras").write_text("weights")
    assert told("elsewhere.keras") == TREE
    (tmp_path / "model.keras").write_text("changed since")
    assert told("model.keras") == TREE
    (tmp_path / "model.keras").unlink()
    assert told(tmp_path / "model.keras") == TREE


def test_a_version_and_an_alias_are_one_of_several() -> None:
    for i in range(3):
        with start(f"train {i}") as run:
            run.log_artifact_ref("classifier", f"s3://b/{i}", kind="model", digest=f"sha256:{i}")
            time.sleep(0.002)  # another millisecond
            run.log_artifact_ref("copy", f"s3://c/{i}", kind="model", digest=f"sha256:{i}")
    registry = multitrack.open_models()
    first, second, third = (version.version for version in registry.model("classifier").versions)
    registry.set_alias("classifier", "prod", second)
    for target in (f"classifier@{second}", "classifier@prod"):
        assert told(target) == f"┌── run train 1  ID  finished\nclassifier {second}  model  SHA\n"
    assert told("classifier").count("classifier ") == 3
    assert refused("classifier@9.9.9") == (
        f"multitrack: 'classifier' has no version '9.9.9'; there are {first}, {second}, {third}\n"
    )
    (model,) = (
        node for node in json.loads(invoke("classifier@prod", "--json").stdout)["nodes"] if node["type"] == "model"
    )
    assert model["model_versions"] == {"classifier": [second], "copy": [second]}


def test_the_same_bytes_can_have_several_versions() -> None:
    for name, version in (("a", None), ("b", None), ("c", "2.0.0")):
        with start(name) as run:
            run.log_artifact_ref("classifier", "s3://b/m", kind="model", digest="sha256:1", version=version)
    text = told("classifier@2.0.0")
    assert text.splitlines()[-1] == "classifier 2.0.0  model  SHA"
    assert told("classifier@1.0.0") == told("classifier") == text
    (model,) = (
        node
        for node in multitrack.open_journal().lineage("classifier").graph.nodes.values()
        if isinstance(node, ModelNode)
    )
    assert model.model_versions == {"classifier": ["1.0.0", "2.0.0"]}


def test_without_a_target_data_and_models_are_listed(tmp_path: Path) -> None:
    for _ in range(2):
        chain(tmp_path)
    assert told().splitlines() == [
        f"raw  dataset  {RAW}  written by 0, used by 2", "clean  dataset  SHA  written by 2, used by 2",
        "classifier 1.0.0  model  SHA  written by 2, used by 2",
    ]  # fmt: skip
    everything = json.loads(invoke("--json").stdout)
    assert (everything["targets"], len(everything["nodes"]), len(everything["edges"])) == ([], 9, 10)


def test_json_is_the_graph(tmp_path: Path) -> None:
    chain(tmp_path)
    found = json.loads(invoke("classifier", "--up", "--json").stdout)
    nodes = {node["name"]: node for node in found["nodes"]}
    assert {name: node["type"] for name, node in nodes.items()} == {
        "raw": "data", "prepare": "run", "clean": "data", "train": "run", "classifier": "model",
    }  # fmt: skip
    assert found["targets"] == [nodes["classifier"]["digest"]]
    assert nodes["train"]["params"] == {"lr": 0.1}
    assert nodes["train"]["context"]["python"]
    assert {
        "source": nodes["train"]["id"], "target": nodes["classifier"]["id"], "role": "output", "name": "classifier",
        "uri": (tmp_path / "model.keras").as_uri(), "joined": "digest",
    } in found["edges"]  # fmt: skip


def test_journals_are_named_one_after_the_other(tmp_path: Path) -> None:
    chain(tmp_path, "training", uses="using")
    assert told("classifier", "--journal", "training") == TREE[: TREE.index("└── run")]
    assert told("classifier", "--journal", "training", "--journal", "using") == TREE


def test_a_target_that_is_not_there_or_not_one(tmp_path: Path) -> None:
    assert "no journal in" in invoke("x").stderr
    start("empty").end()
    assert refused("x") == (
        "multitrack: nothing is called 'x': no run has a reference; run.log_artifact_ref records them\n"
    )
    chain(tmp_path)
    assert refused("clasifier") == "multitrack: no run or artifact is called 'clasifier' (did you mean 'classifier'?)\n"
    assert refused("data/x") == (
        "multitrack: no run or artifact is called 'data/x' (no such file); there are raw, clean, train, classifier, "
        "pretrained, …\n"
    )
    assert refused("classifier@1.0") == "multitrack: 'classifier' has no version '1.0' (did you mean '1.0.0'?)\n"
    (train,) = (run.id for run in multitrack.open_journal().runs() if run.facts.name == "train")
    assert re.fullmatch(
        rf"multitrack: 'train' may be train@sha256:\w+, run {train}; give one of these\n", refused("train")
    )
    start("evaluate").end()
    assert refused("evaluate").count("run 2") == 2
    assert "may be run" in refused(train[:8])
    assert refused("classifier", "--json", "--openlineage").endswith("one form at a time\n")
    assert refused("--up").endswith("need a TARGET\n")
    for odd in ("", "@", "a@", "\0", "sha256:", "//", "file:///%00"):
        refused(odd)


def test_what_is_drawn_already_is_not_drawn_again() -> None:
    """Two runs on the same data, and a third on what they wrote."""
    for name in "ab":
        with start(f"run {name}") as run:
            run.log_artifact_ref("data", "s3://b/data", role="input", digest="sha256:da")
            run.log_artifact_ref(name, f"s3://b/{name}", digest=f"sha256:{name}")
    with start("merge") as run:
        for name in "ab":
            run.log_artifact_ref(f"{name} in", f"s3://b/{name}", role="input", digest=f"sha256:{name}")
    assert (
        told("data")
        == """\
data  file  SHA
├── run run a  ID  finished
│   └── a  file  SHA
│       └── run merge  ID  finished
└── run run b  ID  finished
    └── b  file  SHA
        └── run merge  ID  finished
"""
    )
    with start("merge again") as run:
        run.log_artifact_ref("b again", "s3://b/b", role="input")
    assert "b again" not in told("data")  # its name is that of the run which wrote it
    up = told("merge", "--up").splitlines()
    assert [line for line in up if "(*)" in line] == []


def test_many_branches_long_chains_and_many_versions_are_cut() -> None:
    with start("search") as parent:
        for i in range(22):
            with start(f"trial {i}", parent=parent) as run:
                run.log_artifact_ref("weights", f"s3://b/{i}", kind="model")
    lines = told("search").splitlines()
    assert len(lines) == 1 + 20 * 2 + 1
    assert lines[-1] == "└── … 2 more (--json has all)"
    lines = told("weights").splitlines()
    assert lines[-1] == "… 2 earlier ones: NAME@VERSION shows one, --json all"
    assert [line.split()[2:4] for line in lines if "run trial" in line] == [["trial", str(i)] for i in range(2, 22)]


def test_a_long_chain_is_cut() -> None:
    count = 5000
    nodes = {str(i): DataNode(id=str(i), name=str(i), names=[], kind="file", uris=[]) for i in range(count)}
    graph = Graph({**nodes}, [Edge(str(i), str(i + 1), "child") for i in range(count - 1)])
    lines = str(Lineage(graph, [str(count - 1)])).splitlines()
    assert len(lines) == 12 + 1 + 1
    assert lines[0].endswith("┌── … 1 more (--json has all)")
    assert len(layout(graph).columns) == 12


def test_nothing_recorded_acts_on_a_terminal() -> None:
    evil_run().end()
    for arguments in ((), (EVIL,), (EVIL, "--json"), ("--openlineage",), ("x\x1b[2J",)):
        done = invoke(*arguments)
        assert not set(done.output) & set("\x1b\x07\x9b\r\u202e"), arguments
    with start("refused") as run:
        run.log_artifact_ref("x\ny", "s3://b/x", kind="a\nb")
    assert "x\\ny  a\\nb  unversioned" in told("refused")


def test_a_stream_without_these_characters_gets_others(tmp_path: Path) -> None:
    chain(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "multitrack", "lineage", "classifier"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    begins = [line[: len(line) - len(line.lstrip(" ,-`"))] for line in done.stdout.splitlines()]
    assert begins == ["            ,-- ", "        ,-- ", "    ,-- ", ",-- ", "", "`-- "]
    assert str(multitrack.open_journal().lineage("classifier")).splitlines()[-1].startswith("└── run evaluate")
