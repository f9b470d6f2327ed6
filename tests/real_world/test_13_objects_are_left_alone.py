"""No method of an object that is none of ours is called for its name."""

import argparse
import io
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import multitrack
from processes import script

pytestmark = pytest.mark.case(13)

#: What arrays and tensors, models and streams have, and more things than these.
NAMES = (
    "detach", "numpy", "item", "tolist", "cpu", "float", "filled", "astype", "reshape", "size", "shape", "dtype", "ndim",
    "get", "items", "keys", "values", "close", "flush", "read", "write", "result", "compute", "evaluate", "eval", "copy",
    "to_dict", "dict", "model_dump", "json", "get_config", "get_params", "name", "value", "fields", "model_fields", "total",
    "to_numpy", "to_list", "as_tensor", "squeeze", "asdict", "pop", "clear", "next", "send", "isoformat", "start", "stop",
)  # fmt: skip


def recording() -> tuple[Any, list[str]]:
    """An object whose every attribute is a method that writes down its call, and those it is not asked for as well."""
    calls: list[str] = []

    class Recording:
        def __getattr__(self, name: str) -> Any:
            calls.append(f"looked up {name}")

            def method(*arguments: Any, **named: Any) -> Any:
                calls.append(f"called {name}")
                return self

            return method

    for name in NAMES:
        setattr(Recording, name, lambda self, *arguments, name=name, **named: calls.append(f"called {name}"))
    return Recording(), calls


def test_a_stream_among_the_arguments_stays_usable(tmp_path: Path) -> None:
    out, errors = script(
        tmp_path,
        "import argparse\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--out', type=argparse.FileType('w'), default=sys.stdout)\n"
        "parser.add_argument('--lr', type=float, default=0.1)\n"
        "args = parser.parse_args([])\n"
        "run = multitrack.start_run(config={'delivery': 'off'})\n"
        "run.log_params(args)\n"
        "print('still there')\n"
        "run.end()\n",
    ).communicate(timeout=60)
    assert out == "still there\n", errors
    (run,) = multitrack.open_journal().runs()
    assert run.get_params()["lr"] == 0.1
    assert "<stdout>" in run.get_params()["out"]


@pytest.mark.parametrize(
    "call",
    [
        lambda run, value: run.log_params({"x": value}), lambda run, value: run.log_params({"a": {"b": [value]}}),
        lambda run, value: run.log_params(value), lambda run, value: run.log_metric("m", value),
        lambda run, value: run.log_metric("m", value, step=0), lambda run, value: run.log_metrics({"m": value}, step=1),
        lambda run, value: run.log_metrics(value), lambda run, value: run.log_metric("m", 1.0, step=value),
        lambda run, value: run.log_list_metric("l", value), lambda run, value: run.log_list_metric("l", [value]),
        lambda run, value: run.set_tags({"t": value}), lambda run, value: run.set_tags(value),
        lambda run, value: run.log_lines(value), lambda run, value: run.log_lines([value]),
        lambda run, value: run.log_artifact_ref("a", value), lambda run, value: run.log_artifact_ref(value, "s3://b/x"),
        lambda run, value: run.log_artifact_ref("a", "s3://b/x", digest=value), lambda run, value: run.flush(value),
        lambda run, value: run.log_metric(value, 1.0), lambda run, value: run.end(value),
    ],
)  # fmt: skip
def test_no_call_is_made_on_an_object_that_records_all(call: Any) -> None:
    import numpy  # noqa: F401 - with it there are arrays to be told apart

    value, calls = recording()
    with multitrack.start_run(config={"delivery": "off", "mistakes": "warn"}) as run:
        call(run, value)
    assert calls == []


def test_nor_by_the_arguments_of_start_run() -> None:
    value, calls = recording()
    config = {"delivery": "off", "mistakes": "warn"}
    multitrack.start_run(params={"x": value, "list": [value]}, tags={"t": value}, notes=value, config=config).end()
    for arguments in ({"run_id": value}, {"parent": value}, {"config": value}, {"disabled": value}):
        with pytest.raises((TypeError, ValueError)):
            multitrack.start_run(**arguments)  # type: ignore[arg-type]
    assert calls == []


class Closeable(io.RawIOBase):
    """A file of the user's own."""


def test_open_things_stay_open(tmp_path: Path) -> None:
    text = (tmp_path / "text").open("w+")
    raw, connection, lock = io.BytesIO(b"abc"), socket.socket(), threading.Lock()
    generator = (i for i in range(3))
    things = {"text": text, "raw": raw, "own": Closeable(), "socket": connection, "lock": lock, "generator": generator,
              "module": sys, "namespace": argparse.Namespace(a=text)}  # fmt: skip
    with multitrack.start_run(config={"delivery": "off"}) as run:
        run.log_params(things)
        for value in things.values():
            with pytest.raises(TypeError):
                run.log_metric("m", value)
        for value in (text, raw, connection, lock):
            with pytest.raises(TypeError):
                run.log_list_metric("l", value)
    text.write("still open")
    assert raw.read() == b"abc"
    assert list(generator) == [0, 1, 2]
    assert not lock.locked()
    assert connection.fileno() >= 0
    connection.close()
    text.close()
    (found,) = multitrack.open_journal().runs()
    assert found.get_params().keys() >= {"text", "raw", "socket", "lock", "generator", "module", "namespace/a"}


def test_a_mock_is_no_number() -> None:
    """One that stands in for an array, or has every magic method."""
    from unittest import mock

    import numpy as np

    with multitrack.start_run(config={"delivery": "off"}) as run:
        for value in (mock.MagicMock(), mock.MagicMock(spec=np.ndarray), mock.Mock(spec=float)):
            with pytest.raises(TypeError, match="'m'"):
                run.log_metric("m", value)


class Quantity:
    """An array by protocol alone."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        import numpy as np

        return np.asarray([0.5, 1.5])


def test_an_array_by_protocol_is_an_array() -> None:
    with multitrack.start_run(config={"delivery": "off"}) as run:
        run.log_list_metric("l", Quantity())
        run.log_params({"p": Quantity()})
    (found,) = multitrack.open_journal().runs()
    assert found.get_list_metrics()["l"] == [0.5, 1.5]
    assert found.get_params()["p"] == [0.5, 1.5]


class Pathlike:
    """A path by protocol alone, which writes down that it was asked."""

    asked = 0

    def __fspath__(self) -> str:
        Pathlike.asked += 1
        return "a/path"


def test_what_says_that_it_is_a_path_is_asked_only_where_one_is_due(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "path").write_bytes(b"abc")
    with multitrack.start_run(params={"x": Pathlike()}, config={"delivery": "off"}) as run:
        run.log_params({"list": [Pathlike()], "path": Path("a/b")})
        with pytest.raises(TypeError):
            run.set_tags({"t": Pathlike()})
        assert Pathlike.asked == 0
        run.log_artifact_ref("a", Pathlike())
    (found,) = multitrack.open_journal().runs()
    assert found.get_params()["path"] == "a/b"
    assert found.summary().artifacts[0].uri == (tmp_path / "a" / "path").as_uri()
