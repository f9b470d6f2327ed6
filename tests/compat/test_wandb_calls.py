"""Single calls of W&B's SDK: what is read back, what is left out and counted, and the errors that remain."""

from __future__ import annotations

import argparse
import copy
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import multitrack
import multitrack.compat.wandb as wandb
from compat_programs import contents, references
from quiet import ROOT


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without W&B's variables, and without capture: pytest has its own."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_CONSOLE", "off")


def stored(run: wandb.Run) -> multitrack.RecordedRun:
    run.finish()
    return multitrack.open_journal().run(run.id)


def reasons(run: multitrack.RecordedRun) -> set[tuple[str, str]]:
    return {(call.removeprefix("wandb "), reason.removeprefix("left out: ")) for call, reason in run.get_mistakes()}


def test_attributes() -> None:
    run = wandb.init(
        entity="team", project="p", name="n", notes="x", tags=["a"], group="g", job_type="t", mode="offline"
    )
    assert (run.entity, run.project, run.name, run.notes) == ("team", "p", "n", "x")
    assert (run.group, run.job_type, run.tags) == ("g", "t", ("a",))
    assert (run.offline, run.resumed, run.disabled, run.sweep_id, run.url) == (True, False, False, None, None)
    assert run.path == f"team/p/{run.id}"
    assert (run.step, run.starting_step) == (0, 0)
    assert run.start_time > 1.7e9
    assert wandb.run is run and wandb.config is run.config
    run.tags += ("b",)
    run.tags = ("b",)
    run.name, run.notes = "later", "more"
    assert contents(stored(run))["tags"] == {
        "a": "false", "b": "true", "job_type": "t", "wandb/name": "later", "wandb/notes": "more",
    }  # fmt: skip


def test_before_init_and_after_finish() -> None:
    from multitrack.compat.wandb import config, log, summary

    assert wandb.run is None
    wandb.finish()
    for use in (lambda: wandb.log({}), lambda: wandb.config.lr, lambda: wandb.summary["a"], lambda: log({"a": 1})):
        with pytest.raises(wandb.Error, match=r"call wandb.init\(\) before wandb\."):
            use()
    run = wandb.init(project="p")
    log({"a": 1})
    config.lr = 0.1
    config["seed"] = 3
    summary["best"] = 1
    assert config.lr == config["lr"] == 0.1
    found = contents(stored(run))
    assert (found["params"], found["series"], found["simple"]) == (
        {"lr": 0.1, "seed": 3}, {"a": [(0, 1)]}, {"best": [1]},
    )  # fmt: skip
    with pytest.raises(wandb.UsageError, match="is finished"):
        run.log({"a": 2})
    run.finish()


def test_config_values_that_change(caplog: pytest.LogCaptureFixture) -> None:
    run = wandb.init(project="p", config={"lr": 0.1, "m": {"u": 1}, "same": [1, 2]})
    run.config.lr = 0.2
    run.config.update({"lr": 0.3, "same": [1, 2]}, allow_val_change=True)
    run.config.update({"m": {"v": 2}})
    assert run.config.as_dict() == {"lr": 0.3, "m": {"u": 1, "v": 2}, "same": [1, 2]}
    run.config.update(3)
    run.config.update({"good": 1, "a\0b": 2})
    found = stored(run)
    assert contents(found)["params"] == {"lr": 0.1, "m/u": 1, "m/v": 2, "same": [1, 2], "good": 1}
    assert contents(found)["tags"] == {"config/lr": "0.3"}
    assert caplog.text.count("a tag has the last") == 1
    with pytest.raises(AttributeError, match="no value 'absent'"):
        _ = run.config.absent
    with pytest.raises(KeyError):
        _ = run.config["absent"]


def test_names_of_values_that_may_seem_to_be_the_objects_own() -> None:
    run = wandb.init(project="p", config={"kind": "cnn", "run": 1})
    run.summary["kind"] = 0.5
    assert (run.config.kind, run.config.run, run.summary.kind) == ("cnn", 1, 0.5)
    assert contents(stored(run))["params"] == {"kind": "cnn", "run": 1}


def test_config_of_files_and_namespaces() -> None:
    Path("config.json").write_text('{"lr": 0.1, "drop": 1}')
    run = wandb.init(project="p", config="config.json")
    run.config.update(argparse.Namespace(units=3))
    assert contents(stored(run))["params"] == {"lr": 0.1, "drop": 1, "units": 3}
    run = wandb.init(
        project="p", config={"a": 1, "b": 2, "c": 3}, config_exclude_keys=["a"], config_include_keys=["a", "b"]
    )
    assert contents(stored(run))["params"] == {"b": 2}


def test_values_that_a_row_cannot_hold(caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    run = wandb.init(project="p")
    for _ in range(3):
        run.log({"good": 1, "none": None, "list": [1, 2], "odd": Odd(), "text": "words", "_step": 5, 3: 4})
    run.log([1])
    run.log({"a": 1}, step="x")
    run.log({"a": 1}, step=7.5)
    run.log({"a": 2}, step=1)
    run.log({"a\0b": 1, "c": 2})
    run.watch(object())
    run.watch(object())
    run.unwatch()
    run.link_artifact("x", "y")
    run.log_code()
    found = stored(run)
    assert contents(found)["series"] == {
        "good": [(0, 1), (1, 1), (2, 1)], "3": [(0, 4), (1, 4), (2, 4)], "a": [(7, 1)], "c": [(7, 2)],
    }  # fmt: skip
    assert contents(found)["lines"] == ["text: words"] * 3
    assert contents(found)["tags"] == {"summary/text": "words"}
    assert ("log", "a mapping is needed, got list") in reasons(found)
    assert ("log", "a series has numbers, texts or files, not NoneType") in reasons(found)
    assert ("log", "2 more times: a series has numbers, texts or files, not NoneType") in reasons(found)
    assert ("log", "steps are whole numbers: others are rounded down") in reasons(found)
    assert ("log", "a step before the current one is dropped, as W&B does") in reasons(found)
    assert {call for call, _ in reasons(found)} == {"log", "link_artifact", "log_code"}
    assert caplog.text.count("gradients and weights") == 1


def test_figures_of_the_summary() -> None:
    run = wandb.init(project="p")
    assert run.define_metric("x", summary="best,first,last", goal="maximize").name == "x"
    run.define_metric("quiet/*", summary="none")
    run.define_metric("copied", summary="copy,max")
    run.define_metric("y", summary="median")
    axis = run.define_metric("epoch")
    run.define_metric("val", step_metric=axis, step_sync=False)
    run.log({"epoch": 1})
    for value in (1, 3, 2):
        run.log({"x": value, "quiet/z": value, "copied": value, "val": value})
    assert run.summary["x"] == {"best": 3, "first": 1, "last": 2}
    assert "quiet/z" not in run.summary
    found = stored(run)
    assert contents(found)["simple"] == {"x.best": [3], "x.first": [1], "x.last": [2], "copied.max": [3]}
    assert contents(found)["series"]["epoch"] == [(0, 1)]
    assert reasons(found) == {("define_metric", "there is no summary 'median'")}


def test_reinit() -> None:
    first = wandb.init(project="p")
    assert wandb.init(project="q") is first
    second = wandb.init(project="p", reinit=True)
    assert first.is_finished and second is not first
    third = wandb.init(project="p", settings=wandb.Settings(reinit="create_new"))
    assert not second.is_finished and wandb.run is third
    third.finish()
    assert wandb.run is second
    wandb.teardown()
    assert second.is_finished


def test_resume() -> None:
    with pytest.raises(wandb.UsageError, match="there is no run 'x'"):
        wandb.init(project="p", id="x", resume="must")
    with pytest.raises(wandb.UsageError, match="needs id"):
        wandb.init(project="p", resume="must")
    with wandb.init(project="p", id="x/1", resume="never", group="g") as run:
        run.log({"a": 1}, step=4)
    with pytest.raises(wandb.UsageError, match="already"):
        wandb.init(project="p", id="x/1", resume="never")
    again = wandb.init(project="p", id="x/1", resume=True, group="other")
    assert (again.id, again.step, again.resumed, again.summary["a"]) == (run.id, 5, True, 1)
    child = wandb.init(project="p", id="x/1", reinit="create_new")
    assert child.run.manifest.parent == again.id
    assert not child.resumed


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "PROJECT": "p",
        "NAME": "n",
        "RUN_ID": "own",
        "TAGS": "a, b",
        "RUN_GROUP": "g",
        "NOTES": "x",
        "JOB_TYPE": "j",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    found = stored(wandb.init())
    manifest = found.manifest
    assert (found.id, manifest.project, manifest.name, manifest.group, manifest.notes) == ("own", "p", "n", "g", "x")
    assert contents(found)["tags"] == {"a": "true", "b": "true", "job_type": "j"}
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = wandb.init()
    run.log({"a": 1, "image": wandb.Image(__file__), "html": wandb.Html("x")})
    run.summary["b"] = 2
    assert run.disabled and run.summary["a"] == 1
    run.finish()
    assert len(list(multitrack.open_journal().runs())) == 1


def test_ends() -> None:
    run = wandb.init(project="p")
    run.finish(exit_code=1)
    assert multitrack.open_journal().run(run.id).summary().status == "failed"
    with pytest.raises(ZeroDivisionError), wandb.init(project="p") as run:
        _ = 1 / 0
    assert multitrack.open_journal().run(run.id).summary().status == "failed"
    assert wandb.run is None


def test_files_of_the_program() -> None:
    run = wandb.init(project="p", dir="own")
    Path(run.dir, "sub").mkdir()
    Path(run.dir, "sub", "model.txt").write_text("weights")
    Path("a.txt").write_text("a")
    assert run.save("*.txt") == ["a.txt"]
    assert run.save("nothing*") == []
    found = stored(run)
    assert run.dir == str(Path("own/wandb").absolute() / f"run-{run.id}" / "files")
    assert references(found) == {"sub/model.txt": ("model.txt", "file"), "a.txt": ("a.txt", "file")}
    assert reasons(found) == {("save", "no file matches")}


def test_artifacts_are_used_by_later_runs() -> None:
    Path("data").mkdir()
    for name in ("a", "b"):
        Path("data", name).write_text(name)
    with wandb.init(project="p") as run:
        data = wandb.Artifact("data", type="dataset", metadata={"rows": 2})
        data.add_dir("data", name="inner")
        run.log_artifact(data, aliases=["best"]).wait()
        run.log_artifact("data/a", name="single", type="dataset")
        run.log_artifact("absent")
        run.log_model("data/a", name="net")
    first = multitrack.open_journal().run(run.id)
    assert reasons(first) == {
        ("log_artifact", "ValueError: absent is no file"),
        ("log_artifact", "references have no metadata and no description"),
        ("log_artifact", "references have no aliases; `multitrack models` names versions of models"),
    }
    with wandb.init(project="p") as run:
        used = run.use_artifact("team/p/data:latest", type="dataset")
        assert sorted(used.entries) == ["inner/a", "inner/b"]
        place = used.download()
        assert Path(place, "inner", "a").read_text() == "a"
        assert Path(run.use_artifact("single:v0").file()).read_text() == "a"
        assert Path(used.get_path("inner/b").download("other")).read_text() == "b"
        assert len(used.files(["inner/a"])) == 1
        unknown = wandb.use_artifact("elsewhere:v3")
        with pytest.raises(ValueError, match="on this machine"):
            unknown.download()
        with pytest.raises(ValueError, match="on this machine"):
            unknown.file()
    found = {each.name: (each.role, each.uri) for each in multitrack.open_journal().run(run.id).summary().artifacts}
    assert found["elsewhere"] == ("input", "wandb://elsewhere:v3")
    assert found["data/inner/a"] == ("input", Path("data/a").absolute().as_uri())
    assert found["single"] == ("input", Path("data/a").absolute().as_uri())


def test_content_of_artifacts() -> None:
    Path("page.html").write_text("<p>x</p>")
    with wandb.init(project="p") as run:
        artifact = wandb.Artifact("results", type="results")
        artifact.add(wandb.Table(columns=["a"], data=[[1]]), "table")
        artifact.add(wandb.Html("page.html"), "page")
        with artifact.new_file("raw.bin", mode="wb") as file:
            file.write(b"\0")
        artifact.add_reference("s3://bucket/data")
        with pytest.raises(TypeError, match="a table or image"):
            artifact.add(1, "one")
        with pytest.raises(ValueError, match="is no directory"):
            artifact.add_dir("absent")
        run.log_artifact(artifact)
    found = references(multitrack.open_journal().run(run.id))
    assert found == {
        "results/table.table.json": ("table.table.json", "results"), "results/page": ("page.html", "results"),
        "results/raw.bin": ("raw.bin", "results"), "results/data": ("data", "results"),
    }  # fmt: skip


def test_types_of_values() -> None:
    np = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    Path("film.mp4").write_bytes(b"film")
    run = wandb.init(project="p")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    table = wandb.Table(dataframe=frame)
    table.add_column("c", [wandb.Image(np.zeros((2, 2)), caption="black"), None])
    assert table.get_column("a", convert_to="numpy").tolist() == [1, 2]
    assert list(table.get_dataframe().columns) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="3 columns, and the row 1"):
        table.add_data(1)
    assert table.text() == '{"columns": ["a", "b", "c"], "data": [[1, "x", "black"], [2, "y", null]]}'
    run.log({"table": table, "frame": frame, "array": np.arange(4), "film": wandb.Video("film.mp4", fps=4)})
    run.log({"scalar": np.float32(0.5), "sound": wandb.Audio(io.BytesIO(b"wave")), "frames": wandb.Video(np.zeros(3))})
    run.log(
        {"counts": wandb.Histogram(np_histogram=([1, 2], [0, 1, 2])), "again": wandb.Image(wandb.Image("film.mp4"))}
    )
    run.log({"html": wandb.Html(io.StringIO("<b>")), "chart": wandb.Plotly(frame)})
    found = stored(run)
    assert references(found) == {
        "table/0": ("0.table.json", "table"), "frame/0": ("0.table.json", "table"), "array/0": ("0.json", "histogram"),
        "film/0": ("film.mp4", "video"), "sound/1": ("1.wav", "audio"), "counts/2": ("2.json", "histogram"),
        "again/2": ("film.mp4", "figure"), "html/3": ("3.html", "html"), "chart/3": ("3.html", "html"),
    }  # fmt: skip
    assert contents(found)["series"] == {"scalar": [(1, 0.5)]}
    assert reasons(found) == {("log", "frames and samples of Video need a file")}


def test_small_calls() -> None:
    assert wandb.login(key="x") is True
    assert wandb.setup() is None
    assert wandb.Settings(a=1).a == 1 and wandb.Settings().b is None
    run = wandb.init(project="p", sync_tensorboard=True, save_code=True)
    run.alert("title", "text")
    run.write_logs("line\n")
    assert run.get_url() is None
    assert copy.deepcopy([run])[0] is run
    assert repr(run) == f"<wandb run {run.id} {run.name!r}>"
    found = stored(run)
    assert contents(found)["lines"] == ["alert INFO: title: text", "line"]
    assert reasons(found) == {("init", "sync_tensorboard has no counterpart")}


def test_unknown_names() -> None:
    with pytest.raises(AttributeError, match=r"no 'initt' \(did you mean 'init'\?\); supported are"):
        _ = wandb.initt
    assert not hasattr(wandb, "sweep")
    run: Any = wandb.init(project="p")
    with pytest.raises(AttributeError, match="supported are alert, config, define_metric"):
        run.to_html()
    with pytest.raises(AttributeError, match="the summary has no value 'a'"):
        _ = run.summary.a


def test_the_import_loads_no_sdk() -> None:
    code = "import sys, multitrack.compat.wandb; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert not {"neptune", "wandb", "mlflow", "numpy", "pandas", "keras"} & set(done.stdout.split())
