"""What goodseed holds of a run, by the functions with which its server reads, as the contract compares it."""

import datetime
from pathlib import Path
from typing import Any

import msgspec
from goodseed.storage import read_configs, read_metrics, read_run_meta, read_string_series

from multitrack.testing import NativePoint, NativeReference, NativeRun
from multitrack_goodseed import name_of
from multitrack_goodseed.steps import recorded
from multitrack_goodseed.stored_values import Reference, param_of
from multitrack_goodseed.values import exact_point


def file_of(home: Path, native_id: str) -> Path:
    """The file of a run, which must be there exactly once."""
    (path,) = (home / "projects").glob(f"**/runs/{native_id}.sqlite")
    return path


def find_run(home: Path, run_id: str) -> NativeRun:
    """One run by multitrack's id."""
    paths = sorted((home / "projects").glob("**/runs/*.sqlite"))
    (path,) = [path for path in paths if read_configs(path)["multitrack/run_id"] == run_id]
    return read_file(path)


def read_file(path: Path) -> NativeRun:
    meta, configs = read_run_meta(path), read_configs(path)
    texts = texts_of(path)

    def own(key: str) -> Any:
        return configs.get(f"multitrack/{key}")

    assert meta["status"] == {"killed": "failed"}.get(own("status"), own("status"))
    assert meta["created_at"] == own("started")
    if "multitrack/position" in meta:  # written with public functions, it ends when that was delivered
        assert meta.get("closed_at") == own("ended")
    run = NativeRun(
        name=meta["name"], status=own("status"), parent=own("parent"),
        started=ms(own("started")), ended=None if own("ended") is None else ms(own("ended")),
        identity={key: own(key) for key in ("user", "host", "program")},
    )  # fmt: skip
    for key, value in configs.items():
        namespace, _, rest = key.partition("/")
        if namespace == "parameters":
            run.params[name_of(rest)] = param_of(value, is_json=f"types/{rest}" in configs)
        elif namespace == "summary":
            run.metrics[name_of(rest)] = value
        elif namespace == "tags":
            run.tags[name_of(rest)] = value
        elif namespace == "artifacts":
            facts = msgspec.json.decode(value, type=Reference)
            run.artifacts[name_of(rest)] = facts.uri
            reference = NativeReference(facts.kind, facts.role, facts.digest, facts.size, facts.version)
            run.references = {**(run.references or {}), name_of(rest): reference}
    _add_series(run, path, texts)
    lines = sorted(line for key, found in texts.items() if key.startswith("logs/") for line in found)
    assert [step for step, *_ in lines] == list(range(len(lines)))
    run.lines = [text for _, text, _ in lines]
    return run


def texts_of(path: Path) -> dict[str, list[tuple[float, str, int]]]:
    """Step, text and time of each text, by series."""
    found: dict[str, list[tuple[float, str, int]]] = {}
    for row in read_string_series(path)["points"]:
        found.setdefault(row["path"], []).append((row["step"], row["value"], ms(row["logged_at"])))
    return found


def _add_series(run: NativeRun, path: Path, texts: dict[str, list[tuple[float, str, int]]]) -> None:
    """The points of each series; those that it cannot hold are behind the others."""
    # Written with public functions, a point has the time of its delivery; the recorded one is beside it.
    times = {
        (key.removeprefix("times/"), step): ms(text)
        for key, rows in texts.items() if key.startswith("times/") for step, text, _ in rows
    }  # fmt: skip
    series = {
        (row["path"], row["step"]): NativePoint(
            recorded(row["step"]), row["value"], times.get((row["path"], row["step"]), ms(row["logged_at"]))
        )
        for row in read_metrics(path)
    }
    others = []
    for key, rows in texts.items():
        if not key.startswith("exact/"):
            continue
        name = key.removeprefix("exact/")
        for step, text, time in rows:
            facts = exact_point(text)
            point = NativePoint(facts.step, facts.number, times.get((key, step), time))
            if facts.shown_at is not None:
                shown = series[name, facts.shown_at]
                assert (shown.step, shown.value, shown.time) == (point.step, float(point.value), point.time)
                series[name, facts.shown_at] = point
            else:
                others.append((name, point))
    for (name, _), point in series.items():
        run.series.setdefault(name_of(name), []).append(point)
    for name, point in others:
        run.series.setdefault(name_of(name), []).append(point)


def ms(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    return (moment - datetime.datetime.fromtimestamp(0, datetime.UTC)) // datetime.timedelta(milliseconds=1)
