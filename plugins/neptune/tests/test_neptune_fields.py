"""What stands in Neptune's fields: stand-ins, names and bulk, read back value by value."""

import functools
import math
from pathlib import Path
from typing import Any

import neptune
import pytest
from hypothesis import given
from hypothesis import strategies as st
from neptune.types import StringSeries
from neptune_file import find_run, read_fields, read_operations, read_run, whole

import multitrack
from multitrack.hookspecs import RunInfo
from multitrack.journal.cursor import Cursor
from multitrack.records import ArtifactRef, Lines, ListMetric, Metric, Params, Tags
from multitrack_neptune import NeptuneOptions, name_of
from multitrack_neptune.fields import Recording
from multitrack_neptune.names import Names
from multitrack_neptune.offline import OfflineRun, seconds


def start(tmp_path: Path, **arguments: Any) -> multitrack.Run:
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "neptune": {"directory": str(tmp_path / "data")}}
    return multitrack.start_run(config=config, backends=["neptune"], project="fields", **arguments)


def deliver(tmp_path: Path, run: multitrack.Run) -> Path:
    run.end()
    report = multitrack.sync(tmp_path / "journal")[run.id]
    assert report.complete, report
    return find_run(tmp_path / "data", run.id)


def stand_ins(tmp_path: Path, run: multitrack.Run) -> list[str]:
    return run.flush()["neptune"].stand_ins


def pairs(entries: list[Any]) -> list[tuple[float, Any]]:
    return [(entry.step, entry.value) for entry in entries]


# -- what Neptune cannot hold ---------------------------------------------------------------------------------------


def test_params_without_a_neptune_type_stand_as_text_with_their_type(tmp_path: Path) -> None:
    params = {
        "nan": math.nan, "inf": -math.inf, "none": None, "list": [1, "zwei", None, 2.5], "big": 2**31,
        "huge": -(10**30), "fits": -(2**31), "text": "None", "flag": False, "one": 1.0,
    }  # fmt: skip
    run = start(tmp_path, params=params)
    directory = deliver(tmp_path, run)
    fields = read_fields(directory)
    assert {key: fields[f"parameters/{key}"] for key in params} == {
        "nan": "NaN", "inf": "-Infinity", "none": "None", "list": '[1,"zwei",null,2.5]', "big": "2147483648",
        "huge": str(-(10**30)), "fits": -(2**31), "text": "None", "flag": False, "one": 1.0,
    }  # fmt: skip
    read = read_run(directory).params
    assert math.isnan(read.pop("nan"))
    assert read == {key: value for key, value in params.items() if key != "nan"}
    assert type(read["one"]) is float
    told = stand_ins(tmp_path, run)
    assert "param huge: Neptune cannot hold this int, kept as text in parameters/huge" in told
    assert len(told) == 6


def test_points_that_are_no_float_stand_beside_their_series(tmp_path: Path) -> None:
    run = start(tmp_path)
    written = [0.5, math.nan, math.inf, 2**53 + 1, -math.inf, 2**53 + 2, 10**400, 0.25]
    for step, value in enumerate(written):
        run.log_metric("loss", value, step=step)
    run.log_list_metric("list", [1.0, math.nan, 3.0])
    directory = deliver(tmp_path, run)
    fields = read_fields(directory)
    assert pairs(fields["metrics/loss"]) == [(0, 0.5), (5, 2.0**53 + 2), (7, 0.25)]
    exact = [(1, "NaN"), (2, "Infinity"), (3, str(2**53 + 1)), (4, "-Infinity"), (6, str(10**400))]
    assert pairs(fields["metrics/loss~exact"]) == exact
    assert pairs(fields["lists/list~exact"]) == [(1, "NaN")]
    points = sorted(read_run(directory).series["loss"])
    assert [str(float(point.value) if point.step in {0, 5, 7} else point.value) for point in points] == [
        "0.5", "nan", "inf", str(2**53 + 1), "-inf", str(2.0**53 + 2), str(10**400), "0.25",
    ]  # fmt: skip
    assert all(point.time for point in points)
    assert "list metric list: Neptune's floats cannot hold NaN; such values are kept as text in lists/list~exact" in (
        stand_ins(tmp_path, run)
    )


def test_a_simple_metric_is_a_float_or_its_exact_text_never_both(tmp_path: Path) -> None:
    run = start(tmp_path)
    for name, values in {"a": [0.5, math.nan], "b": [math.nan, 0.5], "c": [math.inf, 2**60 + 1]}.items():
        for value in values:
            run.log_metric(name, value)
            multitrack.sync(tmp_path / "journal")  # each one in a stretch of its own
    fields = read_fields(deliver(tmp_path, run))
    assert {path: value for path, value in fields.items() if path.startswith("summary/")} == {
        "summary/a~exact": "NaN", "summary/b": 0.5, "summary/c~exact": str(2**60 + 1),
    }  # fmt: skip


@pytest.mark.parametrize("length", [0, 1, 999, 1000, 1001, 2000, 2001, 25_000])
def test_a_long_line_is_cut_into_parts_and_joined_again(tmp_path: Path, length: int) -> None:
    line = "".join(chr(0x1F600 + i % 70) for i in range(length))
    run = start(tmp_path)
    run.log_lines(["before", line])
    run.log_lines([line, "x"], stream="stderr")
    run.log_lines("after")
    directory = deliver(tmp_path, run)
    assert read_run(directory).lines == ["before", line, line, "x", "after"]
    fields = read_fields(directory)
    for path in ("logs/log", "logs/stderr"):
        steps = [entry.step for entry in fields[path]]
        assert steps == sorted(set(steps)), "Neptune's servers take growing steps only"
    assert bool(stand_ins(tmp_path, run)) is (length > 1000)


@pytest.mark.parametrize("length", [16_384, 16_385, 100_000])
def test_long_texts_stand_whole_in_parts(tmp_path: Path, length: int) -> None:
    text = "".join(chr(0x100 + i % 5000) for i in range(length))
    run = start(tmp_path, params={"p": text, "list": [text]}, tags={"t": text}, notes=text)
    fields = read_fields(deliver(tmp_path, run))
    for path in ("parameters/p", "tags/t", "sys/description"):
        assert whole(fields, path) == text
        assert len(fields[path]) == 16_384
        assert (f"{path}~whole" in fields) is (length > 16_384)
    assert whole(fields, "parameters/list") == f'["{text}"]'


def test_the_text_of_a_long_object_stands_whole(tmp_path: Path) -> None:
    long = functools.partial(print, "x" * 2000, sep="")
    run = start(tmp_path, params={"fn": len, "model": {"print": long}})
    fields = read_fields(deliver(tmp_path, run))
    assert fields["parameters/fn"] == "builtins.len"
    assert len(fields["parameters/model/print"]) < 600
    assert whole(fields, "parameters/model/print") == f"functools.partial(builtins.print, {'x' * 2000!r}, sep='')"
    assert any("parameters/model/print~whole" in told for told in stand_ins(tmp_path, run))


def test_a_tag_that_was_long_leaves_no_parts(tmp_path: Path) -> None:
    run = start(tmp_path, tags={"t": "x" * 20_000, "plain": ""})
    run.set_tags({"t": "y" * 17_000})
    run.set_tags({"t": "short"})
    fields = read_fields(deliver(tmp_path, run))
    assert fields["tags/t"] == "short"
    assert "tags/t~whole" not in fields
    assert fields["sys/tags"] == {"t:short", "plain"}


def test_an_artifact_refers_and_tells_what_is_known(tmp_path: Path) -> None:
    local = tmp_path / "weights.bin"
    local.write_bytes(b"0" * 1000)
    run = start(tmp_path)
    run.log_artifact_ref("weights", local, kind="model")
    run.log_artifact_ref(
        "big",
        "s3://b/k",
        kind="dataset",
        role="input",
        digest="sha256:" + "0" * 64,
        size=3 * 2**40 + 1,
        version="1",
    )
    run.log_artifact_ref("big", "s3://b/k2", kind="dataset", role="input")
    fields = read_fields(deliver(tmp_path, run))
    assert fields["artifacts/weights"] == [local.as_uri()]
    assert (fields["artifacts/weights~kind"], fields["artifacts/weights~role"]) == ("model", "output")
    assert fields["artifacts/weights~size"] == 1000
    assert fields["artifacts/weights~digest"].startswith("sha256:")
    assert fields["artifacts/big"] == ["s3://b/k2"]
    assert not {"artifacts/big~size", "artifacts/big~digest", "artifacts/big~version"} & set(fields), (
        "they told of the first one"
    )


# -- names ----------------------------------------------------------------------------------------------------------


def test_names_that_are_fields_and_namespaces_both(tmp_path: Path) -> None:
    """A field and a namespace of one path: a server would refuse it, and the reader here does."""
    run = start(tmp_path, params={"opt": "adam", "opt/lr": 0.1}, tags={"a/b": "1", "a": "2"})
    run.log_metric("val/loss", 0.5, step=0)
    run.log_metric("val", 1.0, step=0)
    run.log_metric("val/loss/min", 0.25, step=0)
    run.log_metric("val", 0.75)
    run.log_metric("val/loss", 0.125)
    run.log_list_metric("signal/raw", [1.0])
    run.log_list_metric("signal", [2.0])
    run.log_artifact_ref("model", "s3://b/m")
    run.log_artifact_ref("model/kind", "s3://b/k")
    directory = deliver(tmp_path, run)
    fields = read_fields(directory)
    assert pairs(fields["metrics/val/loss"]) == [(0, 0.5)]
    assert pairs(fields["metrics/val~"]) == [(0, 1.0)]
    assert pairs(fields["metrics/val/loss~/min"]) == [(0, 0.25)]
    assert (fields["summary/val"], fields["summary/val~/loss"]) == (0.75, 0.125)
    native = read_run(directory)
    assert native.metrics == {"val": 0.75, "val/loss": 0.125}
    assert set(native.series) == {"val", "val/loss", "val/loss/min", "signal", "signal/raw"}
    assert native.params == {"opt": "adam", "opt/lr": 0.1}
    assert native.tags == {"a": "2", "a/b": "1"}
    assert native.artifacts == {"model": "s3://b/m", "model/kind": "s3://b/k"}


names = st.lists(st.text("ab~/01% ", min_size=1, max_size=6), max_size=12, unique=True)


@given(names)
def test_every_name_has_a_path_of_its_own_that_says_it(given_names: list[str]) -> None:
    paths = [Names("root").path(name) for name in given_names]
    assert [name_of(path.removeprefix("root/")) for path in paths] == given_names
    together = Names("root")
    fields = [together.path(name) for name in given_names]
    assert [name_of(path.removeprefix("root/")) for path in fields] == given_names
    spaces = {"/".join(path.split("/")[:i]) for path in fields for i in range(1, path.count("/") + 1)}
    assert len(set(fields)) == len(fields)
    assert not spaces & set(fields)
    assert all(all(path.split("/")) for path in fields), "Neptune drops empty parts"
    assert [together.path(name) for name in given_names] == fields


# -- as the SDK itself would write it ---------------------------------------------------------------------------------


def test_points_go_in_bulk(tmp_path: Path) -> None:
    run = start(tmp_path)
    for step in range(1000):
        run.log_metrics({"loss": step * 0.5, "accuracy": 1.0 / (step + 1)}, step=step)
    operations = read_operations(deliver(tmp_path, run))
    logged = [operation for operation in operations if operation["type"] == "LogFloats"]
    sizes = [len(operation["values"]) for operation in logged]
    assert (sum(sizes), max(sizes)) == (2000, 100)
    assert len(sizes) <= 24  # where a stretch of the journal ends, an operation does


def test_operations_are_those_of_the_sdks_own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPTUNE_DATA_DIRECTORY", str(tmp_path / "theirs"))
    floats = [(i * 0.1, i, 1_700_000_000_000 + i) for i in range(250)]
    strings = [(f"line {i}", i, 1_700_000_000_000 + i) for i in range(25)]

    native = neptune.init_run(
        mode="offline", source_files=[], git_ref=False, capture_stdout=False, capture_stderr=False,
        capture_hardware_metrics=False, capture_traceback=False,
    )  # fmt: skip
    native["p/float"] = 0.5
    native["p/int"] = 3
    native["p/flag"] = True
    native["p/text"] = "grüße"
    steps, times = [step for _, step, _ in floats], [seconds(ms) for _, _, ms in floats]
    native["m/loss"].extend([value for value, _, _ in floats], steps=steps, timestamps=times)
    native["logs/out"].extend([text for text, _, _ in strings], steps=steps[:25], timestamps=times[:25])
    native["whole"].assign(StringSeries(["a", "b"], steps=[0, 1], timestamps=[0.0, 0.0]))
    native["sys/tags"].add("x")
    native["sys/tags"].remove("x")
    native["a"].track_files("s3://b/k")
    del native["p/int"]
    native.stop()

    ours = OfflineRun(tmp_path / "ours", "aside", "0" * 32)
    ours.assign("p/float", 0.5)
    ours.assign("p/int", 3)
    ours.assign("p/flag", True)
    ours.assign("p/text", "grüße")
    ours.append_floats("m/loss", floats)
    ours.append_strings("logs/out", strings)
    ours.clear_strings("whole")
    ours.append_strings("whole", [("a", 0, 0), ("b", 1, 0)])
    ours.add_label("sys/tags", "x")
    ours.remove_label("sys/tags", "x")
    ours.track("a", "s3://b/k")
    ours.delete("p/int")
    ours.publish()

    (theirs,) = (tmp_path / "theirs" / "offline").iterdir()
    assert sorted(file.name for file in ours.target.iterdir()) == sorted(file.name for file in theirs.iterdir())
    expected = [operation for operation in read_operations(theirs) if operation["path"][0] != "source_code"]
    found = read_operations(ours.target)
    for operation in [*expected, *found]:
        operation.pop("project_id", None)  # random offline
    assert found == [
        operation for operation in expected if operation["path"][-1] not in {"name", "description", "failed"}
    ]


@given(st.integers(0, 2**42))
def test_times_are_those_that_the_sdk_would_send(ms: int) -> None:
    assert int(seconds(ms) * 1000) == ms
    assert abs(seconds(ms) - ms / 1000) < 1e-3


# -- where a stretch was cut ------------------------------------------------------------------------------------------


def handed_over(tmp_path: Path, directory: Path, size: int) -> dict[str, Any]:
    """What reads back when a run's journal is handed over in stretches of ``size`` records."""
    info = RunInfo(
        id="cut", project="p", name="n", created=1_700_000_000_000, context=None, directory=tmp_path / str(size),
        options=NeptuneOptions(directory=str(tmp_path / f"data {size}")),
    )  # fmt: skip
    recording, cursor = Recording(info), Cursor(directory)
    records: list[Any] = []
    while stretch := cursor.read():
        records += stretch
    hooks = {
        Params: recording.log_params, Metric: recording.log_metric, ListMetric: recording.log_list_metric,
        ArtifactRef: recording.log_artifact_ref, Lines: recording.log_lines, Tags: recording.set_tags,
    }  # fmt: skip
    for first in range(0, len(records), size):
        for kind, hook in hooks.items():
            if chosen := [record for record in records[first : first + size] if type(record) is kind]:
                hook(chosen)
        recording.flush()
    recording.end("finished", 1_700_000_000_001)
    return read_fields(recording.target)


def test_nothing_depends_on_where_a_stretch_was_cut(tmp_path: Path) -> None:
    run = start(tmp_path, params={"a/b": 1, "a": None}, tags={"t": "1"})
    values = [0.5, math.nan, 0.25, 2**60 + 1, -1.0]
    for i in range(60):
        run.log_list_metric("val" if i % 2 else "val/list", values[i % 5])
        run.log_metric("val/loss" if i % 3 else "val/loss/min", values[i % 5], step=i // 2)
        run.log_metric("loss" if i % 2 else "loss/min", values[(i * 3) % 5])
        run.log_lines(["x" * (500 * (i % 5)), f"line {i}"], stream="stderr" if i % 4 else "log")
        run.log_artifact_ref("model/best" if i % 2 else "model", f"s3://b/{i}", size=i if i % 3 else None)
        run.set_tags({"t": str(i // 10), "t/u": "x"})
    run.end()
    assert run.directory is not None
    whole_run, *others = [handed_over(tmp_path, run.directory, size) for size in (10_000, 1, 7)]
    assert len(whole_run) > 30
    assert others == [whole_run, whole_run]
