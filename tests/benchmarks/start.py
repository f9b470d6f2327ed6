"""What tracking costs a training process beside its calls: importing, the first record, the end, and memory."""

from __future__ import annotations

import ast
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from bench import HERE, Case, Figures, Group, Results

Measure = Callable[[float], Figures]

#: Compiled modules are used and kept, as after an installation.
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
THREE = "mlflow,wandb,neptune"
NOTHING = "recording_backends:counting"


def own(what: str, argument: str, scale: float) -> Figures:
    """The figures of starting.py in a process of its own, and those of that process."""
    read, write = os.pipe()
    # As installed, without folders in front of the standard library, in each of which an import looks first.
    path = str(HERE.parent) if argument == NOTHING else ""
    command = [sys.executable, "-P", str(HERE / "starting.py"), what, argument, str(scale), str(write)]
    begun = time.monotonic()
    process = subprocess.Popen(command, pass_fds=[write], env={**os.environ, "PYTHONPATH": path})
    os.close(write)
    _, status, usage = os.wait4(process.pid, 0)
    ended = time.monotonic()
    process.returncode = os.waitstatus_to_exitcode(status)
    found = os.read(read, 10_000).decode()  # one write
    os.close(read)
    if process.returncode:
        raise SystemExit(f"starting.py {what} {argument} exited with {process.returncode}")
    figures: Figures = ast.literal_eval(found)
    if "left" in figures:
        figures["exit"] = ended - figures.pop("left")
    return {**figures, "wall": ended - begun, "cpu": usage.ru_utime + usage.ru_stime}


def importing(modules: str, times: int) -> Measure:
    """Beside the bare interpreter, by turns."""

    def run(scale: float) -> Figures:
        own("import", modules, 1)  # compiles what was not yet
        pairs = [(own("import", modules, 1), own("import", "", 1)) for _ in range(max(1, round(times * scale)))]
        figures = {
            key: statistics.median(ours[key] - bare[key] for ours, bare in pairs)
            for key in ("wall", "cpu", "rss", "pss")
        }
        return {**figures, "bare": statistics.median(bare["wall"] for _, bare in pairs)}

    return run


def doing(what: str, argument: str) -> Measure:
    return lambda scale: own(what, argument, scale)


IMPORTS = {
    "`import multitrack`": ("multitrack", 5, "60"),
    "its limit: `import msgspec, pluggy`": ("msgspec,pluggy", 5, ""),
    "the three SDKs": (THREE, 1, ""),
    "`import mlflow`": ("mlflow", 1, ""),
    "`import wandb`": ("wandb", 1, ""),
    "`import neptune`": ("neptune", 1, ""),
}
FIRST = {"no backend": "", "one backend of one file": NOTHING, "MLflow, W&B and Neptune": THREE}
ENDS = {"one that needs nothing": (NOTHING, ""), "MLflow on SQLite": ("mlflow", "mlflow"),
        "W&B, offline": ("wandb", "wandb"), "Neptune, offline": ("neptune", "neptune")}  # fmt: skip
POINTS = {"one backend of one file": NOTHING, "MLflow, W&B and Neptune": THREE}

CASES = [
    *(Case(name, importing(modules, times), environment=COMPILED) for name, (modules, times, _) in IMPORTS.items()),
    *(Case(f"start: {name}", doing("first", backends), environment=COMPILED) for name, backends in FIRST.items()),
    *(Case(f"end: {name}", doing("end", backend), environment=COMPILED) for name, (backend, _) in ENDS.items()),
    *(Case(f"by hand: {name}", doing("hand", hand), environment=COMPILED) for name, (_, hand) in ENDS.items() if hand),
    *(Case(f"points: {name}", doing("points", backends), environment=COMPILED) for name, backends in POINTS.items()),
]


def page(results: Results) -> str:
    rows = [
        "| import | ms beyond bare Python | target | CPU ms | RSS MB | PSS MB | target |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, (_, _, target) in IMPORTS.items():
        if name not in results:
            continue
        rows.append(
            f"| {name} | {results.spread(name, 'wall', 1000, '.0f')} | {target and '≤ ' + target} | "
            f"{results.median(name, 'cpu') * 1000:.0f} | {results.median(name, 'rss'):.1f} | "
            f"{results.median(name, 'pss'):.1f} | {target and '< 15'} |"
        )
    for name in POINTS:
        case = f"points: {name}"
        if case not in results:
            continue
        rows.append(
            f"| and a run with 100,000 points, {name} | | | | {results.spread(case, 'rss')} | "
            f"{results.median(case, 'pss'):.1f} | < 15 |"
        )
    bare = results.median("`import multitrack`", "bare") * 1000
    rows += [
        "", f"Bare Python itself takes {bare:.0f} ms. PSS counts memory shared with other processes in part.",
        "", "| start | `start_run` holds the training thread, ms | to the first record, ms | target |", "|---|---|---|---|",
    ]  # fmt: skip
    for name in FIRST:
        for which in ("first", "second"):
            held, record = (results.spread(f"start: {name}", f"{which} {key}", 1000) for key in ("held", "record"))
            rows.append(f"| {name}, {which} of a process | {held} | {record} | ≤ 10 |")
    rows += [
        "", "| end with nothing pending | `end()`, ms | by hand, ms | beyond it, ms | target | the process's exit after it, ms | by hand, ms |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for name, (_, hand) in ENDS.items():
        ours, theirs = f"end: {name}", f"by hand: {name}"
        if ours not in results:
            continue
        took = results.spread(ours, "end", 1000, ".0f")
        left = results.spread(ours, "exit", 1000, ".0f")
        if hand:
            beyond = results.median(ours, "end") - results.median(theirs, "end")
            by_hand, by_hand_left = (results.spread(theirs, key, 1000, ".0f") for key in ("end", "exit"))
        else:
            beyond, by_hand, by_hand_left = results.median(ours, "end"), "", ""
        rows.append(f"| {name} | {took} | {by_hand} | {beyond * 1000:.0f} | ≤ 50 | {left} | {by_hand_left} |")
    return "\n".join(rows)


#: Of the trackers alone W&B, whose SDK is the first to be there.
SHORT = [
    case for case in CASES if not re.search("MLflow on|Neptune, off|mlflow`|neptune`|SDKs|points: MLflow", case.name)
]
GROUP = Group("start", CASES, page, rounds=7, short=SHORT)
