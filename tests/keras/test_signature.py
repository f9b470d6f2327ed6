"""The signature of a Keras model: from its file without Keras, the same as from the model, and of equal models equal."""

import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import multitrack
from multitrack.inputs.keras_signature import signature_in, signature_of

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
)


def sequential(units: int = 3, activation: str = "softmax") -> keras.Model:
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dropout(0.1), keras.layers.Dense(units, activation)]
    )


def nested() -> keras.Model:
    inputs = keras.Input((4,))
    return keras.Model(inputs, sequential()(inputs))


def named() -> keras.Model:
    age, fare = keras.Input((4,), name="age"), keras.Input((2,))
    both = keras.layers.Concatenate()([keras.layers.Dense(4)(age), fare])
    return keras.Model([age, fare], [keras.layers.Dense(1, name="price")(both), keras.layers.Softmax()(both)])


def tensor(shape: list[int | None], **more: Any) -> dict[str, Any]:
    return {"shape": [None, *shape], "dtype": "float32", **more}


@pytest.mark.parametrize(
    ("build", "inputs", "outputs"),
    [
        (sequential, [tensor([4])], [tensor([3])]),
        (nested, [tensor([4])], [tensor([3])]),
        (named, [tensor([4], name="age"), tensor([2])], [tensor([1], name="price"), tensor([6])]),
    ],
)
def test_file_and_model_have_one_signature(tmp_path: Path, build: Any, inputs: Any, outputs: Any) -> None:
    first, second = build(), build()  # whose layers have other names
    first.save(tmp_path / "model.keras")
    found = signature_in(tmp_path / "model.keras")
    assert found is not None
    assert found["inputs"] == inputs
    assert found["outputs"] == outputs
    assert found["framework"] == f"keras {keras.__version__}"
    for model in (first, second):
        assert signature_of(json.loads(model.to_json()), keras.__version__) == found


def test_architectures_differ() -> None:
    found = [signature_of(json.loads(model.to_json()), None)["architecture"]
             for model in (sequential(), sequential(units=4), sequential(activation="relu"), nested())]  # fmt: skip
    assert len(set(found)) == 4


def test_a_model_built_by_its_first_batch(tmp_path: Path) -> None:
    model = keras.Sequential([keras.layers.Dense(3)])
    model(np.ones((5, 4), "float32"))
    model.save(tmp_path / "model.keras")
    found = signature_in(tmp_path / "model.keras")
    assert found is not None
    assert (found["inputs"], found["outputs"]) == ([tensor([4])], [tensor([3])])


def test_other_files_have_none(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"no archive")
    with zipfile.ZipFile(tmp_path / "archive", "w") as archive:
        archive.writestr("config.json", "[]")
        archive.writestr("metadata.json", "{}")
    with zipfile.ZipFile(tmp_path / "empty", "w"):
        pass
    assert [signature_in(tmp_path / name) for name in ("text", "archive", "empty")] == [None, None, None]


def test_major_moves_with_the_signature_of_the_file(project: Path) -> None:
    found = []
    for model in (sequential(), sequential(), sequential(units=4)):
        with multitrack.start_run(project="p", backends=[]) as run:
            model.save("model.keras")
            run.log_artifact_ref("classifier", "model.keras", kind="model")
        found.append(multitrack.open_journal().run(run.id).summary().models["classifier"])
    assert [one.version for one in found] == ["1.0.0", "1.0.1", "2.0.0"]
    assert "outputs changed from" in found[2].reasons[0]
    with multitrack.start_run(project="p", backends=[]) as run:
        run.log_artifact_ref("classifier", "s3://bucket/model", kind="model", schema=sequential(units=4))
    again = multitrack.open_journal().run(run.id).summary()
    assert again.models["classifier"].version == "2.0.1"
    assert again.artifacts[0].schema is not None
    assert again.artifacts[0].schema["outputs"] == [tensor([4])]
