"""Runs out of a journal: by filters, by name, and what is asked of one."""

import datetime
import shutil
from typing import Any

import numpy as np
import pytest

from multitrack import QueryError, RunError
from multitrack.reading.followed import Measured
from multitrack.reading.reader import JournalReader
from three_runs import start


def test_runs_by_each_filter(reader: JournalReader) -> None:
    def found(**filters: Any) -> str:
        return "".join(run.facts.name for run in reader.runs(**filters))

    first, second, third = (run.facts.created for run in reader.runs())
    assert found() == found(project="digits") == "abc"
    assert found(project="other") == ""
    assert found(status="finished") == found(status=["finished", "killed"]) == "ac"
    assert found(status={"finished", "failed"}) == "abc"
    assert found(tags={"deployment": "eu"}) == "bc"
    assert found(tags={"deployment": "eu", "build": 2}) == "c"
    assert found(group="g") == "bc"
    assert found(since=second) == ("abc" if first == second else "bc")
    assert found(since="1d") == "abc"
    assert found(until=second) == ("abc" if second == third else "ab")
    assert found(since="2100-01-01") == ""
    assert found(where="params.lr < 0.05 and metrics.loss:min >= 1", status="finished") == "c"
    assert found(where="metrics.accuracy or lists.latency:max = 11") == "abc"
    for wrong in ({"where": "lr < 3"}, {"since": "yesterday"}, {"status": "FINISHED"}, {"status": ["failed", "x"]}):
        with pytest.raises(QueryError):  # at the call, not when the first run is looked at
            reader.runs(**wrong)  # type: ignore[arg-type]


def test_a_parent_is_a_run_or_what_one_is_called(reader: JournalReader) -> None:
    parent = start("parent")
    for name in "xy":
        start(name, parent=parent).end()
    parent.end()
    for asked in ("parent", parent.id, parent.id[:-1], parent, reader.run("parent")):
        assert [run.facts.name for run in reader.runs(parent=asked)] == ["x", "y"], asked
    assert list(reader.runs(parent="x")) == []
    for where in ("parent = 'parent'", f"parent = {parent.id}", "parent in (a, 'parent')", "parent != a and parent != none",
                  "parent ~ AREN", f"parent ~ {parent.id[:-1]}", "parent"):  # fmt: skip
        assert [run.facts.name for run in reader.runs(where=where)] == ["x", "y"], where
    for where in ("parent != 'parent'", f"parent != {parent.id}", "parent = a", f"parent = {parent.id[:-1]}"):
        assert list(reader.runs(where=where)) == [], where
    assert [run.facts.name for run in reader.runs(where="parent = none")] == ["a", "b", "c", "parent"]
    with pytest.raises(RunError, match="no run matches 'nobody'"):
        reader.runs(parent="nobody")
    shutil.rmtree(str(parent.directory))
    assert len(list(reader.runs(parent=parent.id))) == 2  # children outlive it
    assert len(list(reader.runs(where=f"parent = {parent.id}"))) == 2
    assert list(reader.runs(where="parent = 'parent'")) == []


def test_log_lines_between_times_of_every_form(reader: JournalReader) -> None:
    run = start("lines")
    run.log_lines(["one", "two"])
    run.end()
    recorded = reader.run("lines")
    (time, _) = (line.time for line in recorded.get_lines())
    moment = datetime.datetime.fromtimestamp(time / 1000, datetime.UTC)
    for asked, count in (
        ({"from_time": "1h"}, 2), ({"to_time": "1h"}, 0), ({"from_time": moment, "to_time": moment}, 2),
        ({"from_time": time + 1}, 0), ({"to_time": np.int64(time)}, 2), ({"from_time": float(time), "limit": 1}, 1), ({"limit": 0}, 0),
        ({"from_time": "2100-01-01"}, 0),
    ):  # fmt: skip
        assert len(list(reader.get_lines(recorded, **asked))) == count, asked  # type: ignore[arg-type]
    for wrong, error in (({"limit": -1}, ValueError), ({"to_time": "soon"}, QueryError), ({"to_time": []}, TypeError)):
        with pytest.raises(error):  # at the call
            recorded.get_lines(**wrong)  # type: ignore[arg-type]


def test_what_is_asked_of_the_journal_by_run(reader: JournalReader) -> None:
    assert [point.value for point in reader.get_metrics("a")["loss"]] == [2, 1, 0, 1, 2]
    assert reader.get_list_metrics("a", "latency") == {"latency": [3, 1, 2, 10]}
    assert list(reader.get_lines("a", limit=3)) == []
    run = reader.run("a")
    assert reader.get_metrics(run) == reader.get_metrics("a") == run.get_metrics("loss")
    assert reader.get_list_metrics(run) == {"latency": [3, 1, 2, 10]}
    assert reader.run(run) is run
    with pytest.raises(TypeError, match=r'such as \{"stage": "prod"\}, got \[\'t\'\]'):
        reader.runs(tags=["t"])  # type: ignore[arg-type]
    assert (run.get("params.lr"), run.get("metrics.loss"), run.get("metrics.loss", "min")) == (0.1, 2, 0)
    assert run.get("lists.latency:median") == 2.5
    assert (run.get("params.nothing"), run.get("lists.nothing"), run.get("inputs.nothing")) == (None, None, None)


def test_a_metric_is_followed_over_runs(reader: JournalReader) -> None:
    ids = {run.facts.name: (run.id, run.facts.name, run.facts.created) for run in reader.runs()}
    assert reader.follow_metric("accuracy") == {None: [Measured(*ids["a"], 0.9), Measured(*ids["c"], 0.92)]}
    by = reader.follow_metric("metrics.loss:min", by="tags.deployment", where="name != x")
    assert by == {"us": [Measured(*ids["a"], 0.0)], "eu": [Measured(*ids["b"], 1.0), Measured(*ids["c"], 2.0)]}
    assert reader.follow_metric("accuracy", where="name = b") == {}  # others have it
    assert reader.follow_metric("acuracy", project="none") == {}
    for metric, by, meant in (("acuracy", None, "metrics.accuracy"), ("metrics.los:min", None, "metrics.loss"),
                              ("accuracy", "tags.deploymnt", "tags.deployment")):  # fmt: skip
        for filters in ({}, {"where": "name = b"}):
            with pytest.raises(QueryError, match=rf"no run has .* \(did you mean {meant}\?\)"):
                reader.follow_metric(metric, by=by, **filters)
    assert repr(reader) == f"<JournalReader of {reader.directory}>"
