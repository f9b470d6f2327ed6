"""Bounded numbers of metrics, tag values and runs; what is left out is counted, and said once."""

import math
from pathlib import Path
from typing import Any

import pytest
from prometheus_reader import Sample, of_run, scraped, written
from prometheus_runs import delivered, start
from prometheus_server import free_port, prometheus

import multitrack
from multitrack.delivery.lane_state import lane_file
from multitrack_prometheus.kept import FILE
from multitrack_prometheus.labels import LONGEST, shortened
from multitrack_prometheus.values import COUNTED, TAG_VALUES


def shown(tmp_path: Path, backend_id: str) -> list[Sample]:
    return of_run(written(tmp_path / "node"), backend_id)


def options(tmp_path: Path, **more: Any) -> dict[str, Any]:
    return {"mode": "textfile", "directory": str(tmp_path / "node"), **more}


def left_out(samples: list[Sample]) -> dict[str, float]:
    return {labels["what"]: value for name, labels, value in samples if name == "multitrack_left_out"}


def test_metrics_beyond_the_maximum(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path, max_metrics=3))
    for step in range(3):
        for i in range(6):
            run.log_metric(f"m{i}", float(step), step=step)
            run.log_list_metric(f"l{i}", [1.0, 2.0])
    run.log_metric("m5", 1.0)
    backend_id, said = delivered(tmp_path, run)
    for _ in range(2):
        found = shown(tmp_path, backend_id)
        names = {labels["metric"] for name, labels, _ in found if name == "multitrack_metric"}
        assert names == {"m0", "m1", "m2", "l0", "l1", "l2"}
        assert left_out(found) == {"metrics": 7, "tag values": 0}  # m3 to m5 and l3 to l5, and the summary of m5
        assert said == [
            "metrics beyond the first 3 (max_metrics) are counted, not shown",
            "list metrics beyond the first 3 (max_metrics) are counted, not shown",
        ]
        state = lane_file(run.directory, "prometheus")  # type: ignore[arg-type]
        (state.with_suffix("") / FILE).unlink()
        state.unlink()
        run.log_metric("m1", 5.0, step=5)  # shown metrics go on, and a redelivery says and counts nothing else
        _, said = delivered(tmp_path, run)
    assert [s.value for s in shown(tmp_path, backend_id) if s.labels.get("metric") == "m1"] == [5.0, 5.0]


def test_no_more_than_some_thousand_names_are_remembered(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path, max_metrics=1))
    for start_at in range(0, COUNTED + 1000, 1000):
        run.log_metrics({f"m{i}": 1.0 for i in range(start_at, start_at + 1000)}, step=0)
    backend_id, _ = delivered(tmp_path, run)
    assert left_out(shown(tmp_path, backend_id))["metrics"] == COUNTED


def test_values_of_a_tag_beyond_the_maximum(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path, tags=["phase"]))
    for i in range(TAG_VALUES + 5):
        run.set_tags({"phase": str(i)})
    backend_id, said = delivered(tmp_path, run)
    found = shown(tmp_path, backend_id)
    assert {labels["tag_phase"] for _, labels, _ in found} == {"(other)"}
    assert left_out(found)["tag values"] == 5
    assert said == [f"tag phase: values beyond the first {TAG_VALUES} are counted, and shown as (other)"]
    run.set_tags({"phase": "3"})  # one that it had
    delivered(tmp_path, run)
    assert {labels["tag_phase"] for _, labels, _ in shown(tmp_path, backend_id)} == {"3"}


def test_long_values_of_a_tag_stay_distinct(tmp_path: Path) -> None:
    ids = []
    for end in "ab":
        run = start(tmp_path, options(tmp_path, tags=["note"]), tags={"note": "x" * 1000 + end})
        backend_id, said = delivered(tmp_path, run)
        ids.append({labels["tag_note"] for _, labels, _ in shown(tmp_path, backend_id)})
        assert said == [f"tag note: values above {LONGEST} characters, or with NUL, are shortened"]
        assert left_out(shown(tmp_path, backend_id))["tag values"] == 1
    assert ids[0] != ids[1]
    assert [len(text) for found in ids for text in found] == [LONGEST, LONGEST]
    assert all(text.startswith("x" * (LONGEST - 10)) for found in ids for text in found)


def test_only_chosen_tags_are_labels(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path, tags=["team name"]), tags={"team name": "vision", "user": "me"})
    backend_id, said = delivered(tmp_path, run)
    assert {label for _, labels, _ in shown(tmp_path, backend_id) for label in labels if "tag" in label} == {
        "tag_team_name"
    }
    assert said == ["tags are shown only if the option tags names them"]
    run.set_tags({"team name": ""})  # a label without a value is none
    delivered(tmp_path, run)
    assert not any("tag_team_name" in labels for _, labels, _ in shown(tmp_path, backend_id))


def test_records_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path), params={"lr": 0.1})
    for i in range(3):
        run.log_params({f"p{i}": i})
        run.log_lines(["one", "two"])
        run.log_artifact_ref(f"a{i}", "s3://bucket/a")
    backend_id, said = delivered(tmp_path, run)
    counts = {s.labels["kind"]: s.value for s in shown(tmp_path, backend_id) if s.name == "multitrack_records_total"}
    assert counts == {"params": 4, "metric": 0, "list": 0, "artifact": 3, "lines": 3, "tags": 0}
    assert said == [
        f"{what} are counted, not kept: Prometheus holds numbers only"
        for what in ("params", "artifact references", "lines")
    ]


def test_numbers_that_are_no_doubles_are_rounded_and_said(tmp_path: Path) -> None:
    run = start(tmp_path, options(tmp_path))
    run.log_metrics({"large": 2**53 + 1, "huge": 10**400, "nan": math.nan, "inf": -math.inf, "whole": 2**60}, step=2)
    run.log_list_metric("list", [1, 2**64 + 1])
    backend_id, said = delivered(tmp_path, run)
    found = {s.labels["metric"]: s.value for s in shown(tmp_path, backend_id) if s.name == "multitrack_metric"}
    assert math.isnan(found.pop("nan"))
    assert found == {"large": 2.0**53, "huge": math.inf, "inf": -math.inf, "whole": 2.0**60, "list": 2.0**64}
    assert said == [
        "metric large: 9007199254740993 is no double, shown as 9007199254740992.0",
        "list metric list: 18446744073709551617 is no double, shown as 1.8446744073709552e+19",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "\ud800",
        "a\x00b",
        "x" * 20_000,
        "\u2028",
        "\r",
        "two\r\nlines",
        "\x1b[0m",
        " ",
        "\\",
        "\\n",
        '"',
        "\x85",
        "🚀",
        "{}",
    ],
)
def test_odd_texts_reach_a_prometheus(text: str, server: tuple[Any, int], tmp_path: Path) -> None:
    prometheus, port = server
    name = text.replace("\0", "").replace("\ud800", "") + "x"
    run = start(tmp_path, {"port": port, "tags": ["odd"]}, tags={"odd": text}, name=name[:500])
    run.log_metric(name[:2000], 0.5, step=1)
    backend_id, _ = delivered(tmp_path, run)
    found = of_run(
        [Sample(n, {**labels, "run": run.id, "journal": backend_id.partition("/")[2]}, v)
         for n, labels, v in prometheus.run(backend_id)], backend_id,
    )  # fmt: skip
    (metric,) = [sample for sample in found if sample.name == "multitrack_metric"]
    assert (metric.labels["metric"], metric.value) == (name[:2000], 0.5)
    expected = "\\ud800" if text == "\ud800" else "a\\x00b" if "\0" in text else text
    assert metric.labels["tag_odd"] == (expected if len(expected) <= LONGEST else shortened(expected))
    (info,) = [sample for sample in found if sample.name == "multitrack_run_info"]
    assert info.labels["name"] == name[:500]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    port = free_port()
    with prometheus(tmp_path_factory.mktemp("bounds") / "prometheus", port) as started:
        yield started, port


def test_a_resumed_run_makes_no_other_leave(tmp_path: Path) -> None:
    served = {"port": free_port(), "max_runs": 2}
    runs = [start(tmp_path, served) for _ in range(2)]
    for run in runs:
        run.end()
        delivered(tmp_path, run)
    again = start(tmp_path, served, run_id=runs[1].id)
    again.log_metric("x", 1.0)
    delivered(tmp_path, again)
    shown = {s.labels["run"]: s.labels["status"] for s in scraped(again.urls["prometheus"]) if "status" in s.labels}
    assert shown == {runs[0].id: "finished", runs[1].id: "running"}


def test_runs_beyond_the_maximum(tmp_path: Path) -> None:
    """Ended runs make room for newer ones; open ones do not, and the newer are left out, counted and said."""
    served = {"port": free_port(), "max_runs": 2}
    first = start(tmp_path, served)
    first.end()
    delivered(tmp_path, first)
    second, third = start(tmp_path, served), start(tmp_path, served)
    for run in (second, third):
        run.log_metric("x", 1.0)
        delivered(tmp_path, run)

    def page() -> tuple[set[str], float]:
        found = scraped(second.urls["prometheus"])
        (count,) = [sample.value for sample in found if sample.name == "multitrack_runs_left_out"]
        return {labels["run"] for _, labels, _ in found if "run" in labels}, count

    assert page() == ({second.id, third.id}, 0)
    fourth = start(tmp_path, served)
    fourth.log_metric("x", 1.0)
    multitrack.sync(tmp_path / "journal")
    assert page() == ({second.id, third.id}, 1)
    third.end()
    fourth.end()
    delivered(tmp_path, third)
    _, said = delivered(tmp_path, fourth)
    runs, count = page()
    assert count == 0
    assert len(runs) == 2
    assert second.id in runs
    assert said in ([], ["not shown: max_runs = 2 other runs are; multitrack_runs_left_out counts"])
