"""References tell where the best and the last checkpoint are, with the digests of what is there when training has ended."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import keras
import keras_tuner
import numpy as np
import pytest

import multitrack
from multitrack.keras import TrackingCallback
from multitrack.keras.checkpoints import Files
from multitrack.keras_tuner import RandomSearch
from multitrack.recording.integration import Integration

pytestmark = [
    pytest.mark.usefixtures("eagerly"),
    # Keras' own saving on TensorFlow, and KerasTuner's oracle.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings(
        "ignore:currentThread\\(\\) is deprecated:DeprecationWarning:keras_tuner.src.engine.oracle"
    ),
    pytest.mark.filterwarnings("ignore:getName\\(\\) is deprecated:DeprecationWarning:keras_tuner.src.engine.oracle"),
]

Saves = keras.callbacks.ModelCheckpoint


def fit(model: Any, data: Any, callbacks: list[Any], **args: Any) -> Any:
    return model.fit(*data, **{"epochs": 3, "batch_size": 10, "verbose": 0, **args}, callbacks=callbacks)


def refs(recorded_run: Any) -> dict[str, Any]:
    return {ref.name: ref for ref in recorded_run.summary().artifacts}


def path_of(ref: Any) -> Path:
    return Path(unquote(urlsplit(ref.uri).path))


def assert_is(ref: Any, path: Path) -> None:
    """The reference is to this file as it is now."""
    assert path_of(ref) == path
    assert ref.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert ref.size == path.stat().st_size
    assert (ref.kind, ref.role) == ("model", "output")


def assert_same_model(loaded: Any, model: Any, data: Any) -> None:
    np.testing.assert_array_equal(loaded.predict(data[0], verbose=0), model.predict(data[0], verbose=0))


class Does(keras.callbacks.Callback):
    """Calls a function after an epoch."""

    def __init__(self, after: Callable[[int, dict[str, Any]], None]) -> None:
        super().__init__()
        self.after = after

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.after(epoch, logs)


# -- which file is which ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["checkpoint", "tracking"])
def test_the_last_model_can_be_loaded_from_its_reference(model, data, project, recorded, first):
    saves = Saves("saved/model.keras")
    with multitrack.start_run() as run:
        callbacks = [saves, TrackingCallback(checkpoint=saves)]
        fit(model, data, callbacks if first == "checkpoint" else callbacks[::-1])
    (ref,) = recorded(run).summary().artifacts
    assert ref.name == "checkpoint-last"
    assert_is(ref, project / "saved" / "model.keras")
    assert_same_model(keras.models.load_model(path_of(ref)), model, data)
    assert recorded(run).summary().mistakes == 0


@pytest.mark.parametrize("first", ["checkpoint", "tracking"])
def test_of_a_file_for_each_epoch_the_best_is_told(data, compiled, project, recorded, first):
    scores = [float("nan"), 0.2, 0.4]
    saves = Saves("{epoch:02d}-{val_loss:.2f}.keras")
    (project / "07-0.01.keras").write_text("of an earlier training")

    def score(epoch: int, logs: dict[str, Any]) -> None:
        logs["val_loss"] = scores[epoch]

    with multitrack.start_run() as run:
        callbacks = [saves, TrackingCallback(checkpoint=saves)]
        fit(compiled(), data, [Does(score), *(callbacks if first == "checkpoint" else callbacks[::-1])])
    found = refs(recorded(run))
    assert set(found) == {"checkpoint-best", "checkpoint-last"}
    assert_is(found["checkpoint-best"], project / "02-0.20.keras")
    assert_is(found["checkpoint-last"], project / "03-0.40.keras")


def test_best_and_last_of_two_checkpoints(data, compiled, project, recorded):
    best = Saves("a/best.weights.h5", monitor="score", mode="max", save_best_only=True, save_weights_only=True)
    last = Saves("a/{epoch}.weights.h5", monitor="loss", save_weights_only=True)

    def score(epoch: int, logs: dict[str, Any]) -> None:
        logs["score"] = [0.1, 0.9, 0.3][epoch]

    copies = Does(lambda epoch, logs: shutil.copy("a/best.weights.h5", f"copy-{epoch}"))
    with multitrack.start_run() as run:
        fit(compiled(), data, [Does(score), best, last, copies, TrackingCallback(checkpoint=[best, last])])
    found = refs(recorded(run))
    assert set(found) == {"checkpoint-best", "checkpoint-last"}
    assert_is(found["checkpoint-best"], project / "a" / "best.weights.h5")
    assert path_of(found["checkpoint-best"]).read_bytes() == (project / "copy-1").read_bytes()
    assert_is(found["checkpoint-last"], project / "a" / "3.weights.h5")


def test_several_of_one_kind_are_told_apart(model, data, project, recorded):
    with multitrack.start_run() as run:
        fit(model, data, [one := Saves("1.keras"), two := Saves("2.keras"), TrackingCallback(checkpoint=(one, two))])
    found = refs(recorded(run))
    assert {name: path_of(ref).name for name, ref in found.items()} == {
        "checkpoint-last": "1.keras", "checkpoint-last-2": "2.keras",
    }  # fmt: skip


def test_a_path_that_something_else_writes_may_be_a_directory(model, data, project, recorded):
    def save(epoch: int, logs: Any) -> None:
        (project / "mine" / "part").mkdir(parents=True, exist_ok=True)
        (project / "mine" / "part" / "weights").write_text(f"epoch {epoch}")

    with multitrack.start_run() as run:
        fit(model, data, [TrackingCallback(checkpoint=Path("mine")), Does(save)])
        run.log_artifact_ref("now", project / "mine")
    found = refs(recorded(run))
    assert (found["checkpoint-last"].uri, found["checkpoint-last"].digest) == (found["now"].uri, found["now"].digest)
    assert found["now"].digest is not None


# -- when it is told ----------------------------------------------------------------------------------------------


def test_while_training_goes_on_a_reference_has_no_digest(model, data, project):
    """Nothing is digested beside training, and what a killed training saved can be found."""
    seen = []
    saves = Saves("{epoch}.keras", monitor="loss")

    def look(epoch: int, logs: Any) -> None:
        found = multitrack.open_journal(project / ".multitrack").run(run.id)
        seen.append({name: (path_of(ref).name, ref.digest) for name, ref in refs(found).items()})

    with multitrack.start_run() as run:
        fit(model, data, [saves, TrackingCallback(checkpoint=saves), Does(look)])
    assert [each.get("checkpoint-last") for each in seen] == [None, ("1.keras", None), ("2.keras", None)]


@pytest.mark.parametrize("ends", ["block", "next fit"])
def test_what_was_saved_before_fit_raised_is_referenced(model, data, project, recorded, ends):
    """Within an epoch, of which the callback hears no end."""
    saves = Saves("{epoch}-{batch}.weights.h5", save_freq=2, save_weights_only=True)
    tracking = TrackingCallback(checkpoint=saves)

    class Fails(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 3:
                raise RuntimeError("out of memory")

    run = multitrack.start_run()
    with pytest.raises(RuntimeError, match="out of memory"):
        fit(model, data, [tracking, saves, Fails()])
    assert refs(recorded(run)) == {}
    if ends == "block":
        run.end("failed")
    else:
        fit(model, data, [tracking], epochs=1)
    assert_is(refs(recorded(run))["checkpoint-last"], project / "1-4.weights.h5")
    assert run.at_end == set()
    run.end()


def test_a_later_fit_counts(data, compiled, project, recorded):
    with multitrack.start_run() as run:
        for epochs in (1, 2):
            fit(compiled(), data, [saves := Saves("m.keras"), TrackingCallback(checkpoint=saves)], epochs=epochs)
            assert_is(refs(recorded(run))["checkpoint-last"], project / "m.keras")
        digests = [ref.digest for ref in recorded(run).records() if type(ref).__name__ == "ArtifactRef"]
        assert len(set(digests)) == 3, "none, and one for each fit"
        fit(compiled(), data, [TrackingCallback(checkpoint="m.keras")])  # which writes nothing
        assert [ref.digest for ref in recorded(run).records() if type(ref).__name__ == "ArtifactRef"] == digests


@pytest.mark.parametrize("resumed", [False, True])
def test_the_best_of_an_earlier_fit_stays_the_best(data, compiled, project, recorded, resumed):
    saves = Saves("{epoch:02d}-{val_loss:.2f}.keras")
    scores = [0.3, 0.2, 0.9, 0.8, 0.1]

    def score(epoch: int, logs: dict[str, Any]) -> None:
        logs["val_loss"] = scores[epoch]

    run = multitrack.start_run()
    fit(compiled(), data, [Does(score), saves, TrackingCallback(checkpoint=saves)], epochs=2)
    if resumed:
        run.end("killed")
        run = multitrack.start_run(run_id=run.id)
    later = Saves("{epoch:02d}-{val_loss:.2f}.keras")
    for until, best in ((4, "02-0.20.keras"), (5, "05-0.10.keras")):
        callbacks = [Does(score), later, TrackingCallback(checkpoint=later)]
        compiled().fit(*data, validation_data=data, epochs=until, initial_epoch=until - (2 if until == 4 else 1),
                       verbose=0, callbacks=callbacks)  # fmt: skip
        assert_is(refs(recorded(run))["checkpoint-best"], project / best)
    run.end()


# -- what goes wrong ----------------------------------------------------------------------------------------------


def test_a_path_that_nothing_is_written_to_is_said(model, data, project, caplog):
    with multitrack.start_run() as run:
        fit(model, data, [Saves("m.keras"), TrackingCallback(run, checkpoint=["m.keras", "modle/*.keras"])])
    assert [record.getMessage() for record in caplog.records] == [
        f"multitrack: run {run.id}: checkpoint='modle/*.keras': no such file was written by this fit"
    ]


def test_files_that_vanish_are_passed_over(model, data, project, recorded):
    """Here each epoch's file but the last is deleted, and the best is among them; in the end all are."""
    saves = Saves("{epoch}.keras", monitor="rising", mode="min")

    def prune(epoch: int, logs: dict[str, Any]) -> None:
        logs["rising"] = epoch
        for path in project.glob("*.keras"):
            path.unlink()

    with multitrack.start_run() as run:
        fit(model, data, [Does(prune), saves, TrackingCallback(checkpoint=saves)])
    found = refs(recorded(run))
    assert recorded(run).summary().mistakes == 0
    assert_is(found["checkpoint-last"], project / "3.keras")
    assert (path_of(found["checkpoint-best"]).name, found["checkpoint-best"].digest) == ("1.keras", None)

    with multitrack.start_run() as run:
        fit(model, data, [saves := Saves("all.keras"), Does(lambda epoch, logs: Path("all.keras").unlink()),
                          TrackingCallback(checkpoint=saves)])  # fmt: skip
    assert refs(recorded(run)) == {}
    assert recorded(run).summary().mistakes == 0


def test_a_file_that_cannot_be_read_costs_its_own_reference_only(model, data, project, recorded, monkeypatch):
    record = Integration.log_checkpoint

    def fail(self: Any, name: str, path: Path, *, digest: bool = True) -> None:
        if digest and path.name == "1.keras":
            raise PermissionError(path)
        record(self, name, path, digest=digest)

    monkeypatch.setattr(Integration, "log_checkpoint", fail)
    with multitrack.start_run() as run:
        fit(model, data, [one := Saves("1.keras"), two := Saves("2.keras"), TrackingCallback(checkpoint=[one, two])])
    found = refs(recorded(run))
    assert found["checkpoint-last"].digest is None
    assert_is(found["checkpoint-last-2"], project / "2.keras")
    assert recorded(run).summary().mistakes == 1


def test_files_that_cannot_be_looked_at_cost_no_metrics(model, data, recorded, monkeypatch):
    def fail(self: Any, pattern: str) -> None:
        raise FileNotFoundError("the current directory")

    tracking = TrackingCallback(checkpoint="m.keras")
    monkeypatch.setattr(Files, "__init__", fail)
    with multitrack.start_run() as run:
        fit(model, data, [tracking])
    assert len(recorded(run).get_metrics("loss")["loss"]) == 3
    assert recorded(run).get_params()["fit/epochs"] == 3
    assert recorded(run).summary().mistakes == 1


@pytest.mark.parametrize(
    ("checkpoint", "error"),
    [(3, TypeError), ([keras.callbacks.EarlyStopping()], TypeError), ("gs://bucket/m.keras", ValueError),
     (Saves("gs://bucket/m.keras"), ValueError), ("{epoch.keras", ValueError)],
)  # fmt: skip
def test_what_cannot_be_watched_is_said_at_once(checkpoint, error):
    with pytest.raises(error, match=r"checkpoint|expected '}'"):
        TrackingCallback(checkpoint=checkpoint)


def test_a_disabled_run_looks_at_nothing(model, data, monkeypatch):
    monkeypatch.setattr(Files, "written", lambda self: pytest.fail("looked"))
    with multitrack.start_run(disabled=True):
        fit(model, data, [saves := Saves("m.keras"), TrackingCallback(checkpoint=saves)])


def test_a_pattern_names_no_other_file(tmp_path):
    for name in ("best.keras", "1x.keras", "[a]-1.keras"):
        (tmp_path / name).touch()
    (tmp_path / "03.keras").symlink_to("gone.keras")
    numbered, odd = Files(str(tmp_path / "{epoch}.keras")), Files(str(tmp_path / "[a]-{epoch:02d}.keras"))
    for name in ("best.keras", "1x.keras", "02.keras", "[a]-1.keras", "a-1.keras"):
        (tmp_path / name).write_text("written")
    assert [written.path.name for written in numbered.written()] == ["02.keras"]
    assert [written.path.name for written in odd.written()] == ["[a]-1.keras"]


# -- KerasTuner ---------------------------------------------------------------------------------------------------


def build(hp: Any) -> Any:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    net.compile(keras.optimizers.SGD(hp.Float("rate", 0.01, 0.1)), "mse")
    return net


def search(data: Any, project: Path, hypermodel: Any = build, **args: Any) -> Any:
    options = {"objective": keras_tuner.Objective("loss", "min"), "max_trials": 2, "seed": 3, "overwrite": True}
    return RandomSearch(hypermodel, directory=project, project_name="s", **{**options, **args})


def test_a_trial_refers_to_what_keras_tuner_saved(data, project, recorded):
    tuner = search(data, project, executions_per_trial=2)
    tuner.search(*data, epochs=2, verbose=0)
    best = tuner.oracle.get_best_trials(1)[0].trial_id
    for trial_id, run in tuner.runs.items():
        assert_is(refs(recorded(run))["checkpoint-keras_tuner"], Path(tuner._get_checkpoint_fname(trial_id)))
    ref = refs(recorded(tuner.parent_run))["checkpoint-best_trial"]
    assert ref.digest == refs(recorded(tuner.runs[best]))["checkpoint-keras_tuner"].digest
    loaded = build(tuner.get_best_hyperparameters()[0])
    loaded.load_weights(path_of(ref))
    assert_same_model(loaded, tuner.get_best_models()[0], data)
    assert recorded(tuner.parent_run).summary().mistakes == 0


@pytest.mark.parametrize("own", [False, True])
def test_a_checkpoint_among_the_callbacks_is_picked_up(data, project, recorded, own):
    """KerasTuner copies the callbacks for each execution; the one that writes is the one that is watched."""
    saves = [Saves("best.keras", monitor="loss", save_best_only=True), *([TrackingCallback()] if own else [])]
    tuner = search(data, project)
    tuner.search(*data, epochs=1, verbose=0, callbacks=saves)
    found = [refs(recorded(run)) for run in tuner.runs.values()]
    assert all(set(each) == {"checkpoint-keras_tuner", "checkpoint-best"} for each in found)
    assert_is(found[-1]["checkpoint-best"], project / "best.keras")
    assert len({each["checkpoint-best"].digest for each in found}) == 2, "each told of the file as it was then"


def test_the_file_of_an_earlier_attempt_is_not_taken_for_this_ones(data, project, recorded):
    attempts: list[multitrack.Run] = []

    def building(hp: Any) -> Any:
        hp.Float("rate", 0.01, 0.1)
        if not (run := multitrack.active_run()).disabled:  # in a trial, and not where the tuner looks at the space
            attempts.append(run)
        if len(attempts) > 1:
            raise ValueError("no memory")
        return build(hp)

    class Fails(keras.callbacks.Callback):
        def on_train_end(self, logs: Any = None) -> None:
            raise ValueError("disk")

    tuner = search(data, project, building, max_trials=1, max_retries_per_trial=1, max_consecutive_failed_trials=5)
    tuner.search(*data, epochs=1, verbose=0, callbacks=[Fails()])
    assert len(attempts) == 2
    assert ["checkpoint-keras_tuner" in refs(recorded(run)) for run in attempts] == [True, False]
    assert "checkpoint-best_trial" not in refs(recorded(tuner.parent_run))
