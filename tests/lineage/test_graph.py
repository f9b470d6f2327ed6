"""The graph of runs: which references are one thing, over runs and journals, and how it is followed."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

import multitrack
from chains import RAW, chain, start
from multitrack.lineage.graph import RunReferences, graph_of, references_of
from multitrack.lineage.identity import Identities
from multitrack.lineage.nodes import DataNode, Edge, ModelNode, RunNode
from multitrack.lineage.walk import Lineage
from multitrack.records import ArtifactRef


def names(lineage: Lineage, steps: dict[str, int]) -> dict[str, int]:
    return {lineage.graph.nodes[node].name: count for node, count in steps.items()}


def reference(role: Any, time: int = 0, uri: str = "s3://b/x", **more: Any) -> ArtifactRef:
    return ArtifactRef(time=time, name="x", uri=uri, role=role, **more)


def test_a_model_leads_back_to_its_data_and_on_to_the_runs_that_used_it(tmp_path: Path) -> None:
    chain(tmp_path)
    journal = multitrack.open_journal()
    lineage = journal.lineage("classifier")
    assert names(lineage, lineage.upstream) == {"classifier": 0, "train": 1, "clean": 2, "prepare": 3, "raw": 4}
    assert names(lineage, lineage.downstream) == {"classifier": 0, "evaluate": 1}
    (model,) = (node for node in lineage.graph.nodes.values() if isinstance(node, ModelNode))
    assert (model.names, model.versioned) == (["classifier", "pretrained"], True)
    assert model.uris == [(tmp_path / name).as_uri() for name in ("model.keras", "copied.keras")]
    assert model.id == model.digest
    (train,) = (node for node in lineage.graph.nodes.values() if node.name == "train")
    assert isinstance(train, RunNode)
    assert (train.params, train.metric, train.value, train.status) == ({"lr": 0.1}, "val_accuracy", 0.93, "finished")
    assert train.context is not None
    assert train.context.packages == {}
    joined = {edge.name: edge.joined for edge in lineage.graph.edges}
    assert joined == dict.fromkeys(("clean", "train", "classifier", "pretrained"), "digest") | {"raw": "version"}


def test_one_direction_and_a_number_of_steps(tmp_path: Path) -> None:
    chain(tmp_path)
    journal = multitrack.open_journal()
    up = journal.lineage("classifier", down=False, depth=2)
    assert names(up, up.upstream) == {"classifier": 0, "train": 1, "clean": 2}
    assert set(up.graph.nodes) == set(up.upstream)
    down = journal.lineage(journal.run("prepare"), up=False)
    assert [*names(down, down.downstream)] == ["prepare", "clean", "train", "classifier", "evaluate"]
    assert names(down, down.upstream) == {"prepare": 0}


def test_journals_are_joined_and_one_given_twice_counts_once(tmp_path: Path) -> None:
    chain(tmp_path, "training", uses="using")
    using = multitrack.open_journal("using")
    alone = using.lineage("pretrained")
    assert [*names(alone, alone.upstream)] == ["pretrained"]
    lineage = using.lineage("pretrained", journals=["training", "using", tmp_path / "training"])
    assert [*names(lineage, lineage.upstream)] == ["classifier", "train", "clean", "prepare", "raw"]
    assert len(lineage.graph.edges) == 5
    journals = {
        node.name: Path(node.journal).name for node in lineage.graph.nodes.values() if isinstance(node, RunNode)
    }
    assert journals == {"prepare": "training", "train": "training", "evaluate": "using"}


def test_copies_of_a_run_count_once_and_other_runs_of_its_id_are_others(tmp_path: Path) -> None:
    start("a", "one", run_id="same").end()
    (run,) = (references_of(run) for run in multitrack.open_journal("one").runs())
    copy = msgspec.structs.replace(run, node=msgspec.structs.replace(run.node, journal="elsewhere"))
    other = msgspec.structs.replace(run, node=msgspec.structs.replace(copy.node, name="b"))
    child = msgspec.structs.replace(run, node=msgspec.structs.replace(copy.node, id="c", run="c", parent="same"))
    graph = graph_of([run, copy, other, child])
    assert [*graph.nodes] == ["same", "same (elsewhere)", "c"]
    assert graph.edges == [Edge("same (elsewhere)", "c", "child")]


@pytest.mark.parametrize(("one", "other", "same"), [
    ({"digest": "sha256:1"}, {"digest": "sha256:1", "uri": "file:///y", "version": "delta:1"}, True),
    ({"digest": "sha256:1"}, {"digest": "sha256:2"}, False),
    ({"digest": "sha256:1"}, {"version": "lfs:sha256:1", "uri": "file:///y"}, True),
    ({"version": RAW}, {"version": RAW, "uri": "file:///y"}, True),
    ({"version": "git:12:a.csv"}, {"version": "git:12:a.csv", "uri": "file:///y"}, True),
    ({"version": "delta:3"}, {"version": "delta:3"}, True),
    ({"version": "delta:3"}, {"version": "delta:3", "uri": "file:///y"}, False),
    ({"version": "delta:3"}, {"version": "delta:4"}, False),
    ({"version": "s3:1"}, {}, False),
    ({"version": "hf:branch:main"}, {}, True),
    ({}, {}, True),
    ({}, {"uri": "file:///y"}, False),
])  # fmt: skip
def test_what_is_one_thing(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    references = [reference("input", **one), reference("input", **other)]
    identities = Identities(references)
    first, second = (identities.of(ref).key for ref in references)
    assert (first == second) is same


def test_a_version_stands_for_the_digest_that_it_was_recorded_with() -> None:
    both = reference("output", digest="sha256:1", version=RAW)
    bare = reference("input", uri="file:///y", version=RAW)
    assert Identities([both, bare]).of(bare) == Identities([both, bare]).of(both).__class__("sha256:1", "version")
    third = reference("output", digest="sha256:2", version=RAW)  # whose version is not to be trusted then
    assert Identities([both, bare, third]).of(bare).key == RAW


def test_an_input_without_version_is_what_was_written_there_before() -> None:
    first, second = (reference("output", time, digest=f"sha256:{time}") for time in (10, 30))
    reads = [reference("input", time) for time in (5, 10, 20, 40)]
    identities = Identities([*reads, second, first])
    assert [identities.of(read).key for read in reads] == ["s3://b/x", "sha256:10", "sha256:10", "sha256:30"]
    assert {identities.of(read).joined for read in reads} == {"uri"}


def test_an_unversioned_link_does_not_make_data_unversioned(tmp_path: Path) -> None:
    with start("write") as run:
        run.log_artifact_ref("table", "s3://b/table", digest="sha256:77")
    with start("read") as run:
        run.log_artifact_ref("table", "s3://b/table", role="input")
        run.log_artifact_ref("other", "s3://b/other", role="input")
    lineage = multitrack.open_journal().lineage("table")
    (table,) = (node for node in lineage.graph.nodes.values() if isinstance(node, DataNode))
    assert (table.versioned, table.digest) == (True, "sha256:77")
    assert [edge.joined for edge in lineage.graph.edges] == ["digest", "uri"]
    (other,) = multitrack.open_journal().lineage("other").targets
    node = multitrack.open_journal().lineage("other").graph.nodes[other]
    assert isinstance(node, DataNode)
    assert not node.versioned


def test_a_trial_came_from_the_data_of_its_search() -> None:
    with start("search") as parent:
        parent.log_artifact_ref("data", "s3://b/data", role="input", digest="sha256:da")
        for i in range(3):
            with start(f"trial {i}", parent=parent) as trial:
                trial.log_artifact_ref("weights", f"s3://b/{i}", kind="model", digest=f"sha256:{i}")
        parent.log_artifact_ref("best", "s3://b/best", kind="model", digest="sha256:1")
    journal = multitrack.open_journal()
    best = journal.lineage("best")
    assert names(best, best.upstream) == {"best": 0, "trial 1": 1, "search": 1, "data": 2}
    data = journal.lineage("data")
    assert len(data.downstream) == 1 + 4 + 3
    assert sorted(journal.lineage("weights").targets) == ["sha256:0", "sha256:1", "sha256:2"]


def test_a_cycle_ends() -> None:
    """A run that goes on with its own model, and two that read what the other wrote."""
    with start("again") as run:
        run.log_artifact_ref("checkpoint", "s3://b/c", kind="model", role="input")
        run.log_artifact_ref("saved", "s3://b/c", kind="model")
    for name, other in (("a", "b"), ("b", "a")):
        with start(f"run {name}") as run:
            run.log_artifact_ref(f"{name} in", f"s3://b/{name}", role="input", digest=f"sha256:{name}")
            run.log_artifact_ref(f"{name} out", f"s3://b/{other}", digest=f"sha256:{other}")
    journal = multitrack.open_journal()
    for target, count in (("saved", 2), ("run a", 4)):
        lineage = journal.lineage(target)
        assert len(lineage.upstream) == len(lineage.downstream) == count
        assert "(*)" in str(lineage)


def test_parents_in_a_circle_end() -> None:
    start("a", run_id="a").end()
    (run,) = (references_of(run) for run in multitrack.open_journal().runs())
    runs = [
        RunReferences(msgspec.structs.replace(run.node, id=one, run=one, parent=two), [], {})
        for one, two in (("a", "b"), ("b", "a"))
    ]
    graph = graph_of(runs)
    assert [edge.source for edge in graph.edges] == ["b", "a"]
    assert set(Lineage(graph, ["a"]).upstream) == {"a", "b"}


def test_a_killed_run_has_its_place() -> None:
    """It has no end in the journal, so its model has no version; its digest still joins it."""
    run = start("killed")
    run.log_artifact_ref("data", "s3://b/data", role="input", digest="sha256:1")
    run.log_artifact_ref("model", "s3://b/model", kind="model", digest="sha256:2")
    run.end()
    (segment,) = run.directory.glob("*.jsonl")
    *kept, end = segment.read_bytes().splitlines(keepends=True)
    assert b'"end"' in end
    segment.write_bytes(b"".join(kept))
    with start("user") as user:
        user.log_artifact_ref("model", "s3://b/copy", kind="model", role="input", digest="sha256:2")
    lineage = multitrack.open_journal().lineage("model")
    node = lineage.graph.nodes[run.id]
    assert isinstance(node, RunNode)
    assert node.status == "killed"
    assert isinstance(node.ended, int)
    assert lineage.downstream == {"sha256:2": 0, user.id: 1}
    model = lineage.graph.nodes["sha256:2"]
    assert isinstance(model, ModelNode)
    assert model.model_versions == {}


def test_a_digest_that_is_still_being_computed_is_none() -> None:
    pending = reference("output", pending=True, uri="file:///big")
    read = reference("input", time=1, uri="file:///big")
    assert Identities([pending, read]).of(read) == Identities([pending]).of(pending)
