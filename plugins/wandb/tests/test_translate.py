"""What one record becomes, before the SDK sees it."""

import math

import pytest

from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, ObjectText, Params, Tags
from multitrack_wandb import names
from multitrack_wandb.translate import translate


def test_a_record_of_points_is_one_row_with_one_step() -> None:
    write = translate(Metric(time=1500, values={"loss": 0.5, "val/loss": 1}, step=7))
    assert list(write.rows) == [{"_timestamp": 1.5, "multitrack/step": 7, "loss": 0.5, "val/loss": 1}]
    assert write.series == ["loss", "val/loss"]
    assert write.stand_ins == []


def test_a_list_is_one_row_a_value() -> None:
    write = translate(ListMetric(time=1500, name="x", values=[1.0, 2.0], index=3))
    assert write.rows == [
        {"_timestamp": 1.5, "multitrack/step": 3, "x": 1.0},
        {"_timestamp": 1.5, "multitrack/step": 4, "x": 2.0},
    ]


def test_an_empty_list_is_nothing() -> None:
    assert translate(ListMetric(time=1500, name="x", values=[], index=0)).rows == []


def test_a_simple_metric_goes_to_the_summary() -> None:
    write = translate(Metric(time=0, values={"best": 0.5, "nan": math.nan, "inf": math.inf}))
    assert write.rows == ()
    assert write.summary == {"best": 0.5, "nan": "NaN", "inf": math.inf}
    assert write.stand_ins == ["metric nan: NaN, kept as text"]


@pytest.mark.parametrize("value", [2**53 + 1, -(2**70), 10**400])
def test_integers_that_w_and_b_would_round_are_there_as_text(value: int) -> None:
    (row,) = translate(Metric(time=0, values={"n": value}, step=0)).rows
    assert row["exact n"] == str(value)
    assert isinstance(row["n"], float)
    write = translate(Metric(time=0, values={"n": value}))
    assert write.summary["exact n"] == str(value)
    assert write.stand_ins == ["metric n: beyond 2⁵³, exact as text in 'exact n'"]
    config = translate(Params(time=0, values={"n": str(value)}, types={"n": "int"}))
    assert config.config == {"n": str(value)}


def test_params_keep_their_types_and_what_json_cannot_hold_is_text() -> None:
    values = {"i": 1, "f": 1.0, "b": True, "s": "x", "z": None, "nan": "NaN", "inf": "-Infinity"}
    types = {"i": "int", "f": "float", "b": "bool", "s": "str", "z": "none", "nan": "float", "inf": "float"}
    write = translate(Params(time=0, values=values, types=types))  # type: ignore[arg-type]
    assert write.config == {"i": 1, "f": 1.0, "b": True, "s": "x", "z": None, "nan": "NaN", "inf": "-Infinity"}
    assert write.stand_ins == ["param nan: nan, kept as text", "param inf: -inf, kept as text"]


def test_the_text_of_a_long_object_stands_whole_beside_its_beginning() -> None:
    objects = {"fn": ObjectText("function"), "model": ObjectText("Sequential", "S" * 600)}
    values = {"fn": "f", "model": "S" * 500 + "…"}
    write = translate(Params(time=0, values=values, types={"fn": "str", "model": "str"}, objects=objects))
    assert write.config == {**values, "multitrack/objects/model": "S" * 600}
    assert write.stand_ins == ["param model: an object of 600 characters, whole in 'multitrack/objects/model'"]


def test_a_reference_whose_digest_is_being_computed_is_no_version_yet() -> None:
    facts = {"name": "w", "uri": "file:///w", "kind": "file", "role": "output"}
    write = translate(ArtifactRef(time=0, name="w", uri="file:///w", pending=True))
    assert (write.artifact, write.config) == (None, {"multitrack/artifacts/w": facts})
    known = ArtifactRef(time=0, name="w", uri="file:///w", digest="sha256:0", size=3)
    assert translate(known).artifact is known


def test_lines_keep_their_ends_apart() -> None:
    assert translate(Lines(time=0, lines=["a", "", "b"])).lines == ["a", "", "b"]


def test_tags_are_config_as_well() -> None:
    write = translate(Tags(time=0, values={"team": "vision"}))
    assert (write.tags, write.config) == ({"team": "vision"}, {"multitrack/tags/team": "vision"})
    assert names.run_tag("team", "vision") == "team:vision"
    assert names.run_tag("team", "x" * 64) is None


def test_a_reference_is_config_as_well() -> None:
    write = translate(ArtifactRef(time=0, name="w w", uri="s3://b/k", kind="model", size=3))
    facts = {"name": "w w", "uri": "s3://b/k", "kind": "model", "role": "output", "size": 3}
    assert write.config == {"multitrack/artifacts/w w": facts}
    assert write.stand_ins == [f"artifact w w: called {names.artifact_name('w w')}"]


def test_taken_names_give_way_and_two_never_meet() -> None:
    hostile = ["loss", "multitrack/step", "metric multitrack/step", "exact loss", "_step", "_timestamp", "_steps",
               "metric", "multitrack/stepper", "step"]  # fmt: skip
    keys = [names.metric_key(name) for name in hostile]
    assert keys == ["loss", "metric multitrack/step", "metric metric multitrack/step", "metric exact loss",
                    "metric _step", "metric _timestamp", "_steps", "metric", "multitrack/stepper", "step"]  # fmt: skip
    assert len({*keys, names.STEP}) == 1 + len(hostile)
    params = ["multitrack/run", "param multitrack/run", "_wandb", "multitracker", "param", "-x", "x-", "x-_"]
    assert [names.param_key(name) for name in params] == [
        "param multitrack/run", "param param multitrack/run", "param _wandb", "multitracker", "param", "param -x", "x-_", "x-__",
    ]  # fmt: skip


def test_names_of_artifacts_and_projects() -> None:
    assert names.artifact_name("model-1.keras") == "model-1.keras"
    assert names.artifact_name("a/b") != names.artifact_name("a:b")
    assert len(names.artifact_name("x" * 300)) <= 128
    assert names.artifact_name("..") not in {"..", "."}  # the SDK refuses both
    assert [names.artifact_type(kind) for kind in ("model", "job", "a/b", "wandb-x")] == [
        "model", "multitrack-job", "a-b", "multitrack-wandb-x",
    ]  # fmt: skip
    assert names.project_name("a/b: c?") == "a-b- c-"
    assert names.project_name(" ") == "multitrack"
