"""Nodes in columns: edges lead to the right, and what has no room is counted."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import multitrack
from chains import chain, start
from multitrack import plot
from multitrack.cli import main
from multitrack.errors import QueryError
from multitrack.lineage.layout import layout
from multitrack.lineage.nodes import RunNode


def search(count: int) -> None:
    with start("search") as parent:
        parent.log_artifact_ref("data", "s3://b/data", role="input", digest="sha256:da")
        for i in range(count):
            with start(f"trial {i}", parent=parent) as run:
                run.log_artifact_ref("weights", f"s3://b/{i}", kind="model")


def test_columns_follow_the_data(tmp_path: Path) -> None:
    chain(tmp_path)
    with start("check") as run:
        run.log_artifact_ref("truth", "s3://b/truth", role="input", digest="sha256:1")
        run.log_artifact_ref("model", tmp_path / "model.keras", kind="model", role="input")
    graph = multitrack.open_journal().lineage().graph
    columns = [[graph.nodes[node].name for node in column] for column in layout(graph).columns]
    assert columns[:4] == [["raw"], ["prepare"], ["clean"], ["train"]]
    assert sorted(columns[4]) == ["classifier", "truth"]  # beside what it leads to, not at the far left
    assert sorted(columns[5]) == ["check", "evaluate"]
    column = {node: i for i, nodes in enumerate(layout(graph).columns) for node in nodes}
    assert all(column[edge.source] < column[edge.target] for edge in graph.edges)


def test_what_has_no_room_is_counted() -> None:
    search(40)
    graph = multitrack.open_journal().lineage().graph
    placed = layout(graph)
    assert [len(column) for column in placed.columns] == [1, 1, 23, 23]
    assert [len(column) for column in placed.left_out] == [0, 0, 17, 17]
    weights = multitrack.open_journal().lineage("weights").targets
    assert weights[39] in layout(graph, [weights[39]]).columns[3]
    near = layout(graph, ["sha256:da"], columns=2)
    assert [len(column) for column in near.columns] == [1, 1]
    assert near.beyond == 80


def test_cycles_have_columns(tmp_path: Path) -> None:
    with start("again") as run:
        run.log_artifact_ref("in", "s3://b/c", role="input")
        run.log_artifact_ref("out", "s3://b/c")
    graph = multitrack.open_journal().lineage().graph
    assert sorted(map(len, layout(graph).columns)) == [1, 1]


def test_a_picture_has_every_box_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    chain(tmp_path)
    said: list[str] = []
    found = multitrack.open_journal().lineage("classifier")
    figure = plot.lineage(found, notice=said.append)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[::2] == ["raw", "prepare", "clean", "train", "classifier 1.0.0", "evaluate"]
    assert said == []
    assert len(figure.axes[0].patches) == 6 + 5
    search(60)
    everything = multitrack.open_journal().lineage()
    figure, total = plot.lineage(everything, notice=said.append), len(everything.graph.nodes)
    assert sum(isinstance(node, RunNode) for node in everything.graph.nodes.values()) == 64
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert sum(text.startswith(("weights 1.", "trial ")) for text in texts) > 40
    (sentence,) = said
    left_out = int(sentence.split()[0])
    assert sentence == f"{left_out} of {total} nodes are not shown; multitrack lineage --json has all"
    assert figure.axes[0].get_title(loc="right") == f"{left_out} of {total} nodes are not shown"
    assert max(figure.get_size_inches()) < 20


def test_the_command_draws_what_is_asked_for(tmp_path: Path) -> None:
    def invoke(*arguments: str) -> str:
        done = CliRunner().invoke(main, ["plot", *arguments])
        assert done.exit_code in (0, 2)
        return done.output

    start("empty").end()
    assert "no run has a reference" in invoke("--lineage")
    with pytest.raises(QueryError, match="nothing to draw"):
        plot.lineage(multitrack.open_journal().lineage())
    chain(tmp_path)
    assert invoke("--lineage").startswith("plot.png: ")
    assert invoke("--lineage", "classifier", "-o", "a.svg").startswith("a.svg: ")
    content = (tmp_path / "a.svg").read_bytes()
    invoke("--lineage", "classifier", "-o", "a.svg")
    assert (tmp_path / "a.svg").read_bytes() == content
    assert "did you mean" in invoke("--lineage", "clasifier")
    assert "--lineage draws no metric" in invoke("--lineage", "classifier", "-m", "loss")
    assert "say what to draw" in invoke()
