"""A figure is drawn as fit ends and referred to; the confusion matrix counts as scikit-learn does."""

import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import keras
import keras_tuner
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as counted_by_sklearn

import multitrack
from multitrack.keras import TrackingCallback, confusion_matrix, figures
from multitrack.keras_tuner import RandomSearch

pytestmark = [
    pytest.mark.usefixtures("eagerly"),
    # KerasTuner's oracle.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings(
        "ignore:currentThread\\(\\) is deprecated:DeprecationWarning:keras_tuner.src.engine.oracle"
    ),
    pytest.mark.filterwarnings("ignore:getName\\(\\) is deprecated:DeprecationWarning:keras_tuner.src.engine.oracle"),
]

PNG = b"\x89PNG\r\n\x1a\n"


def references(recorded_run: Any) -> dict[str, Any]:
    return {ref.name: ref for ref in recorded_run.summary().artifacts}


def content(ref: Any) -> bytes:
    return Path(unquote(urlsplit(ref.uri).path)).read_bytes()


class Answers:
    """Stands where a model does, with the outputs it would have."""

    loss = "mse"

    def __init__(self, outputs: Any) -> None:
        self.outputs = outputs

    def predict(self, x: Any, verbose: int) -> Any:
        return self.outputs


RANDOM = np.random.default_rng(1)
TRUE = RANDOM.integers(0, 4, 60)
SCORES = RANDOM.normal(size=(60, 4)) + 2 * np.eye(4)[TRUE]
BINARY = RANDOM.integers(0, 2, 60)
CHANCES = np.clip(BINARY * 0.4 + RANDOM.random(60) * 0.6, 0, 1)


@pytest.mark.parametrize(
    ("y", "outputs", "true", "predicted"),
    [
        (TRUE, SCORES, TRUE, SCORES.argmax(-1)),
        (TRUE[:, None], SCORES, TRUE, SCORES.argmax(-1)),
        (np.eye(4, dtype="float32")[TRUE], SCORES, TRUE, SCORES.argmax(-1)),
        (list(map(int, TRUE)), SCORES, TRUE, SCORES.argmax(-1)),
        (BINARY, CHANCES[:, None], BINARY, CHANCES > 0.5),
        (BINARY.astype("float32")[:, None], CHANCES, BINARY, CHANCES > 0.5),
        (np.eye(2)[BINARY], np.stack([1 - CHANCES, CHANCES], -1), BINARY, CHANCES > 0.5),
        (TRUE.reshape(15, 4), SCORES.reshape(15, 4, 4), TRUE, SCORES.argmax(-1)),  # a class for each pixel
    ],
    ids=["sparse", "column", "one-hot", "list", "binary", "binary-flat", "two-outputs", "pixels"],
)
def test_it_counts_as_sklearn_does(tmp_path, monkeypatch, y, outputs, true, predicted):
    drawn = []
    monkeypatch.setattr(figures, "_draw", lambda counts, target, labels: drawn.append(counts))
    confusion_matrix(None, y, tmp_path / "c.png")(Answers(outputs))
    assert np.array_equal(drawn[0], counted_by_sklearn(true, predicted))


def test_logits_of_one_output_are_told_from_chances(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "_draw", lambda counts, target, labels: drawn.append(counts))
    model, logits = Answers(CHANCES - 0.3), CHANCES - 0.3
    model.loss = keras.losses.BinaryCrossentropy(from_logits=True)
    confusion_matrix(None, BINARY, tmp_path / "c.png")(model)
    assert np.array_equal(drawn[0], counted_by_sklearn(BINARY, logits > 0))


def test_classes_that_nobody_met_have_a_row_and_a_column():
    counts = figures.count_pairs(np.array([0, 0]), np.array([0, 2]), 3)
    assert counts.tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_the_figure_of_a_fit_is_referred_to(model, data, project, recorded):
    x, y = data
    figure = confusion_matrix(x, y, "figures/{run}.png", ["$no^$", "yes"])
    with multitrack.start_run() as run:
        model.fit(x, y, epochs=1, verbose=0, callbacks=[TrackingCallback(figures={"confusion": figure})])
    ref = references(recorded(run))["confusion"]
    assert (ref.kind, ref.role, ref.uri) == ("figure", "output", (project / "figures" / f"{run.id}.png").as_uri())
    assert content(ref).startswith(PNG)
    assert ref.size == len(content(ref))
    assert recorded(run).summary().mistakes == 0


def test_each_trial_of_a_search_has_its_own_figure(data, project, recorded):
    def build(hp: Any) -> Any:
        net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
        net.compile(keras.optimizers.SGD(hp.Float("rate", 0.01, 0.1)), "mse")
        return net

    class Figure:
        """Of a user's own; KerasTuner, which copies callbacks, must not copy the data in it."""

        def __init__(self) -> None:
            self.draw = confusion_matrix(*data, "{run}.svg")

        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("copied")

        def __call__(self, model: Any) -> Path:
            return self.draw(model)

    objective = keras_tuner.Objective("loss", "min")
    tuner = RandomSearch(build, objective, max_trials=2, directory=project, project_name="s", seed=3)
    tuner.search(*data, epochs=1, verbose=0, callbacks=[TrackingCallback(figures={"confusion": Figure()})])
    assert len(tuner.runs) == 2
    for run in tuner.runs.values():
        assert references(recorded(run))["confusion"].uri == (project / f"{run.id}.svg").as_uri()
        assert b"<svg" in content(references(recorded(run))["confusion"])


def test_a_figure_that_fails_costs_itself_only(model, data, project, recorded):
    def fails(model: Any) -> str:
        raise ZeroDivisionError("nothing to draw")

    def draws(model: Any) -> str:
        Path("note.txt").write_text(multitrack.active_run().id)
        return "note.txt"

    other = multitrack.start_run()
    with multitrack.start_run():
        figures = {
            "fails": fails, "nothing": lambda model: None, "absent": lambda model: "no/such.png",
            "short": confusion_matrix(data[0], data[1][:9], "short.png"), "draws": draws,
        }  # fmt: skip
        model.fit(*data, epochs=1, verbose=0, callbacks=[TrackingCallback(other, figures=figures)])
    other.end()
    assert set(references(recorded(other))) == {"draws"}
    assert content(references(recorded(other))["draws"]).decode() == other.id
    assert recorded(other).summary().mistakes == 4


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: confusion_matrix([], [0], "c.doc"), ValueError, "must end in"),
        (lambda: confusion_matrix([], [0], "c"), ValueError, "must end in"),
        (lambda: confusion_matrix([], [0, 2], "c.png", ["a", "b"]), ValueError, "labels must name every class"),
        (lambda: confusion_matrix([], np.eye(3), "c.png", ["a", "b"]), ValueError, "labels must name every class"),
        (lambda: confusion_matrix([], [0.5], "c.png"), ValueError, "whole numbers"),
        (lambda: confusion_matrix([], [-1], "c.png"), ValueError, "whole numbers"),
        (lambda: TrackingCallback(figures=["c"]), TypeError, "figures must map"),
        (lambda: TrackingCallback(figures={"c": "c.png"}), TypeError, "figures must map"),
    ],
)
def test_a_mistake_is_said_at_the_call(make, error, said):
    with pytest.raises(error, match=said):
        make()


def test_a_missing_matplotlib_is_named_when_the_figure_is_made(project):
    script = (
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'matplotlib': raise ModuleNotFoundError('no', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from multitrack.keras import figures\n"
        "try: figures.confusion_matrix([], [0], 'c.png')\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    typed = "in a checkout, pip install '.[plot]'; from an index, pip install 'multitrack[plot]'"
    assert done.stdout == f"confusion_matrix needs matplotlib: {typed}\n", done.stderr


def test_drawing_leaves_pyplot_alone(project):
    script = (
        "import sys\n"
        "sys.modules['matplotlib.pyplot'] = None\n"  # which Keras imports if it can
        "from multitrack.keras import figures\n"
        "figures._draw(__import__('numpy').eye(40, dtype=int), __import__('pathlib').Path('c.pdf'), ())\n"
        "print('drawn')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "drawn\n", done.stderr
    assert (project / "c.pdf").read_bytes().startswith(b"%PDF")
