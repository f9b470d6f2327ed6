"""What a comparison is handed on as: CSV, Markdown, data frames, and HTML in notebooks."""

import csv
import io
import math
import re
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

import multitrack
from multitrack.compare import compare
from multitrack.reading.reader import JournalReader
from three_runs import Page, evil_run, start


def test_csv_is_read_back_and_holds_no_formula(reader: JournalReader) -> None:
    start("=1+1", params={"@evil": "-2+3", "n": -3, "t": 'a,"b"\nc'}).end()
    found = compare(reader.runs(), ["name", "started", "params", "inputs.n"])
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert rows[-1]["name"] == "'=1+1"
    assert (rows[-1]["params.@evil"], rows[-1]["params.n"], rows[-1]["params.t"]) == ("'-2+3", "-3", 'a,"b"\nc')
    assert (rows[0]["params.lr"], rows[0]["params.n"], rows[-1]["inputs.n"]) == ("0.1", "", "-3")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", rows[0]["started"])


def test_csv_and_frames_say_the_type_and_source_of_inputs_and_outputs(reader: JournalReader) -> None:
    start("d", params={"seed": None}).end()
    found = compare(reader.runs(where="name in (a, d)"), "inputs.seed,inputs.data,outputs.accuracy,params.seed")
    rows: list[list[Any]] = [
        [0, "int", "command line", "s3://b/data", "dataset", "sha256:00", 0.9, "float", "simple metric", 0],
        [None, "none", "code", *[None] * 7],
    ]
    names = [f"{name}{field}" for name in ("inputs.seed", "inputs.data", "outputs.accuracy")
             for field in ("", " type", " source")]  # fmt: skip
    first, *written = csv.reader(io.StringIO(found.to_csv()))
    assert first == ["run", *names, "params.seed"]
    assert [line[1:] for line in written] == [list(map(str, rows[0])), ["None", "none", "code", *[""] * 6, "None"]]
    for frame in (found.to_polars().to_dict(as_series=False), found.to_arrow().to_pydict()):
        assert list(frame) == first
        assert [list(row)[1:] for row in zip(*frame.values(), strict=True)] == rows
    pandas = found.to_pandas()
    assert list(pandas.columns) == first
    assert list(pandas["inputs.seed type"]) == ["int", "none"]


def test_markdown_marks_the_best_and_escapes(reader: JournalReader) -> None:
    start("a|b *c*\nd <b>").end()
    text = compare(reader.runs(), ["name", "metrics.loss:min"], best="metrics.loss:min").to_markdown()
    lines = text.splitlines()
    assert lines[0] == "| run | name | metrics.loss:min |"
    assert lines[1] == "| --- | --- | ---: |"
    assert lines[2].endswith("| **a** | **0** |")
    assert lines[-1].endswith(r"| a\|b \*c\*\\nd \<b\> |  |")
    assert len(lines) == 6


def test_data_frames_hold_the_values(reader: JournalReader) -> None:
    mixed = start("mixed", params={"lr": "auto", "l": [1, 2], "big": 2**70})
    mixed.end()
    found = compare(reader.runs(), ["name", "started", "params", "metrics.accuracy", "inputs.seed", "took"])
    pandas, polars, arrow = found.to_pandas(), found.to_polars(), found.to_arrow()
    lr = ["0.1", "0.01", "0.001", "auto"]  # of one type
    assert list(pandas["params.lr"]) == polars["params.lr"].to_list() == arrow["params.lr"].to_pylist() == lr
    assert polars["metrics.accuracy"].to_list() == arrow["metrics.accuracy"].to_pylist() == [0.9, None, 0.92, None]
    assert [x for x in pandas["metrics.accuracy"] if x == x] == [0.9, 0.92]
    assert polars["inputs.seed"].to_list() == arrow["inputs.seed"].to_pylist() == [0, 1, 2, None]
    assert arrow["params.big"].to_pylist() == [None, None, None, float(2**70)]
    created = [run.facts.created for run in reader.runs()]
    for times in (list(pandas["started"]), polars["started"].to_list(), arrow["started"].to_pylist()):
        assert [round(time.timestamp() * 1000) for time in times] == created
    for frame in (compare([]).to_pandas(), compare([]).to_polars(), compare([]).to_arrow()):
        assert len(frame) == 0


def test_frames_with_nested_params_and_large_integers_can_be_written(tmp_path: Path) -> None:
    params = {"dict": {}, "list": [{"a": 1}], "big": 10**400, "least": -(2**63), "below": -(2**63) - 1}
    start("a", params=params).end()
    start("b", params={"dict": {}, "big": 1}).end()
    found = compare(multitrack.open_journal().runs(), "name,params")
    for text in (found.to_pandas().to_csv(), found.to_polars().write_csv()):
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [(row["params.dict"], row["params.list"]) for row in rows] == [("{}", "[{'a': 1}]"), ("{}", "")]
    pyarrow.parquet.write_table(found.to_arrow(), tmp_path / "a.parquet")
    back = pyarrow.parquet.read_table(tmp_path / "a.parquet")
    assert [back[f"params.{name}"].to_pylist() for name in ("dict", "big", "least", "below")] == [
        ["{}", "{}"], [math.inf, 1.0], [-(2**63), None], [float(-(2**63)), None],
    ]  # fmt: skip


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_library_that_is_missing_is_named(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    method = f"to_{library.removeprefix('py')}"
    with pytest.raises(ImportError, match=rf"{method}\(\) needs {library}: pip install {library}"):
        getattr(compare([]), method)()


def test_html_in_notebooks_is_whole_and_nothing_in_it_does_anything(reader: JournalReader) -> None:
    run = evil_run()
    live = Page(run._repr_html_())  # while it is written
    run.end()
    everything = ["metadata", "tags", "params", "metrics", "lists", "inputs", "outputs"]
    comparison = compare(reader.runs(), everything, best="metrics.loss:min")
    for page in (live, Page(comparison._repr_html_()), Page(reader.run(run.id)._repr_html_())):
        assert page.tags <= {"div", "table", "thead", "tbody", "tr", "th", "td", "p", "b", "br", "code", "span"}
        assert page.attributes <= {"style"}
        assert "<script>alert(1)</script>" in page.text  # as text
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", page.text)
    text = Page(reader.run("a")._repr_html_()).text
    for part in ("a", "digits", "finished", "0.1", "command line", "loss", "latency", "2.5", "us", "s3://b/data"):
        assert part in text
    assert "★" in Page(comparison._repr_html_()).text
    assert "records nothing" in multitrack.start_run(disabled=True)._repr_html_()


def test_a_long_comparison_shows_its_beginning(reader: JournalReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multitrack.compare.html._ROWS", 2)
    assert "… and 1 more runs" in Page(compare(reader.runs())._repr_html_()).text
