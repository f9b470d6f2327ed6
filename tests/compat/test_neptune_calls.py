"""Single calls of Neptune's client: what is fetched, what is left out and counted, and the errors that remain."""

from __future__ import annotations

import copy
import datetime
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import multitrack
import multitrack.compat.neptune as neptune
from compat_programs import contents, references
from multitrack.compat.neptune import exceptions, types
from multitrack.compat.neptune.utils import stringify_unsupported
from quiet import ROOT


@pytest.fixture
def run() -> Any:
    with started() as run:
        yield run


def started(**arguments: Any) -> neptune.Run:
    return neptune.init_run(project="p", capture_stdout=False, capture_stderr=False, **arguments)


def stored(run: neptune.Run) -> multitrack.RecordedRun:
    run.stop()
    return multitrack.open_journal().run(run["sys/id"].fetch())


def test_values_are_fetched(run: neptune.Run) -> None:
    run["a"] = {"i": 1, "f": 0.5, "s": "x", "d": {"b": True}}
    assert run["a/i"].fetch() == 1
    assert run["a"].fetch() == {"i": 1, "f": 0.5, "s": "x", "d": {"b": True}}
    assert run.fetch()["a"]["d"] == {"b": True}
    run["l"].extend([1, 2])
    assert run["l"].fetch_last() == 2
    assert list(run["l"].fetch_values()["value"]) == [1, 2]
    assert list(run["l"].fetch_values(include_timestamp=False)) == ["step", "value"]
    with pytest.raises(exceptions.MissingFieldException, match="no field 'z'"):
        run["z"].fetch()
    with pytest.raises(KeyError):
        run["z"].fetch_last()
    with pytest.raises(exceptions.TypeDoesNotSupportAttributeException, match="fetch_last"):
        run["l"].fetch()


def test_values_are_dicts_without_pandas(run: neptune.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    run["l"].append(0.5, step=4)
    assert run["l"].fetch_values(include_timestamp=False) == [{"step": 4.0, "value": 0.5}]


def test_own_fields(run: neptune.Run) -> None:
    assert run["sys/id"].fetch() == run.run.id
    assert run["sys/name"].fetch() == run.run.name
    assert isinstance(run["sys/creation_time"].fetch(), datetime.datetime)
    assert run["sys/tags"].fetch() == set()
    run["sys/tags"].add(["a", "b"])
    run["sys/tags"].remove("a")
    assert run["sys/tags"].fetch() == {"b"}
    run["sys/name"] = "later"
    run["sys/tags"] = ["c"]
    run["sys/state"] = "odd"
    assert contents(stored(run))["tags"] == {"a": "false", "b": "true", "c": "true", "sys/name": "later"}


def test_values_that_are_assigned_again(run: neptune.Run) -> None:
    for value in (1, 1, 2, 2.5):
        run["number"] = value
    for text in ("x", "y", "y"):
        run["text"] = text
    run["series"].append(1)
    run["series"] = 3
    run["mixed"] = 1
    run["mixed"] = "text"
    found = contents(stored(run))
    assert found["params"] == {"number": 1, "text": "x", "mixed": 1}
    assert found["simple"] == {"number": [1, 2, 2.5], "series": [3]}
    assert found["tags"] == {"text": "y", "mixed": "text"}


def test_values_without_a_type_of_neptunes(run: neptune.Run) -> None:
    run["values"] = {"none": None, "list": [1, "a"], "big": 2**60, "nan": float("inf"), "empty": {}}
    run["set"] = {"a"}
    run["marked"] = stringify_unsupported({"none": None, "list": [1], "number": 1})
    run["typed"] = {
        "i": types.Integer(1), "f": types.Float(0.5), "b": types.Boolean(True), "s": types.String("x"),
        "fs": types.FloatSeries([1, 2], steps=[0, 5]), "ss": types.StringSeries(["a"]), "set": types.StringSet(["m"]),
    }  # fmt: skip
    found = contents(stored(run))
    assert found["params"] == {
        "values/none": None, "values/list": [1, "a"], "values/big": 2**60, "values/nan": float("inf"),
        "marked/none": "None", "marked/list": "[1]", "marked/number": 1,
        "typed/i": 1, "typed/f": 0.5, "typed/b": True, "typed/s": "x",
    }  # fmt: skip
    assert found["series"] == {"typed/fs": [(0, 1), (5, 2)]}
    assert found["lines"] == ["typed/ss: a"]
    assert found["tags"] == {"set/a": "true", "typed/set/m": "true"}


def test_arrays_and_scalars_of_numpy(run: neptune.Run) -> None:
    np = pytest.importorskip("numpy")
    run["scalar"] = np.float32(0.5)
    run["series"].append(np.int64(3), step=np.int64(2))
    run["series"].extend(np.arange(2.0))
    run["several"].append(stringify_unsupported({"a": 1, "b": {"c": 2}}))
    run["several"].extend({"a": [3], "b": {"c": [4, 5]}})
    run["logged"].log(1, step=3)
    run["logged"].log([2, 3])
    run["texts"].log(["a", "b"])
    run["texts"].append("c")
    found = contents(stored(run))
    assert found["params"] == {"scalar": 0.5}
    assert found["series"] == {
        "series": [(2, 3), (3, 0.0), (4, 1.0)], "several/a": [(0, 1), (1, 3)], "several/b/c": [(0, 2), (1, 4), (2, 5)],
        "logged": [(3, 1), (4, 2), (5, 3)],
    }  # fmt: skip
    assert found["lines"] == ["texts: a", "texts: b", "texts: c"]


def test_what_cannot_be_recorded_is_counted(run: neptune.Run, caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    run["numbers"].append(1)
    for _ in range(3):
        run["numbers"].append("text")
    run["numbers"].append(object())
    run["numbers"].append(None)
    run["numbers"].extend("text")
    run["numbers"].extend([2, 3], steps=[7])
    run["numbers"].append(4, step=float("nan"))
    run["odd"].append(Odd())
    run[""] = 1
    run["missing"].upload("nothing.txt")
    run["missing"].upload_files("nothing*")
    run["image"].upload(types.File.from_content(b"\0"))
    run["a\0b"] = {"x": 1}
    run["files"].delete_files("x")
    run["hash"] = types.Artifact("abc")
    del run["numbers"]
    mistakes = stored(run).get_mistakes()
    assert ("neptune append", "left out: a series of numbers has no texts") in mistakes
    assert ("neptune append", "left out: 2 more times: a series of numbers has no texts") in mistakes
    calls = {call.removeprefix("neptune ") for call, _ in mistakes}
    assert calls == {"append", "extend", "assign", "upload", "upload_files", "delete_files", "pop"}
    assert caplog.text.count("a series of numbers has no texts") == 1
    assert contents(multitrack.open_journal().run(run.run.id))["series"] == {
        "numbers": [(0, 1), (7, 2), (8, 3), (9, 4)]
    }


def test_a_value_without_a_form_leaves_the_others(run: neptune.Run) -> None:
    run["params"] = {"good": 1, "a\0b": 2, "other": 3}
    assert contents(stored(run))["params"] == {"params/good": 1, "params/other": 3}


def test_after_the_end(run: neptune.Run) -> None:
    run["a"] = 1
    run.stop()
    run.stop()
    assert run.get_state() == "stopped"
    assert run["a"].fetch() == 1
    with pytest.raises(exceptions.InactiveRunException, match="after the end"):
        run["a"] = 2
    with pytest.raises(exceptions.NeptuneException):
        run["b"].append(1)


def test_a_block_that_fails() -> None:
    with pytest.raises(ZeroDivisionError), started() as run:
        _ = 1 / 0
    (found,) = multitrack.open_journal().runs()
    assert found.id == run.run.id
    assert found.summary().status == "failed"


def test_unknown_names(run: neptune.Run) -> None:
    with pytest.raises(AttributeError, match=r"no 'init_runs' \(did you mean 'init_run'\?\); supported are"):
        _ = neptune.init_runs
    with pytest.raises(AttributeError, match="supported are add, append, assign"):
        run["a"].histogram(1)
    with pytest.raises(AttributeError, match="supported are assign, define"):
        run.fetch_runs_table()
    assert not hasattr(neptune, "init_model")


def test_structure(run: neptune.Run, capsys: pytest.CaptureFixture[str]) -> None:
    run["a/b"] = 1
    run["a/c"].append(1.5)
    structure = run.get_structure()
    assert structure["a"]["b"].fetch() == 1
    assert run.exists("a") and run.exists("a/b") and not run.exists("b")
    assert run.get_attribute("a/b") is not None and run.get_attribute("a") is None
    run.print_structure()
    assert "a/b: Integer\na/c: Float Series\n" in capsys.readouterr().out
    assert repr(run["a/c"]) == '<Float Series "a/c">'
    assert run.get_url().startswith("file:///")
    run["copy"] = run["a/b"]
    assert run.define("d", 2).fetch() == 2
    assert copy.deepcopy([run])[0] is run
    run.pop("a")
    assert not run.exists("a/b")
    run.ping()
    run.start()
    run.sync()
    run.wait()


def test_read_only(run: neptune.Run) -> None:
    run["a"] = 1
    run["l"].extend([1, 2])
    run.stop()
    with pytest.raises(exceptions.NeedExistingRunForReadOnlyMode):
        started(mode="read-only")
    before = [path.stat().st_size for path in sorted(Path(".multitrack").rglob("*.jsonl"))]
    reading = started(with_id=run.run.id, mode="read-only")
    reading["b"] = 2
    reading["l"].append(3)
    assert reading["a"].fetch() == 1
    assert list(reading["l"].fetch_values()["value"]) == [1, 2]
    reading.stop()
    assert [path.stat().st_size for path in sorted(Path(".multitrack").rglob("*.jsonl"))] == before


def test_debug_records_nothing() -> None:
    run = started(mode="debug")
    run["a"] = 1
    run["l"].append(2)
    run["f"].upload(types.File.from_content("text"))
    assert (run["a"].fetch(), run["l"].fetch_last()) == (1, 2)
    run.stop()
    assert not Path(".multitrack").exists()


def test_variables_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEPTUNE_PROJECT", "team/project")
    monkeypatch.setenv("NEPTUNE_CUSTOM_RUN_ID", "own")
    neptune.init_run(capture_stdout=False, capture_stderr=False).stop()
    (found,) = multitrack.open_journal().runs()
    assert (found.id, found.manifest.project) == ("own", "team/project")
    monkeypatch.setenv("NEPTUNE_MODE", "debug")
    run = neptune.init_run(capture_stdout=False, capture_stderr=False)
    assert run.run.disabled
    run.stop()


def test_custom_ids() -> None:
    for number in range(2):
        run = started(custom_run_id="sweep/1")
        run["loss"].append(number)
        run.stop()
    assert contents(multitrack.open_journal().run(run.run.id))["series"] == {"loss": [(0, 0), (1, 1)]}
    other = neptune.init_run(project="q", custom_run_id="sweep/1", capture_stdout=False, capture_stderr=False)
    other.stop()
    assert other.run.id != run.run.id
    with pytest.raises(exceptions.NeptuneRunResumeAndCustomIdCollision):
        started(with_id="a", custom_run_id="b")


def test_a_run_that_another_object_writes(run: neptune.Run, caplog: pytest.LogCaptureFixture) -> None:
    second = started(with_id=run.run.id)
    second["a"] = 1
    second.stop()
    assert multitrack.open_journal().run(second.run.id).manifest.parent == run.run.id
    assert "this is its child" in caplog.text


def test_files_are_downloaded(run: neptune.Run) -> None:
    Path("f.txt").write_text("text")
    run["f"].upload("f.txt")
    run["content"].upload(types.File.from_content("more"))
    run["set"].upload_files(["f.txt"])
    run["s3"].track_files("s3://bucket/x")
    run["f"].download("copies/g.txt")
    run["content"].download("copies")
    run["set"].download("set")
    run["s3"].download("nowhere")
    assert Path("copies/g.txt").read_text() == "text"
    assert Path("copies/content.txt").read_text() == "more"
    assert Path("set/f.txt").read_text() == "text"
    Path("f.txt").unlink()
    with pytest.raises(exceptions.FileNotFound, match="is gone"):
        run["f"].download("again.txt")


def test_images_and_charts(run: neptune.Run) -> None:
    np = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    run["grey"].upload(types.File.as_image(np.zeros((2, 2), dtype=bool)))
    run["bytes"].upload(types.File.as_image(np.full((2, 2, 4), 255, dtype=np.uint8)))
    run["frame"].upload(types.File.as_html(pandas.DataFrame({"a": [1]})))
    run["direct"] = pandas.DataFrame({"a": [1]})
    run["escape/../../x"].upload(types.File.from_content("y", extension="../z"))
    with pytest.raises(TypeError, match="1 to 4 channels"):
        types.File.as_image(np.zeros((2, 2, 9)))
    found = stored(run)
    directory = Path(".multitrack/runs").absolute() / found.id
    assert {name: place for name, (place, _) in references(found).items()} == {
        "grey": "grey.png", "bytes": "bytes.png", "frame": "frame.html", "direct": "direct.html",
        "escape/../../x": "x..._z",
    }  # fmt: skip
    assert all(each.uri.startswith(f"{directory.as_uri()}/files/") for each in found.summary().artifacts)
    assert "<table" in (directory / "files" / "frame.html").read_text()


def test_objects_of_libraries_become_files(run: neptune.Run) -> None:
    image = pytest.importorskip("PIL.Image").new("RGB", (3, 2))
    figures = pytest.importorskip("matplotlib.figure")
    plotly = pytest.importorskip("plotly.graph_objects")
    figure = figures.Figure()
    run["image"] = image
    run["images"].append(image)
    run["figure"].upload(figure)
    run["axes"].upload(types.File.as_image(figure.subplots()))
    run["html"].upload(types.File.as_html(figure))
    run["chart"].upload(plotly.Figure())
    run["stream"].upload(types.File.from_stream(io.BytesIO(b"abc"), seek=1))
    run["list"].upload(types.File.as_image([[0.0, 1.0]]))
    assert run["stream"].fetch_extension() == "bin"
    with pytest.raises(TypeError, match="has no form in HTML"):
        types.File.as_html(3)
    with pytest.raises(TypeError, match="must be one of PIL"):
        types.File.as_image("x")
    found = stored(run)
    assert {name: place for name, (place, _) in references(found).items()} == {
        "image": "image.png", "images/0": "0.png", "figure": "figure.png", "axes": "axes.png", "html": "html.html",
        "chart": "chart.html", "stream": "stream.bin", "list": "list.png",
    }  # fmt: skip
    directory = Path(".multitrack/runs", found.id, "files")
    assert (directory / "stream.bin").read_bytes() == b"bc"
    assert b"<img src=" in (directory / "html.html").read_bytes()


def test_options_without_meaning(run: neptune.Run, caplog: pytest.LogCaptureFixture) -> None:
    Path("requirements.txt").write_text("numpy\n")
    Path("model.py").write_text("x = 1\n")
    other = started(
        api_token=neptune.ANONYMOUS_API_TOKEN, flush_period=1, proxies={}, capture_traceback=True, git_ref=False, fail_on_exception=False,
        source_files="*.py", dependencies="requirements.txt", madeup=1,
    )  # fmt: skip
    assert references(stored(other)) == {
        "source_code/files/model.py": ("model.py", "file"),
        "source_code/requirements": ("requirements.txt", "file"),
    }
    assert caplog.text.count("was set aside") == 1
    assert "there is no argument 'madeup'" in caplog.text


def test_the_import_loads_no_sdk() -> None:
    code = "import sys, multitrack.compat.neptune; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert not {"neptune", "wandb", "mlflow", "numpy", "pandas", "keras"} & set(done.stdout.split())
