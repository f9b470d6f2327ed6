"""What the recording calls do not do: counted, not timed, so that it holds on any machine."""

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import multitrack


@pytest.fixture
def run(tmp_path: Path) -> Iterator[multitrack.Run]:
    with multitrack.start_run(config={"journal": str(tmp_path / "j"), "delivery": "off"}, backends=[]) as run:
        run.log_metrics({f"m{i}": 0.5 for i in range(10)}, step=0)
        yield run


def functions_called(call: Callable[[], object]) -> list[str]:
    """The Python functions that a call enters, the call itself left out."""
    entered: list[str] = []

    def note(frame: object, event: str, _: object) -> None:
        if event == "call":
            entered.append(frame.f_code.co_name)  # type: ignore[attr-defined]

    gc.disable()  # JAX, where another test has imported it, listens to collections
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
        gc.enable()
    return entered[1:]


def test_a_point_of_a_known_series_goes_straight_to_the_write(run: multitrack.Run) -> None:
    assert functions_called(lambda: run.log_metric("m1", 0.25, step=1)) == ["log_metric", "append_metric"]


def test_several_points_do_so_whatever_their_number(run: multitrack.Run) -> None:
    some, more = {"m1": 0.25}, {f"m{i}": 0.5 for i in range(10)}
    assert functions_called(lambda: run.log_metrics(some, step=1)) == functions_called(lambda: run.log_metrics(more, 2))


@pytest.mark.parametrize("length", [10, 10_000])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int32", "uint8", "list"])
def test_no_function_is_called_for_each_value_of_a_list(run: multitrack.Run, dtype: str, length: int) -> None:
    values = [float(i) for i in range(length)] if dtype == "list" else np.ones(length, dtype)
    run.log_list_metric("list", values)  # the first call of a type asks more
    assert len(functions_called(lambda: run.log_list_metric("list", values))) < 12


def test_no_function_is_called_for_each_log_line(run: multitrack.Run) -> None:
    few, many = ["a"] * 10, ["a"] * 10_000
    run.log_lines(few)
    assert len(functions_called(lambda: run.log_lines(many))) == len(functions_called(lambda: run.log_lines(few)))


def test_calls_leave_nothing_behind(run: multitrack.Run) -> None:
    tracemalloc.start()
    try:
        for step in range(10_000):
            run.log_metric("m1", 0.25, step=step)
        before, _ = tracemalloc.get_traced_memory()
        for step in range(10_000):
            run.log_metric("m1", 0.25, step=step)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 10_000  # below a byte a call
