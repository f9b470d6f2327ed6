"""Subclasses of str, int, float and bool wherever a plain one may stand; sequences and mappings by protocol."""

import collections
import enum
import fractions
import json
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import omegaconf
import pytest
from mlflow.tracking import MlflowClient

import multitrack

pytestmark = pytest.mark.case(19)


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "not what it holds"

    __repr__ = __str__


class Whole(int):
    def __str__(self) -> str:
        return "not what it holds"

    __repr__ = __index__ = __int__ = __float__ = __str__  # type: ignore[assignment]


class Real(float):
    def __str__(self) -> str:
        return "not what it holds"

    __repr__ = __float__ = __str__  # type: ignore[assignment]


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class OwnSequence(Sequence[Any]):
    def __getitem__(self, index: Any) -> Any:
        return [1, "b"][index]

    def __len__(self) -> int:
        return 2


class OwnMapping(Mapping[str, Any]):
    def __getitem__(self, key: str) -> Any:
        return {"a": 1, "b": [2]}[key]

    def __iter__(self) -> Any:
        return iter(["a", "b"])

    def __len__(self) -> int:
        return 2


TEXTS: list[tuple[Any, str]] = [(np.str_("the-name"), "the-name"), (Text("the-name"), "the-name"), (Colour.RED, "red")]
VALUES: list[tuple[Any, Any]] = [
    (np.str_("text"), "text"), (Text("text"), "text"), (Colour.RED, "red"), (Whole(7), 7), (Level.HIGH, 3),
    (np.int64(2**53 - 1), 2**53 - 1), (np.uint8(255), 255), (Real(0.5), 0.5), (np.float64(0.1), 0.1),
    (np.float32(0.5), 0.5), (np.bool_(True), True), (np.bool_(False), False), (fractions.Fraction(1, 4), 0.25),
    (np.array(3), 3), (np.array("text"), "text"), (np.array(True), True), (np.array(["a", "b"]), ["a", "b"]),
    (np.array([[1, 2]]), [[1, 2]]), (collections.deque([1, "b", None]), [1, "b", None]),
    ({"a": 1, "b": 2}.values(), [1, 2]), ({"a": 1, "b": 2}.keys(), ["a", "b"]), ({"a": 1}.items(), [["a", 1]]),
    (range(3), [0, 1, 2]), (frozenset({"a"}), ["a"]), (OwnSequence(), [1, "b"]), (collections.UserList([1]), [1]),
    (collections.UserString("text"), "text"), (omegaconf.OmegaConf.create([1, [2, {"x": 3}]]), [1, [2, {"x": 3}]]),
    ([np.int64(1), np.str_("b"), Real(0.5)], [1, "b", 0.5]), (bytearray(b"raw"), "raw"), (memoryview(b"raw"), "raw"),
    ((1, 2), [1, 2]), (collections.namedtuple("Point", "x y")(1, 2), [1, 2]), ([], []),  # noqa: PYI024
]  # fmt: skip


def recorded() -> Any:
    (run,) = multitrack.open_journal().runs()
    return run


@pytest.mark.parametrize(("value", "expected"), VALUES, ids=lambda value: type(value).__name__)
def test_as_params(value: Any, expected: Any) -> None:
    with multitrack.start_run(params={"x": value, "l": [value]}, config={"delivery": "off"}):
        pass
    params = recorded().get_params()
    assert params == {"x": expected, "l": [expected]}
    assert json.dumps(params) == json.dumps({"x": expected, "l": [expected]})  # True is no 1


def test_mappings_by_protocol() -> None:
    config = omegaconf.OmegaConf.create({
        "model": {"layers": [64, {"units": 32}], "name": "${who}", "rate": 0.1, "off": None}, "who": "us",
        "paths": ["${who}/a", "b"], "empty": {}, "none": [],
    })  # fmt: skip
    params = {
        "config": config, "own": OwnMapping(), "proxy": types.MappingProxyType({"a": 1}),
        "counter": collections.Counter("aab"), "chain": collections.ChainMap({"a": 1}, {"b": 2}),
        "user": collections.UserDict(a=1), "keys": {np.int64(3): "a", 4: "b", Level.HIGH + 2: "c", np.str_("k"): "d",
                                                    Colour.RED: "e", 0.5: "f", True: "g", np.bool_(False): "h"},
    }  # fmt: skip
    with multitrack.start_run(params=params, config={"delivery": "off"}):
        pass
    assert recorded().get_params() == {
        "config/model/layers": [64, {"units": 32}], "config/model/name": "us", "config/model/rate": 0.1,
        "config/model/off": None, "config/who": "us", "config/paths": ["us/a", "b"], "config/empty": {},
        "config/none": [], "own/a": 1, "own/b": [2], "proxy/a": 1, "counter/a": 2, "counter/b": 1, "chain/a": 1,
        "chain/b": 2, "user/a": 1, "keys/3": "a", "keys/4": "b", "keys/5": "c", "keys/k": "d", "keys/red": "e",
        "keys/0.5": "f", "keys/True": "g", "keys/False": "h",
    }  # fmt: skip
    with multitrack.start_run(params=config, config={"delivery": "off"}) as run:
        pass
    assert multitrack.open_journal().run(run.id).get_params()["model/name"] == "us"


@pytest.mark.parametrize(("text", "expected"), TEXTS, ids=lambda value: type(value).__name__)
def test_as_every_text_and_number_of_the_interface(tmp_path: Path, text: Any, expected: str) -> None:
    config = {
        "delivery": "thread", Text("file"): {np.str_("path"): type(text)("red") if isinstance(text, Colour)
                                                            else type(text)("out.jsonl"), "level": Level.HIGH},
    }  # fmt: skip
    backend = np.str_("recording_backends:file") if isinstance(text, np.str_) else "recording_backends:file"
    reference = tmp_path / "red"
    reference.write_bytes(b"abc")
    run = multitrack.start_run(
        text, text, tags={text: text, "number": Whole(3), "real": np.float32(0.5), "truth": np.bool_(True)}, notes=text,
        group=text, run_id=text, params={text: text}, backends=[backend], config=config, disabled=None,
    )  # fmt: skip
    run.log_metric(text, Real(0.5), step=Whole(2))
    run.log_metrics(
        {type(text)("red"): np.float32(0.25)} if isinstance(text, Colour) else {text: np.float32(0.25)}, np.int64(3)
    )
    run.log_list_metric(Text("list"), [Real(1), np.int64(2), Whole(3)])
    run.log_artifact_ref(text, Text(reference), kind=text, role=Text("input"), size=Whole(3))
    run.log_lines(text, stream=text)
    run.log_lines([text, Text("b")])
    run.set_tags({"later": text})
    assert run.end(Text("failed")).complete  # type: ignore[arg-type]
    found = recorded()
    manifest = found.manifest
    for value in (manifest.project, manifest.name, manifest.notes, manifest.group, manifest.id):
        assert (value, type(value)) == (expected, str)
    assert found.get_params() == {expected: expected}
    assert found.summary().tags == {
        expected: expected, "number": "3", "real": "0.5", "truth": "True", "later": expected,
    }  # fmt: skip
    series = found.get_series(expected)
    assert (series.steps, series.values) == ([2, 3], [0.5, 0.25])
    assert found.get_list_metrics("list") == {"list": [1.0, 2, 3]}
    (kept,) = found.summary().artifacts
    assert (kept.name, kept.uri, kept.kind, kept.role) == (expected, reference.as_uri(), expected, "input")
    assert [line.text for line in found.get_lines()] == [expected, expected, "b"]
    out = tmp_path / ("red" if isinstance(text, Colour) else "out.jsonl")
    lines = out.read_text().splitlines()
    assert any('"level": 3' in line for line in lines)
    assert found.summary().status == "failed"


def test_they_arrive_in_mlflow(tmp_path: Path) -> None:
    uri = np.str_(f"sqlite:///{tmp_path}/runs.db")
    config = {"delivery": "off", "mlflow": {"tracking_uri": uri}}
    with multitrack.start_run(np.str_("p"), backends=np.str_("mlflow"), config=config) as run:
        run.log_params({"text": np.str_("a"), np.int64(1): Whole(7), "deque": collections.deque([1])})
        run.log_metric(np.str_("m"), Real(0.5), step=np.int32(1))
        run.set_tags({"t": np.str_("b"), "n": np.int64(3)})
    assert multitrack.sync()[run.id].complete
    native = MlflowClient(tracking_uri=str(uri)).get_run(run.backend_ids["mlflow"])
    assert native.data.params == {"text": "a", "1": "7", "deque": "[1]"}
    assert native.data.metrics == {"m": 0.5}
    assert (native.data.tags["t"], native.data.tags["n"]) == ("b", "3")


def test_metrics_of_such_types() -> None:
    values = [Whole(7), Real(0.5), np.float16(0.5), np.bool_(True), Level.HIGH, fractions.Fraction(1, 4), True]
    with multitrack.start_run(config={"delivery": "off"}) as run:
        for step, value in enumerate(values):
            run.log_metric("m", value, step=step)
        for wrong in (np.str_("0.5"), Text("0.5"), Colour.RED, collections.deque([1]), np.array([1, 2])):
            with pytest.raises(TypeError):
                run.log_metric("m", wrong)
    assert recorded().get_series("m").values == [7, 0.5, 0.5, 1, 3, 0.25, 1]
