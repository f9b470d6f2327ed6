"""Windows of a metric: their statistics against numpy's, their edges, and what the values are."""

import datetime
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import multitrack
from monitor_clock import Clock, start
from multitrack.errors import QueryError
from multitrack.monitor import Monitored, Window, monitor
from multitrack.monitor.calendar import Calendar, fitting
from multitrack.monitor.windows import STATISTICS
from multitrack.summaries import writes

HOUR = 3_600_000


def seen(metric: str, **more: object) -> Monitored:
    return monitor(multitrack.open_journal().runs(), metric, **more)  # type: ignore[arg-type]


def ms(*of: int) -> int:
    return round(datetime.datetime(*of, tzinfo=datetime.UTC).timestamp() * 1000)  # type: ignore[arg-type]


def filled(windows: list[Window]) -> list[Window]:
    return [window for window in windows if window.count]


def test_statistics_are_those_of_numpy(clock: Clock) -> None:
    random.seed(7)
    written: dict[str, list[tuple[int, float]]] = {"eu": [], "us": []}
    for deployment, values in written.items():
        for name in ("a", "b"):  # in the same hours
            clock.ms = ms(2024, 1, 1, 9, 30)
            with start(f"{deployment} {name}", deployment=deployment) as run:
                for _ in range(400):
                    clock.ms += random.randrange(1, 60_000)
                    values.append((clock.ms, random.gauss(0, 1)))
                    run.log_metric("score", values[-1][1])
    names = [*STATISTICS, "p12.5", "p0", "p100"]
    found = seen("score", every="1h", statistics=names)
    assert list(found.groups) == ["eu", "us"]
    for deployment, windows in found.groups.items():
        assert [window.start for window in windows] == [ms(2024, 1, 1, 9 + i) for i in range(len(windows))]
        for window in filled(windows):
            held = np.array([value for time, value in written[deployment] if window.start <= time < window.end])
            expected = {
                "count": len(held),
                "rate": len(held) / 3600,
                "mean": held.mean(),
                "min": held.min(),
                "max": held.max(),
            }
            expected |= {name: np.percentile(held, float(name[1:])) for name in names if name.startswith("p")}
            assert window.statistics == {name: pytest.approx(value, rel=1e-12) for name, value in expected.items()}
            assert len(window.runs) in (1, 2)


def test_a_value_is_in_the_window_that_begins_with_it(clock: Clock) -> None:
    with start("edges", deployment="eu") as run:
        for at in (0, HOUR - 1, HOUR, 3 * HOUR, 3 * HOUR + 1):
            clock.ms = ms(2024, 1, 1) + at
            run.log_metric("score", at)
    (windows,) = seen("score", every=3600, statistics=["min", "max"]).groups.values()
    assert [(window.count, *window.statistics.values()) for window in windows] == [
        (2, 0, HOUR - 1), (1, HOUR, HOUR), (0, None, None), (2, 3 * HOUR, 3 * HOUR + 1),
    ]  # fmt: skip
    range_ = {"since": ms(2024, 1, 1) + HOUR - 1, "until": ms(2024, 1, 1) + 3 * HOUR}
    (cut,) = seen("score", every="1h", statistics=["rate"], **range_).groups.values()
    assert [window.count for window in cut] == [1, 1, 0, 1]  # both ends of the range are in it
    assert [window.statistics["rate"] for window in cut] == [1000, 1 / 3600, None, 1000]  # of the part that was read


@pytest.mark.usefixtures("zone")
def test_days_begin_at_local_midnight_and_have_23_to_25_hours(clock: Clock) -> None:
    clock.ms = ms(2023, 10, 27, 22)
    with start("autumn", deployment="eu") as run:
        for hour in range(72):  # from midnight in Berlin on the 28th
            clock.ms = ms(2023, 10, 27, 22) + hour * HOUR
            run.log_metric("score", hour)
    (windows,) = seen("score", every="1d").groups.values()
    assert [window.count for window in windows] == [24, 25, 23]
    assert [window.start for window in windows] == [ms(2023, 10, 27, 22), ms(2023, 10, 28, 22), ms(2023, 10, 29, 23)]
    assert windows[1].statistics["rate"] == 25 / (25 * 3600)
    (hours,) = seen("score", every="1h").groups.values()  # the hour that the clock shows twice is two
    assert [window.count for window in hours] == [1] * 72
    spring = Calendar("1d")
    assert [end - start for start, end in spring.windows(ms(2024, 3, 30, 12), ms(2024, 4, 1, 12))] == [
        24 * HOUR, 23 * HOUR, 24 * HOUR,
    ]  # fmt: skip
    week, _ = Calendar("1w").window(ms(2024, 3, 31, 12))
    assert week == ms(2024, 3, 24, 23)  # Monday


def test_windows_of_hours_are_counted_in_utc() -> None:
    assert Calendar("6h").window(ms(2024, 1, 1, 13, 5)) == (ms(2024, 1, 1, 12), ms(2024, 1, 1, 18))
    assert Calendar("36h").milliseconds == 36 * HOUR
    for span, every in (
        (40, 1),
        (3_000, 5_000),
        (86_400 * 30_000, 86_400_000),
        (86_400_000 * 365 * 9, 10 * 604_800_000),
    ):
        calendar = fitting(0, span, 48)
        assert calendar.count(0, span) <= 48
        assert calendar.milliseconds == every or span in (40, 3000)
    for wrong in ("1 hour", "h", "0s", 0, -1, math.nan, "900w" * 2, 1e15):
        with pytest.raises(QueryError, match=r"duration|last from"):
            Calendar(wrong)


def test_the_kinds_of_metrics(clock: Clock) -> None:
    with start("kinds", deployment="eu") as run:
        for value in (1.0, math.nan, 3, math.inf, 2**2000):
            run.log_metric("simple", value)
        run.log_metric("only nan", math.nan)
        run.log_metrics({"series": 1, "other": 2}, step=0)
        run.log_metrics({"series": 5}, step=1)
        run.log_metric("series", 100)  # the series' summary
        run.log_list_metric("list", [1, 2, 3, math.nan])
        run.log_list_metric("list", [6])

    def told(metric: str) -> dict[str, object]:
        ((window,),) = seen(metric, every="1h", statistics=["count", "mean", "p50"]).groups.values()
        return window.statistics

    assert told("simple") == {"count": 5, "mean": 2, "p50": 2}
    assert told("only nan") == {"count": 1, "mean": None, "p50": None}
    assert told("series") == told("metrics.series") == {"count": 2, "mean": 3, "p50": 3}
    assert told("lists.list") == told("list") == {"count": 5, "mean": 3, "p50": 2.5}
    assert told('metrics."only nan"') == told("only nan")


def test_runs_are_grouped_by_a_tag_or_a_column(clock: Clock) -> None:
    for name, more in {"a": {"deployment": "us"}, "b": {"deployment": "eu", "tags": {"tier": 2}}, "c": {}}.items():
        with start(name, params={"model": "v1", "layers": [1, 2]}, **more) as run:
            run.log_metric("score", 1)
    assert list(seen("score").groups) == ["eu", "us", None]
    assert list(seen("score", by="tags.tier").groups) == ["2", None]
    assert list(seen("score", by="params.model").groups) == ["v1"]
    assert list(seen("score", by="params.layers").groups) == ["[1, 2]"]
    assert list(seen("score", by="outputs.score").groups) == [1]
    assert list(seen("score", by=None).groups) == [None]
    frame = seen("score", statistics=["count"]).to_pandas()
    assert list(frame.columns) == ["by", "time", "count"]
    assert list(frame["count"]) == [1, 1, 1]


def test_running_runs_and_those_of_several_processes(tmp_path: Path) -> None:
    code = (
        "import os, sys, time, multitrack\n"
        "run = multitrack.start_run('shop', 'service', deployment='eu', trigger='endpoint', config={'delivery': 'off'})\n"
        "run.log_metric('score', 1)\n"
        "if os.fork() == 0:\n    run.log_metric('score', 3)\n    run.log_metric('score', 5)\n    print('ready', flush=True)\n"
        "    sys.stdin.read()\n    os._exit(0)\n"
        "os.wait()\n"
    )  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ)
    ) as service:
        assert service.stdin is not None and service.stdout is not None
        assert service.stdout.readline() == b"ready\n"
        (windows,) = seen("score", every="1h", statistics=["count", "mean"]).groups.values()
        assert sum(window.count for window in windows) == 3  # both segments are open
        assert list(seen("score").groups) == ["eu"]
        service.stdin.close()


def test_the_last_hour_of_a_long_run(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier stretches of the journal are passed over, but not the tags in them."""
    with start("long", tags={"tier": 1}) as run:
        for minute in range(3000):
            clock.ms += 60_000
            run.log_metric("score", minute)
            if minute == 1500:
                run.set_tags({"deployment": "eu"})
    since = clock.ms - HOUR
    monkeypatch.setattr(writes, "_STRETCH", 2000)
    decoded = mock.Mock(wraps=writes.decode_lines)
    monkeypatch.setattr(writes, "decode_lines", decoded)
    found = seen("score", since=since, every="1h", statistics=["min", "max"])
    (windows,) = (found.groups["eu"],)
    assert sum(window.count for window in windows) == 61
    assert (windows[0].statistics["min"], windows[-1].statistics["max"]) == (2939, 2999)
    assert decoded.call_count < 10


def test_windows_of_no_length_suit_the_values(clock: Clock) -> None:
    for name, values, apart, every in (
        ("nightly", 30, 86_400, 86_400), ("minutes", 400, 60, 900), ("once", 1, 1, 1), ("yearly", 2, 86_400 * 365, 27 * 604_800),
    ):  # fmt: skip
        clock.ms = ms(2024, 1, 1)
        with start(name, deployment="eu") as run:
            for _ in range(values):
                run.log_metric(name, 1)
                clock.ms += apart * 1000
        found = seen(name)
        assert found.every == every, name
        assert sum(window.count for window in found.groups["eu"]) == values


def test_the_window_that_is_not_over_has_the_rate_until_now(clock: Clock) -> None:
    import time

    clock.ms = int(time.time() * 1000) - 1000
    with start("now", deployment="eu") as run:
        for _ in range(10):
            run.log_metric("score", 1)
    (windows,) = seen("score", every="500w").groups.values()
    passed = time.time() - windows[0].start / 1000
    assert windows[0].statistics["rate"] == pytest.approx(10 / passed, rel=0.01)


def test_what_cannot_be_followed(clock: Clock) -> None:
    for name, day in (("old", 1), ("new", 300)):
        clock.ms = ms(2024, 1, 1) + day * 86_400_000
        with start(name, deployment="eu") as run:
            run.log_metric("score", 1)
    assert seen("score", since="2025-06-01").groups == {}
    assert len(filled(seen("score", since="2024-06-01").groups["eu"])) == 1
    assert monitor([], "score").groups == {}
    for metric, more, error in (
        ("scoer", {}, "no run has metrics.scoer.*score"), ("score:min", {}, "leave out :min"),
        ("tags.deployment", {}, "no metric"), ("score", {"statistics": ["p101"]}, "no statistic 'p101'"),
        ("score", {"statistics": []}, "name a statistic"), ("score", {"every": "1s"}, "25,833,601 windows of 1 s"),
        ("score", {"by": "params.a b"}, "not a column"), ("score", {"since": "soon"}, "not a time"),
    ):  # fmt: skip
        with pytest.raises(QueryError, match=error):
            seen(metric, **more)


def test_a_damaged_journal_costs_its_own_lines(clock: Clock) -> None:
    with start("damaged", deployment="eu") as run:
        run.log_metric("score", 1)
        directory = run.directory
    assert directory is not None
    now = clock.ms
    lines = (
        '{"record":"metric","time":-5,"values":{"score":7}}',
        f'{{"record":"metric","time":1{"0" * 30},"values":{{"score":7}}}}',
        "no record",
        f'{{"record":"metric","time":{now},"values":{{"score":"x"}}}}',
        f'{{"record":"metric","time":{now},"values":{{"score":2}}}}',
        f'{{"record":"list","time":{now},"name":"score","values":[4],"part":2,"parts":2}}',
        f'{{"record":"metric","time":{now},"val',
    )
    with (directory / "000001.jsonl").open("a") as file:
        file.write("\n".join(lines))
    ((window,),) = seen("score", every="1h").groups.values()
    assert (window.count, window.statistics["mean"]) == (2, 1.5)
