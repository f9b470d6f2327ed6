"""Series read many lines at a time: what a cursor gives, from whole journals, damaged ones and ones being written."""

import math
from pathlib import Path

import pytest

from multitrack.journal.layout import runs_directory
from multitrack.journal.manifest import Manifest, write_manifest
from multitrack.journal.segments import segment_path
from multitrack.journal.writer import Writer
from multitrack.reading.opening import open_journal
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import Lines, Metric, Params
from multitrack.summaries import series


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = runs_directory(tmp_path) / "run"
    found.mkdir(parents=True)
    write_manifest(found, Manifest(id="run", project="p", name="n", created=1))
    return found


def agree(directory: Path) -> dict[str, list[tuple[int, str]]]:
    """The points of each series, which three ways of reading must agree on."""
    run: RecordedRun = open_journal(directory.parents[1]).run("run")
    points = {name: [(p.step, repr(p.value)) for p in found] for name, found in run.get_metrics().items()}
    every = run.get_all_series()
    one = {name: run.get_series(name) for name in points}
    assert every == one or repr(every) == repr(one)
    assert {name: list(zip(s.steps, map(repr, s.values), strict=True)) for name, s in one.items()} == points
    assert all(len(s) == len(s.times) == run.summary().series[name].count for name, s in one.items())
    return points


def write(directory: Path, *values: dict[str, int | float | str], close: bool = True) -> Writer:
    writer = Writer(directory)
    writer.append(Params(time=writer.now(), values={"a": "text"}, types={"a": "str"}))
    for step, found in enumerate(values):
        writer.append(Metric(time=writer.now(), values=found, step=step))
    writer.append(Metric(time=writer.now(), values={"a": 9.0}))  # a simple metric is no point
    writer.append(Lines(time=writer.now(), lines=["a"]))
    if close:
        writer.close()
    return writer


@pytest.mark.parametrize("stretch", [1, 100, 1 << 18])
def test_every_point_in_stretches_of_any_length(directory: Path, stretch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(series, "_STRETCH", stretch)
    odd: dict[str, int | float | str] = {"a": "NaN", "b": "-Infinity", 'q"\\\n': 1, "é 😀/x": str(2**60)}
    write(directory, {"a": 1.5}, {"b": 2}, {"a": 3, "b": 1e300}, odd)
    write(directory, {"a": 0.25})  # resumed
    found = agree(directory)
    assert found["a"] == [(0, "1.5"), (2, "3"), (3, "nan"), (0, "0.25")]
    assert (found['q"\\\n'], found["é 😀/x"]) == ([(3, "1")], [(3, str(2**60))])
    empty = open_journal(directory.parents[1]).run("run").get_series("nothing")
    assert (len(empty), empty.values) == (0, [])


def test_damaged_lines_cost_themselves_alone(directory: Path) -> None:
    write(directory, *({"a": float(i), "b": math.pi} for i in range(10)))
    path = segment_path(directory, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b'"step":1', b'"step":"x"')
    lines[5] = b"\0" * 40 + lines[5]
    lines[6] = b'{"record":"metric","time":3,"values":{"a":"four"},"step":4}\n'
    lines[8] = b'{"record":"later","time":3}\n'
    path.write_bytes(b"".join(lines) + lines[2][:20])  # and a torn end
    found = agree(directory)
    assert [step for step, _ in found["a"]] == [0, 2, 5, 7, 8, 9]


def test_a_segment_after_one_that_is_written_waits(directory: Path) -> None:
    """A forked child's is read once the run's own writer is done, so that the order is everybody's."""
    writer = write(directory, {"a": 1.0}, close=False)
    write(directory, {"a": 2.0})
    assert agree(directory) == {"a": [(0, "1.0")]}
    writer.append(Metric(time=writer.now(), values={"a": 1.5}, step=7))
    writer.close()
    assert agree(directory) == {"a": [(0, "1.0"), (7, "1.5"), (0, "2.0")]}


def test_a_series_as_frames(directory: Path) -> None:
    write(directory, {"mixed": 1, "whole": 1}, {"mixed": 0.5, "whole": 2**70}, {"mixed": "NaN"}, {"mixed": 2**53 - 1})
    run = open_journal(directory.parents[1]).run("run")
    mixed = run.get_series("mixed")
    pandas, polars, arrow = mixed.to_pandas(), mixed.to_polars(), mixed.to_arrow()
    assert list(pandas.columns) == polars.columns == arrow.column_names == ["step", "value", "time"]
    for columns in (pandas.to_dict("list"), polars.to_dict(as_series=False), arrow.to_pydict()):
        assert columns["step"] == [0, 1, 2, 3]
        assert repr(columns["value"]) == "[1.0, 0.5, nan, 9007199254740991.0]"
        assert [round(time.timestamp() * 1000) for time in columns["time"]] == mixed.times
        assert {str(time.tzinfo) for time in columns["time"]} == {"UTC"}
    whole = run.get_series("whole")
    assert list(whole.to_pandas()["value"]) == whole.to_polars()["value"].to_list() == [1.0, float(2**70)]
    assert whole.to_arrow()["value"].to_pylist() == [1.0, float(2**70)]
    nothing = run.get_series("nothing")
    assert len(nothing.to_pandas()) == len(nothing.to_polars()) == len(nothing.to_arrow()) == 0


def test_a_metric_followed_over_runs_as_frames(directory: Path) -> None:
    write(directory, {"loss": 0.5}).close()
    followed = open_journal(directory.parents[1]).follow_metric("loss", by="name")
    assert [point.value for point in followed["n"]] == [0.5]
    assert followed.to_arrow().to_pydict() | {"time": 0} == {
        "by": ["n"], "run": ["run"], "name": ["n"], "time": 0, "value": [0.5],
    }  # fmt: skip
    assert followed.to_pandas()["time"][0].timestamp() == followed.to_polars()["time"][0].timestamp() == 0.001
