"""Runs with everything that is hard to keep, and the tables of a data set as ``multitrack compare`` shows runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import multitrack

PROJECTS = ("digits", "0003", "2026-11-30", "a/b=c&d %41", "ü ☃ 日本", "null", "__HIVE_DEFAULT_PARTITION__")


def record_odd_runs(journal: Path) -> None:
    """Record a run in each project: values, names and shapes that formats lose."""
    config = {"journal": str(journal), "delivery": "off"}
    for i, project in enumerate(PROJECTS):
        params = {
            "lr": 0.1 / (i + 1), "model": {"units": 2**60 + i, "größe": math.inf, "inner": {"None": None}},
            "nan": math.nan, "big": 10**400 if i else 7, "flag": bool(i % 2), "layers": [1, "zwei", None],
            "like a number": "0003", "empty": "", "quote": 'a "b", c\n', "mixed": i if i % 2 else "text",
        }  # fmt: skip
        tags = {"stage": "prod" if i % 2 else "test", "späte": "ja", "nul-like": "None"}
        with multitrack.start_run(project, f"rün {i}", params=params, tags=tags, config=config, group="g") as run:
            if i == len(PROJECTS) - 1:
                continue  # a run without points
            for step, value in enumerate(
                [1.5, math.nan, math.inf, -math.inf, 2**53 + 1, -(2**63) - 1, 10**400, -0.0, 1e-308]
            ):
                run.log_metric("loss", value, step=step)
            run.log_metrics({"a/b": i, "é": 2**53 + 1}, step=2**40)
            for value in (1, 0.5 + i):
                run.log_metric("accuracy", value)
            run.log_metric("beyond", 2**70 + i)
            run.log_list_metric("latency", [1, 2**53 + 1, math.nan, -math.inf, 10**400, 0.25])
            run.log_list_metric("latency", [3.5] * i)
            run.log_artifact_ref("data", f"s3://b/d{i}", role="input", kind="dataset", digest="sha256:" + "ab" * 32)
            run.log_artifact_ref("model", f"s3://b/m{i}", kind="model", version="dvc:md5:07")
            run.log_artifact_ref("model", f"s3://b/m{i}-last", kind="model", digest=f"sha256:{i:064}")
            run.log_lines(["first", "", "tab\there ☃ \x1b[0m"], stream="stdout")
            run.set_tags({"stage": "changed"})
    with multitrack.start_run("digits", "parent", config=config) as parent:
        for i in range(2):
            with multitrack.start_run("digits", f"child {i}", parent=parent, params={"lr": i}) as child:
                child.log_metric("loss", i, step=0)


def files_of(data_set: Path, table: str) -> list[str]:
    """The files of a table, as every reader finds them."""
    return [f"{data_set}/{path}" for path in json.loads((data_set / "dataset.json").read_text())["files"][table]]


def as_compared(
    runs: Sequence[Mapping[str, Any]], params: Iterable[Mapping[str, Any]], tags: Iterable[Mapping[str, Any]],
    metrics: Iterable[Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Put the rows of a data set together as `compare` does, run by run; times in ms since the epoch."""
    found: dict[str, dict[str, Any]] = {}
    for row in runs:
        found[row["run"]] = {
            "run": row["run"], "name": row["name"], "project": row["project"], "status": row["status"],
            "started": row["started"], "ended": row["ended"], "took": row["took"], "parent": row["parent"],
            "group": row["run_group"], "user": row["user"], "host": row["host"], "records": row["records"],
            "lines": row["lines"],
        }  # fmt: skip
    for row in tags:
        found[row["run"]][f"tags.{row['name']}"] = row["text"]
    for row in params:
        found[row["run"]][f"params.{row['name']}"] = param(row)
    beside = {}
    for row in metrics:
        name = f"{'lists' if row['kind'] == 'list' else 'metrics'}.{row['name']}"
        if row["kind"] == "simple":
            beside[row["run"], name] = exact(row["last"], row["last_text"])
            continue
        for reduction in ("first", "last", "min", "max"):
            found[row["run"]][f"{name}:{reduction}"] = exact(row[reduction], row[f"{reduction}_text"])
        for reduction in ("count", "mean", "median"):
            found[row["run"]][f"{name}:{reduction}"] = row[reduction]
    for (run, name), value in beside.items():
        found[run][name] = value
    return {run: {name: value for name, value in row.items() if value is not None or name.startswith("params.")}
            for run, row in found.items()}  # fmt: skip


def exact(value: float | None, text: str | None) -> int | float | None:
    """A number of two columns: the text has it exactly, where it is there."""
    if text is None or text in ("NaN", "Infinity", "-Infinity"):
        return value
    return int(text)


def param(row: Mapping[str, Any]) -> Any:
    """A param of the columns type, value and text, as the docs say."""
    match row["type"]:
        case "int":
            return int(row["text"])
        case "float":
            return float(row["text"].replace("Infinity", "inf"))
        case "bool":
            return row["text"] == "true"
        case "list":
            return json.loads(row["text"])
        case _:
            return row["text"]


def compared(journal: Path | Sequence[Path]) -> dict[str, dict[str, Any]]:
    """What ``multitrack compare`` has of each run."""
    wanted = ["name", "project", "status", "started", "ended", "took", "parent", "group", "user", "host", "records", "lines",
              "tags", "params", "metrics", "lists"]  # fmt: skip
    reductions = ("first", "last", "min", "max", "count", "mean", "median")
    reader = multitrack.open_journal(journal)
    table = multitrack.compare.compare(
        reader.runs(), [*wanted, *(f"{group}:{each}" for group in ("metrics", "lists") for each in reductions)]
    )
    found = {}
    for row in table.to_dicts():
        run = reader.run(row["run"]).summary()
        series = {f"metrics.{name}" for name in run.series} | {f"lists.{name}" for name in run.lists}
        simple = {f"metrics.{name}" for name in run.simple}
        found[row["run"]] = {
            name.replace('"', ""): value for name, value in row.items()
            if name.replace('"', "") not in series - simple and name.replace('"', "").rpartition(":")[0] not in simple - series
        }  # fmt: skip
    return found


def plain(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Rows whose values can be compared: NaN is itself, and the params 1, 1.0 and True are three values.

    Metrics are numbers: 1 and 1.0 are one value there, 2**53 + 1 and 2.0**53 are two.
    """
    return {
        run: {name: repr(_number(value) if name.startswith(("metrics.", "lists.")) else value)
              for name, value in sorted(row.items())}
        for run, row in sorted(rows.items())
    }  # fmt: skip


def _number(value: float) -> int | float:
    try:
        return float(value) if float(value) == value else value
    except OverflowError:
        return value
