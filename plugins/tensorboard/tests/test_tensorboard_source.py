"""Event files that TensorFlow and Keras wrote, imported into a journal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import multitrack
from multitrack.errors import SourceError
from multitrack.hookspecs import Gap, SourceRun
from multitrack.migration.importing import Imported, import_runs
from multitrack.migration.opening import open_source
from segment_times import assert_times_rise

MANY = 2000


def do_import(place: Path, journal: Path) -> dict[str, Imported]:
    found = list(import_runs(open_source(str(place)), journal))
    assert found
    assert not any(isinstance(each, Gap) for each in found), found
    assert_times_rise(journal)
    return {each.name: each for each in found if isinstance(each, Imported)}


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    logdir = tmp_path_factory.mktemp("logs")
    with tf.summary.create_file_writer(str(logdir / "sweep" / "one")).as_default():
        api.hparams({"units": 64, "lr": 0.001, "kind": "mlp", "deep": True})
        for i in range(MANY):
            tf.summary.scalar("loss", 1 / (i + 1), step=i)
        tf.summary.scalar("loss", float("nan"), step=5)
        tf.summary.text("note", "a\nb", step=1)
        tf.summary.histogram("weights", [1.0, 2.0], step=0)
    return logdir


def points_of(place: Path, tag: str) -> list[tuple[int, int, str]]:
    events = EventAccumulator(str(place), size_guidance={"tensors": 0}).Reload()
    return [
        (round(event.wall_time * 1000), event.step, repr(float(event.tensor_proto.float_val[0])))
        if event.tensor_proto.float_val
        else (round(event.wall_time * 1000), event.step, repr(_content(event.tensor_proto)))
        for event in events.Tensors(tag)
    ]


def _content(tensor: Any) -> float:
    from tensorboard.util.tensor_util import make_ndarray

    return float(make_ndarray(tensor))


def test_everything_is_imported_once(logdir: Path, tmp_path: Path) -> None:
    runs = do_import(logdir, tmp_path)
    assert {name: run.outcome for name, run in runs.items()} == {"one": "new"}
    assert set(runs["one"].gaps) == {
        "weights: histograms left out (1)",
        "TensorBoard knows no status: the run counts as finished at its last value",
    }
    run = multitrack.open_journal(tmp_path).run("one")
    expected = points_of(logdir / "sweep" / "one", "loss")
    assert len(expected) == MANY + 1
    assert [(point.time, point.step, repr(point.value)) for point in run.get_metrics()["loss"]] == expected
    assert run.summary().params == {"units": 64, "lr": 0.001, "kind": "mlp", "deep": True}
    assert [line.text for line in run.get_lines()] == ["note: a", "note: b"]
    assert (run.manifest.project, run.summary().status) == ("sweep", "finished")
    assert run.manifest.created <= expected[0][0]
    assert {each.outcome for each in do_import(logdir / "sweep", tmp_path).values()} == {"unchanged"}


@pytest.mark.slow
def test_a_training_of_keras_is_one_run(tmp_path: Path) -> None:
    import keras
    import numpy as np

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    x, y = np.ones((8, 2)), np.ones((8, 1))
    callback = keras.callbacks.TensorBoard(tmp_path / "logs" / "fit")
    history = model.fit(x, y, validation_data=(x, y), epochs=3, verbose=0, callbacks=[callback])
    runs = do_import(tmp_path / "logs", tmp_path / "journal")
    assert runs.keys() == {"fit"}
    found = multitrack.open_journal(tmp_path / "journal").run("fit").get_metrics()
    for name, key in (("train/epoch_loss", "loss"), ("validation/epoch_loss", "val_loss")):
        assert [point.value for point in found[name]] == pytest.approx(history.history[key], rel=1e-6)
        assert [point.step for point in found[name]] == [0, 1, 2]


def test_one_directory_alone(logdir: Path, tmp_path: Path) -> None:
    """The address that mirroring notes: a run, whatever is beside it, in the project of the directory above."""
    other = tmp_path / "logs" / "sweep" / "other" / "train"
    shutil.copytree(logdir / "sweep" / "one", other)
    shutil.copytree(logdir / "sweep" / "one", other.parent.parent / "third")
    source = open_source(f"{tmp_path / 'logs' / 'sweep'}#other", "tensorboard")
    (run,) = source.runs()
    assert isinstance(run, SourceRun)
    assert (run.id, run.project, run.scope) == ("other", "sweep", str(tmp_path / "logs" / "sweep"))
    with pytest.raises(SourceError, match="has no event files"):
        open_source(f"{tmp_path / 'logs'}#absent", "tensorboard")


def test_a_torn_file_gives_what_is_whole_and_later_the_rest(logdir: Path, tmp_path: Path) -> None:
    (path,) = (logdir / "sweep" / "one").glob("*tfevents*")
    whole = path.read_bytes()
    copy = tmp_path / "logs" / "run" / path.name
    copy.parent.mkdir(parents=True)
    copy.write_bytes(whole[: len(whole) // 2])
    (run,) = do_import(tmp_path / "logs", tmp_path / "journal").values()
    assert any("damaged at byte" in gap for gap in run.gaps)
    assert 0 < run.points < MANY
    copy.write_bytes(whole)
    (more,) = do_import(tmp_path / "logs", tmp_path / "journal").values()
    assert (more.outcome, run.points + more.points) == ("more", MANY + 1)
    recorded = multitrack.open_journal(tmp_path / "journal").run("run")
    assert len(recorded.get_metrics()["loss"]) == MANY + 1
    assert recorded.summary().status == "finished"


def test_a_run_delivered_from_here_comes_back(tmp_path: Path) -> None:
    config = {"journal": str(tmp_path / "journal"), "tensorboard": {"directory": str(tmp_path / "logs")}}
    with multitrack.start_run("p/ä", "ours 🚀", backends=["tensorboard"], config=config) as run:
        run.log_params({"lr": 0.1, "big": 2**60, "kind": None, "some": [1, 2]})
        for step, value in enumerate((1e300, 2**60 + 1, 0.1, float("inf"))):
            run.log_metric("summary/loss", value, step=step)
        run.log_metric("best", 2.5)
        run.log_lines(["one", " two"])
        run.log_artifact_ref("weights", "s3://bucket/w", kind="model", digest="sha256:" + "0" * 64)
        run.set_tags({"team": "vision"})
    assert run.flush(60).complete
    do_import(tmp_path / "logs", tmp_path / "other")
    here, there = (multitrack.open_journal(tmp_path / name).run(run.id) for name in ("journal", "other"))
    one, other = here.summary(), there.summary()
    assert (one.params, one.tags, one.status, one.simple) == (other.params, other.tags, other.status, other.simple)
    assert repr(here.get_metrics()) == repr(there.get_metrics())
    assert [line.text for line in there.get_lines()] == ["one", " two"]
    assert [(ref.uri, ref.digest) for ref in other.artifacts] == [("s3://bucket/w", "sha256:" + "0" * 64)]
    assert (here.manifest.project, here.manifest.name, here.manifest.created, one.ended) == (
        there.manifest.project, there.manifest.name, there.manifest.created, other.ended,
    )  # fmt: skip


def test_what_has_no_events_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="has no event files"):
        open_source(str(tmp_path), "tensorboard")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "events.out.tfevents.1.host").write_bytes(b"no events")
    (gap,) = import_runs(open_source(str(tmp_path)), tmp_path / "journal")
    assert isinstance(gap, Gap)
    assert "there is no value in its event files" in gap.reason
    assert not gap.is_empty  # it is damaged
