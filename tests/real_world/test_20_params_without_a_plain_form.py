"""Functions, estimators, dtypes and the like as params: bounded texts that are the same in every process."""

import datetime
import enum
import functools
import json
import logging
import operator
import re
import threading
import uuid
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient

import multitrack
import programs
from multitrack import ParamChangedError
from multitrack.cli import main
from multitrack.query.cells import inputs_of
from multitrack.records import Params

pytestmark = pytest.mark.case(20)


def loss(y: float, predicted: float) -> float:
    return abs(y - predicted)


class Kind(enum.Enum):
    SMALL = "small"
    FUNCTION = functools.partial(loss, 1)


class Scaler:
    def __init__(self, mean: bool = True) -> None:
        self.mean = mean

    def __repr__(self) -> str:
        return f"Scaler(mean={self.mean})"

    def fit(self) -> None: ...


class Plain:
    """With the repr of ``object``: an address, which the next process has otherwise."""


HERE = __name__
WHICH: list[tuple[str, Any, Any]] = [
    ("function", loss, f"{HERE}.loss"), ("lambda", lambda x: x, f"{HERE}.<lambda>"), ("builtin", len, "builtins.len"),
    ("class", Scaler, f"{HERE}.Scaler"), ("method", Scaler().fit, f"{HERE}.Scaler.fit"), ("ufunc", np.add, "<ufunc 'add'>"),
    ("partial", functools.partial(loss, 1, predicted=2), f"functools.partial({HERE}.loss, 1, predicted=2)"),
    ("dtype", np.dtype("float32"), "float32"), ("dtype class", np.float32, "numpy.float32"),
    ("estimator", Scaler(), "Scaler(mean=True)"), ("plain", Plain(), f"<{HERE}.Plain>"),
    ("duration", datetime.timedelta(days=1, seconds=3), "1 day, 0:00:03"), ("uuid", uuid.UUID(int=7), str(uuid.UUID(int=7))),
    ("path", Path("a/b"), "a/b"), ("pure path", PurePosixPath("/a"), "/a"), ("enum", Kind.SMALL, "small"),
    ("enum of an object", Kind.FUNCTION, "<Kind.FUNCTION: functools.partial(<function loss>, 1)>"),
    ("date", datetime.date(2026, 11, 28), "2026-11-28"), ("decimal", Decimal("0.1"), 0.1), ("complex", 1 + 2j, "(1+2j)"),
    ("ellipsis", ..., "Ellipsis"), ("slice", slice(1, None), "slice(1, None, None)"),
    ("pattern", re.compile("a+"), "re.compile('a+')"), ("getter", operator.itemgetter(1), "operator.itemgetter(1)"),
    ("many", [Scaler(), loss, 1], ["Scaler(mean=True)", f"{HERE}.loss", 1]),
    ("steps", [("scale", Scaler(False))], [["scale", "Scaler(mean=False)"]]),
]  # fmt: skip


def recorded(journal: Path | None = None) -> Any:
    (run,) = multitrack.open_journal(journal).runs()
    return run


@pytest.mark.parametrize(("value", "expected"), [case[1:] for case in WHICH], ids=[case[0] for case in WHICH])
def test_its_text_and_type(value: Any, expected: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), multitrack.start_run(params={"x": value}, config={"delivery": "off"}) as run:
        pass
    assert recorded().get_params() == {"x": expected}
    (record,) = [record for record in recorded().records() if isinstance(record, Params)]
    said = "objects among the params are kept as text: x" in caplog.text
    plain = isinstance(value, (Path, PurePosixPath, datetime.date, Decimal)) or value is Kind.SMALL
    assert said == (set(record.objects) == {"x"}) == (not plain)
    assert run.mistakes == 0
    if not plain and not isinstance(value, list):
        assert record.objects["x"].type == f"{type(value).__module__}.{type(value).__qualname__}"


def test_said_once_a_run(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), multitrack.start_run(config={"delivery": "off"}) as run:
        for n in range(20):
            run.log_params({f"f{n}/{m}": loss for m in range(20)})
    assert caplog.text.count("objects among the params are kept as text") == 1
    assert "f0/0 (builtins.function)" in caplog.text
    assert "more" in caplog.text
    assert len(recorded().get_params()) == 400


def test_it_is_bounded_and_its_whole_text_is_kept(tmp_path: Path) -> None:
    class Long:
        def __init__(self, length: int) -> None:
            self.length = length

        def __repr__(self) -> str:
            return "x" * self.length

    params = {"short": Long(500), "long": Long(501), "longest": Long(300_000)}
    with multitrack.start_run(params=params, config={"delivery": "off"}):
        pass
    assert {key: len(value) for key, value in recorded().get_params().items()} == {
        "short": 500, "long": 500 + len("… (501 characters)"), "longest": 500 + len("… (300000 characters)"),
    }  # fmt: skip
    (record,) = [record for record in recorded().records() if isinstance(record, Params)]
    wholes = {key: kept.whole and len(kept.whole) for key, kept in record.objects.items()}
    assert wholes == {"short": None, "long": 501, "longest": 100_000 + len("… (300000 characters)")}


PROGRAM = """
import functools, multitrack, operator, threading, sys
class Plain: pass
def loss(y): return y
class Estimator:
    def __init__(self): self.inner = Plain()
    def __repr__(self): return f"Estimator(inner={self.inner!r}, fn={loss!r})"
junk = [object() for _ in range(int(sys.argv[1]))]
with multitrack.start_run(run_id="it", config={"delivery": "off"}, params={
    "plain": Plain(), "loss": loss, "partial": functools.partial(loss, Plain()), "estimator": Estimator(),
    "lock": threading.Lock(), "method": Plain().__init__, "bound": [].append, "set": {loss, Plain, len},
    "generator": (x for x in ()), "object": object(),
}): pass
"""


def test_no_addresses_so_that_a_run_can_be_continued(tmp_path: Path) -> None:
    cwd = tmp_path / "project"
    script = programs.write(cwd / "train.py", PROGRAM)
    for junk in (10, 1000, 50_000):
        done = programs.run(cwd, script, str(junk))
        assert done.returncode == 0, done.stderr
    params = recorded(cwd / ".multitrack").get_params()
    assert len(params) == 10
    assert not [text for text in params.values() if re.search("0x[0-9a-f]{6}", str(text))]


UNSTABLE = """
import functools, multitrack, sys, threading
from unittest import mock
from sklearn.feature_extraction.text import CountVectorizer
WORDS = {"aa", "bb", "cc", "dd"}
class Held:
    def __init__(self): self.words = WORDS
    def __repr__(self): return f"Held({self.words})"
class Other(Held): pass
junk = [bytearray(999) for _ in range(int(sys.argv[1]))]
def record(more):
    with multitrack.start_run(run_id="it", config={"delivery": "off"}, params={
        "words": CountVectorizer(stop_words=WORDS), "partial": functools.partial(print, WORDS, [frozenset(WORDS)], key={1: WORDS}),
        "thread": threading.current_thread(), "mock": mock.Mock(), "magic": mock.MagicMock(), "held": Held(),
        "list": [("held", Held()), 1], **more}) as run:
        run.log_params({"held": Held(), **more})
if len(sys.argv) < 3:
    record({})
for changed in sys.argv[2:]:
    try:
        record(eval(changed))
    except multitrack.ParamChangedError:
        print(changed)
"""


def test_the_text_of_an_object_that_is_another_one_in_each_process(tmp_path: Path) -> None:
    """The order of a set, an id, a thread's number: what was recorded stays, and it is said once."""
    cwd = tmp_path / "project"
    script = programs.write(cwd / "train.py", UNSTABLE)
    first: dict[str, Any] = {}
    for seed in ("1", "2", "3"):
        done = programs.run(cwd, script, str(1000 * int(seed)), PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("have another text than recorded") == (1 if first else 0)
        assert "partial (" not in done.stderr.partition("the recorded text is kept")[2]
        params = recorded(cwd / ".multitrack").get_params()
        first = first or params
        assert params == first
    words = "{'aa', 'bb', 'cc', 'dd'}"
    assert params["partial"] == f"functools.partial(builtins.print, {words}, [frozenset({words})], key={{1: {words}}})"
    changed = ('{"held": Other()}', '{"held": "Held()"}', '{"held": 1}', '{"list": [("held", Held()), 2]}')
    done = programs.run(cwd, script, "1", *changed, PYTHONHASHSEED="4")
    assert (done.returncode, done.stdout.splitlines()) == (0, [*changed]), done.stderr  # each is refused


def test_another_object_is_another_value() -> None:
    with multitrack.start_run(params={"x": Scaler()}, config={"delivery": "off"}) as run:
        run.log_params({"x": Scaler()})
        with pytest.raises(ParamChangedError):
            run.log_params({"x": Scaler(False)})


def test_its_secrets_are_left_out() -> None:
    class Client:
        def __repr__(self) -> str:
            return "Client(url='http://me:hunter2@host/', password='hunter3', retries=3)" + "x" * 600

    with multitrack.start_run(params={"x": Client(), "api_key": Client()}, config={"delivery": "off"}) as run:
        pass
    assert run.directory is not None
    text = b"".join(path.read_bytes() for path in run.directory.iterdir() if path.is_file())
    assert b"hunter" not in text
    assert b"retries=3" in text


class Text:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


@pytest.mark.parametrize(
    ("value", "expected", "count"),
    [
        (functools.partial(print, {"password": "hunter2", "api_key": "hunter3", "port": 1}),
         "functools.partial(builtins.print, {'password': [redacted], 'api_key': [redacted], 'port': 1})", 2),
        (functools.partial(print, password="hunter2", n=1), "functools.partial(builtins.print, password=[redacted], n=1)", 1),  # noqa: S106
        (Text("Conn({'password': 'hunter2'})"), "Conn({'password': [redacted]})", 1),
        (Text('Conn({"password": "hunter2", "n": 1})'), 'Conn({"password": [redacted], "n": 1})', 1),
        (Text("<Conn api_key: 'hun\\'ter2' n: 1>"), "<Conn api_key: [redacted] n: 1>", 1),
        (Text("Conn(password: hunter2)"), "Conn(password: [redacted])", 1),
        (Text("Conn(api-key = b'hunter2')"), "Conn(api-key = [redacted])", 1),
        (Text("Conn('db/password': ['hunter2', 'hunter3'], 2)"), "Conn('db/password': [redacted], 2)", 1),
        (Text("Conn(password=[('hunter2', 1), 3], n=1)"), "Conn(password=[redacted], n=1)", 1),
        (Text("Conn(auth='password=hunter2')"), "Conn(auth='password=[redacted]')", 1),
        (Text("Conn('{\\'password\\': \\'hunter2\\'}')"), "Conn('{\\'password\\': [redacted]}')", 1),
        (Text("Conn(password=Secret('hunter2'), n=1)"), "Conn(password=[redacted], n=1)", 1),
        ([Text("password=hunter2"), Text("secret='hunter2'")], ["password=[redacted]", "secret=[redacted]"], 2),
        (Text("Conn(max_tokens=3, password_length: 4)"), "Conn(max_tokens=3, password_length: 4)", 0),
    ],
)  # fmt: skip
def test_secrets_in_every_form_that_reprs_have_are_left_out_and_counted(value: Any, expected: Any, count: int) -> None:
    with multitrack.start_run(params={"x": value}, config={"delivery": "off"}) as run:
        pass
    assert recorded().get_params() == {"x": expected}
    assert run.end().redacted == count
    assert run.directory is not None
    assert b"hunter" not in b"".join(path.read_bytes() for path in run.directory.iterdir() if path.is_file())


def test_a_long_text_of_separators_is_looked_through_in_linear_time() -> None:
    """With a pattern that goes back it would take hours."""
    text = "x" * 100_000 + ":='" * 10_000 + "\\" * 100_000
    with multitrack.start_run(params={"x": Text(text)}, config={"delivery": "off"}) as run:
        pass
    assert recorded().get_params()["x"].endswith(f"x… ({len(text)} characters)")
    assert run.end().redacted == 0


def test_the_params_of_a_pipeline() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    pipeline = Pipeline([
        ("scale", StandardScaler()), ("log", FunctionTransformer(np.log1p)), ("fit", LogisticRegression(C=2)),
    ])  # fmt: skip
    with multitrack.start_run(params=pipeline.get_params(), config={"delivery": "off"}) as run:
        run.log_params(pipeline.get_params())  # the same again is no change
    params = recorded().get_params()
    assert params["fit"] == "LogisticRegression(C=2)"
    assert params["fit__C"] == 2
    assert params["log__func"] == "<ufunc 'log1p'>"
    assert params["steps"][0] == ["scale", "StandardScaler()"]
    assert set(params) == set(pipeline.get_params())


@pytest.mark.parametrize("value", [loss, Scaler(), np.dtype("f4"), datetime.timedelta(1), Kind.SMALL, "0.5", Plain()])
def test_metrics_stay_strict(value: Any) -> None:
    with multitrack.start_run(config={"delivery": "off"}) as run:
        with pytest.raises(TypeError):
            run.log_metric("m", value)
        with pytest.raises(TypeError):
            run.log_list_metric("m", [value])


def test_they_arrive_in_mlflow(tmp_path: Path) -> None:
    long = functools.partial(loss, "y" * 1000)
    config = {"delivery": "off", "mlflow": {"tracking_uri": f"sqlite:///{tmp_path}/runs.db"}}
    params = {"loss": loss, "long": long, "lock": threading.Lock()}
    with multitrack.start_run(params=params, backends=["mlflow"], config=config) as run:
        pass
    report = multitrack.sync()[run.id]
    assert report.complete
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/runs.db")
    native = client.get_run(run.backend_ids["mlflow"])
    assert native.data.params == recorded().get_params()
    assert native.data.params["loss"] == f"{HERE}.loss"
    whole = Path(client.download_artifacts(native.info.run_id, "params/long.txt", str(tmp_path))).read_text()
    assert whole == f"functools.partial({HERE}.loss, '{'y' * 1000}')"
    assert any("param long" in text for text in report["mlflow"].stand_ins)


def test_where_users_see_it() -> None:
    with multitrack.start_run(run_id="it", params={"loss": loss, "lr": 0.1}, config={"delivery": "off"}):
        pass
    shown = CliRunner().invoke(main, ["show", "it"]).output
    assert re.search(rf"loss +{HERE}\.loss +code, builtins\.function", shown)
    assert re.search(r"lr +0\.1 +code *\n", shown)
    assert json.loads(CliRunner().invoke(main, ["show", "it", "--json"]).output)["objects"] == {
        "loss": "builtins.function"
    }
    assert [one.type for one in inputs_of(recorded().summary()).values()] == ["builtins.function", "float"]


def test_keys_of_any_kind() -> None:
    params = {
        Scaler: 1, None: 2, ("a", 1): 3, Kind.SMALL: 4, Kind.FUNCTION: 5, loss: 6, frozenset("ba"): 7, (Scaler, None): 8,
        "list": [{None: 1, Scaler: 2}], ("one",): {"b": 9},
    }  # fmt: skip
    with multitrack.start_run(params=params, config={"delivery": "off"}) as run:
        for same in ({None: 1, "None": 2}, {"x": {("a", 1): 1, "('a', 1)": 2}}, {"x": [{None: 1, "None": 2}]}):
            with pytest.raises(ValueError, match="the same name"):
                run.log_params(same)
    assert recorded().get_params() == {
        f"{HERE}.Scaler": 1, "None": 2, "('a', 1)": 3, "small": 4, "Kind.FUNCTION": 5, f"{HERE}.loss": 6,
        "frozenset({'a', 'b'})": 7, f"({HERE}.Scaler, None)": 8, "list": [{"None": 1, f"{HERE}.Scaler": 2}],
        "('one',)/b": 9,
    }  # fmt: skip
