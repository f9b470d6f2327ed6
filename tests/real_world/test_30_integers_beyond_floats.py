"""Case 30: an integer beyond the range of floats is exact where integers are, and no finite value where a double is."""

import csv
import io
import json
import math
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import drawn_runs
import multitrack
from browser import Page
from multitrack.cli import main
from multitrack.compare import compare
from multitrack.errors import QueryError
from multitrack.page.render import write_page
from multitrack.plot import overlay, parallel
from multitrack.plot.parallel_axis import Axis
from multitrack.query.filters import parse_where
from multitrack.query.literals import number_of
from multitrack.reading.reader import JournalReader
from multitrack.summaries import curves
from multitrack.summaries.doubles import as_double, is_finite
from multitrack.summaries.downsample import Thinner
from shell import shell

pytestmark = pytest.mark.case(30)

HUGE = 2**2000
BEYOND = 2**1024 - 2**970  # the least integer whose nearest double is none
LARGEST = sys.float_info.max


@pytest.fixture
def reader(tmp_path: Path) -> JournalReader:
    """Runs whose loss, everywhere, is huge, ordinary, hugely negative, infinite, and huge beside something ordinary."""
    for name, values in (
        ("huge", [HUGE]), ("one", [1]), ("low", [-HUGE]), ("inf", [math.inf]), ("mixed", [0.5, HUGE, 3, -HUGE, 2]),
    ):  # fmt: skip
        with drawn_runs.start(tmp_path / "j", name, params={"p": values[-1]}) as run:
            for step, value in enumerate(values):
                run.log_metric("loss", value, step=step)
            run.log_list_metric("list", values)
            run.log_metric("simple", values[-1])
    return multitrack.open_journal(tmp_path / "j")


def names(rows: object) -> list[str]:
    return [row.run.facts.name for row in rows]  # type: ignore[attr-defined]


@pytest.mark.parametrize("sign", [1, -1])
def test_one_beyond_is_infinite_as_a_double(sign: int) -> None:
    for number in (HUGE, BEYOND):
        assert as_double(sign * number) == sign * math.inf
        assert not is_finite(sign * number)
    nearest = sign * (BEYOND - 1)
    assert (as_double(nearest), is_finite(nearest)) == (sign * LARGEST, True)


def test_python_gives_back_exactly_what_was_logged(reader: JournalReader) -> None:
    run = reader.run("huge")
    assert run.get_metrics()["loss"][0].value == HUGE
    assert run.get_series("loss").values == [HUGE]
    assert run.get_list_metrics() == {"list": [HUGE]}
    assert run.summary().simple == {"simple": HUGE}
    assert run.get_params()["p"] == HUGE
    for column in ("metrics.loss", "metrics.loss:first", "metrics.simple", "lists.list", "params.p", "outputs.loss"):
        found = run.get(column)
        assert getattr(found, "value", found) == HUGE, column


@pytest.mark.parametrize("column", ["metrics.loss", "lists.list"])
def test_statistics_are_of_the_finite_values(reader: JournalReader, column: str) -> None:
    for name in ("huge", "low", "inf"):
        run = reader.run(name)
        for reduction in ("min", "max", "mean", "median"):
            assert run.get(f"{column}:{reduction}") is None, (name, reduction)
        assert run.get(f"{column}:count") == 1
    mixed = {
        how: reader.run("mixed").get(f"{column}:{how}") for how in ("min", "max", "mean", "median", "count", "last")
    }
    assert mixed == {"min": 0.5, "max": 3, "mean": 5.5 / 3, "median": 2.0, "count": 5, "last": 2}


def test_sorting_and_filters_compare_the_integers(reader: JournalReader) -> None:
    for column in ("metrics.loss", "metrics.simple", "params.p", "lists.list"):
        assert names(compare(reader.runs(), sort=[column]).rows) == ["low", "one", "mixed", "huge", "inf"], column
        assert names(compare(reader.runs(), sort=[f"-{column}"]).rows) == ["inf", "huge", "mixed", "one", "low"], column
        for test, found in (
            (f"= {HUGE}", ["huge"]), (f"!= {HUGE}", ["one", "low", "inf", "mixed"]), (f"> {HUGE - 1}", ["huge", "inf"]),
            (f"> {HUGE}", ["inf"]), ("> 1e308", ["huge", "inf"]), ("= inf", ["inf"]), ("< -1e308", ["low"]),
            (f"in (1, {-HUGE})", ["one", "low"]), ("> 1.8e308", ["huge", "inf"]), ("> 1e602", ["huge", "inf"]), ("> 1e603", ["inf"]),
            ("< 1e400", ["one", "low", "mixed"]), ("< -1e400", ["low"]), ("< '-1E+400'", ["low"]), ("> -1e603", ["huge", "one", "low", "inf", "mixed"]),
            (f"= {HUGE}.000", ["huge"]), (f"= {HUGE}0e-1", ["huge"]), (f"= {str(HUGE)[:5]}.{str(HUGE)[5:]}e{len(str(HUGE)) - 5}", ["huge"]),
            (f"= '{HUGE}'", ["huge"]), ("= 1e400", []), ("> 1e4299", ["inf"]),
        ):  # fmt: skip
            assert [run.facts.name for run in reader.runs(where=f"{column} {test}")] == found, (column, test)


def test_a_literal_of_too_many_digits_is_an_error_at_once(reader: JournalReader) -> None:
    for text in ("1e4300", "-1e999999999", "1e" + "9" * 5000, "9" * 4301, "1" * 400 + ".5", "0.1e999999999"):
        for where in (f"metrics.loss < {text}", f"params.p in (1, {text})", f"metrics.loss = '{text}'"):
            with pytest.raises(QueryError, match=r"^numbers beyond 1.8e308 are integers of 4,300 digits at most\n"):
                parse_where(where)
    assert [number_of(text) for text in ("1e-999999999", "0e999999999", "-" + "0" * 5000 + "7", "1e400")] == [
        0,
        0,
        -7,
        10**400,
    ]
    assert number_of("1e23") == 1e23 != 10**23  # the doubles have it, nearly, and so a run that logged it
    assert [number_of(text) for text in ("1_0", "٣", ".", "e3", "1e", "0x10", "", "+", "1 2")] == [None] * 9
    for text in ("1e4300", "9" * 5000):  # of a tag: beyond everything
        assert number_of(text) == math.inf


def test_no_run_is_the_best_by_what_is_no_finite_value(reader: JournalReader) -> None:
    for column in (
        "metrics.loss:last:min",
        "metrics.loss:max",
        "metrics.simple:max",
        "params.p:max",
        "lists.list:last:max",
    ):
        best = compare(reader.runs(), best=column).best
        assert best is not None
        assert (best.row.run.facts.name, type(best.value)) in (("mixed", int), ("one", int)), column
    few = [reader.run(name) for name in ("huge", "low", "inf")]
    for column in ("metrics.loss:max", "metrics.simple:min", "params.p:max", "lists.list:last:max"):
        assert compare(few, best=column).best is None, column


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_frames_have_infinities(reader: JournalReader, library: str) -> None:
    def column(table: object, name: str) -> list[object]:
        frame = getattr(table, f"to_{library}")()
        values = frame[name].to_pylist() if library == "arrow" else list(frame[name])
        return [None if value != value else value for value in values]

    expected = [math.inf, 1.0, -math.inf, math.inf, 2.0]
    comparison = compare(reader.runs(), "metrics.loss,metrics.simple,params.p,lists.list,metrics.loss:max")
    for name in ("metrics.loss", "metrics.simple", "params.p", "lists.list"):
        assert column(comparison, name) == expected, name
    assert column(comparison, "metrics.loss:max") == [None, 1, None, None, 3]
    assert column(reader.run("mixed").get_series("loss"), "value") == [0.5, math.inf, 3.0, -math.inf, 2.0]
    assert column(reader.follow_metric("loss"), "value") == expected


def test_documents_have_the_integers(reader: JournalReader) -> None:
    chosen = "--journal j --sort name -c name,metrics.loss,params.p,lists.list,metrics.loss:max"
    rows = json.loads(shell(f"multitrack compare --json {chosen}").stdout)["rows"]
    huge = next(row for row in rows if row["name"] == "huge")
    assert [huge[name] for name in ("metrics.loss", "params.p", "lists.list")] == [HUGE] * 3
    assert "metrics.loss:max" not in huge
    table = {
        row["name"]: row
        for row in csv.DictReader(io.StringIO(shell(f"multitrack compare --csv {chosen}").stdout.decode()))
    }
    assert [int(table["low"][name]) for name in ("metrics.loss", "params.p", "lists.list")] == [-HUGE] * 3
    assert table["huge"]["metrics.loss:max"] == ""
    shown = json.loads(shell("multitrack show huge --json --journal j").stdout)
    assert shown["params"]["p"] == shown["metrics"]["loss"] == shown["metrics"]["simple"] == HUGE


def test_tables_and_notebooks_show_the_integers_digits(reader: JournalReader) -> None:
    digits = str(HUGE)[:150]
    for text in (
        shell("multitrack show huge --journal j").stdout.decode(), shell("multitrack compare --journal j").stdout.decode(),
        compare(reader.runs()).to_markdown(), compare(reader.runs())._repr_html_(), reader.run("huge")._repr_html_(),
    ):  # fmt: skip
        assert digits in text
        assert "e+308" not in text


def test_pictures_have_gaps(reader: JournalReader) -> None:
    few = [reader.run(name) for name in ("huge", "low", "inf")]
    for metric in ("loss", "list"):
        with pytest.raises(QueryError, match="no run has a finite value"):
            overlay(few, metric)
        lines = overlay(reader.runs(), metric).axes[0].lines
        drawn = [[value for value in line.get_ydata() if math.isfinite(value)] for line in lines]
        assert sorted(values for values in drawn if values) == [[0.5, 3.0, 2.0], [1.0]]
    figure = parallel(reader.runs(), "loss", params=["p"])
    assert "3 of 5 runs left out" in figure.axes[0].get_title(loc="right")
    axis = Axis("p", [HUGE, 1, None])
    assert axis.places == [-0.12, 0.5, -0.12]
    assert axis.ticks == [(0.5, "1"), (-0.12, "none, not finite")]


def test_long_series_keep_their_extremes_and_means() -> None:
    thinner = Thinner(20)
    values = [HUGE if i % 7 == 0 else -HUGE if i % 11 == 0 else i for i in range(1000)]
    thinner.extend(list(range(1000)), [0] * 1000, values)
    thinned = thinner.thinned()
    assert thinned.means is not None
    assert len(thinned.means.values) > 1
    assert 0 <= min(thinned.means.values) <= max(thinned.means.values) <= 1000
    assert sum(thinned.means.counts) == sum(map(is_finite, values))
    assert max(filter(is_finite, thinned.curve.values)) == 999
    few = Thinner(2000)
    odd = [*values, math.nan, math.inf, BEYOND - 1]
    few.extend(list(range(1003)), [0] * 1003, odd)
    thinner.extend([0] * 3, [0] * 3, odd[-3:])
    huge = sum(isinstance(value, int) and abs(value) >= BEYOND for value in values)
    for found in (few.thinned(), thinner.thinned()):
        assert (found.odd, found.huge) == (huge + 2, huge)


def test_sums_that_leave_the_doubles_on_the_way(tmp_path: Path) -> None:
    with drawn_runs.start(tmp_path / "k", "a") as run:
        for step in range(5000):  # several stretches of the tally
            run.log_metrics({"up": 1.5e308, "both": 1.5e308 if step % 2 else -1.5e308, "ints": BEYOND - 1}, step=step)
    run = multitrack.open_journal(tmp_path / "k").run("a")
    assert [run.get(f"metrics.up:{how}") for how in ("mean", "median", "min")] == [1.5e308] * 3
    assert [run.get(f"metrics.both:{how}") for how in ("mean", "median")] == [0.0, 0.0]
    assert run.get("metrics.ints:mean") == run.get("metrics.ints:median") == LARGEST
    means = curves.read_curves(run.directory).series["up"].means
    assert means is not None
    assert set(means.values) == {1.5e308}


def test_summaries_of_an_older_meaning_are_made_again(reader: JournalReader) -> None:
    from multitrack.summaries import cached_runs

    run = reader.run("one")
    assert run.summary().series["loss"].max == 1
    assert (run.directory / cached_runs.CACHE.name).exists()
    assert (cached_runs.CACHE.version, curves.CACHE.version) >= (2, 5)


@pytest.mark.slow
def test_the_page_goes_by_the_same_rule(reader: JournalReader, tmp_path: Path, browser: Page) -> None:
    write_page(tmp_path / "r.html", reader.runs())
    browser.troubles()
    browser.open(f"{(tmp_path / 'r.html').as_uri()}#sort=metrics.loss&all=1")
    assert browser.rows() == ["low", "one", "mixed", "huge", "inf"]
    assert [
        title
        for title in browser.js("[...document.querySelectorAll('td.number')].map((e) => e.title)")
        if title == str(HUGE)
    ]
    assert browser.texts("td.best") != []
    assert not {str(HUGE)[:20], str(-HUGE)[:20]} & {text[:20] for text in browser.texts("td.best")}
    finite = [[y for y in trace["y"] if y is not None] for trace in browser.graph("metrics.loss")]
    assert sorted(values for values in finite if values) == [[0.5, 3, 2], [1]]
    assert len(browser.all(".parallel .line")) == 2  # whose loss is finite
    for test, found in (
        (f"= {HUGE}", ["huge"]),
        ("> 1e308", ["huge", "inf"]),
        ("= inf", ["inf"]),
        ("< -1e308", ["low"]),
        ("< 1e400", ["one", "low", "mixed"]),
        ("< -1e400", ["low"]),
        (":first > 1.8e308", ["huge", "inf"]),
    ):
        browser.view(f"filter=metrics.loss{'' if test[0] == ':' else ' '}{test}")
        assert browser.rows() == found
    assert browser.troubles() == []
    assert browser.js(
        f"[Number({HUGE}n), Number({BEYOND}n)].every((n) => n === Infinity) && isFinite(Number({BEYOND - 1}n))"
    )


def test_the_command_says_that_none_is_finite(reader: JournalReader) -> None:
    done = CliRunner().invoke(main, ["plot", "--journal", "j", "-m", "loss", "huge", "low"])
    assert (done.exit_code, "no run has a finite value of 'loss' within ±1.8e308: there" in done.output) == (2, True)
