"""What the cases of ``start`` do in processes of their own, which have imported nothing else.

python starting.py import|first|points|end|hand WHAT SCALE FD      writes its figures to the file descriptor FD
"""

import os
import sys
import time

TRACKERS = ("mlflow", "wandb", "neptune")
clock = time.perf_counter


def memory() -> dict[str, float]:
    """MB of this process: resident, and its own share of what it shares with others."""
    found = {}
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:  # noqa: PTH123 - pathlib is part of what is measured
        for line in file:
            key, _, rest = line.partition(":")
            if key in ("Rss", "Pss"):
                found[key.lower()] = int(rest.split()[0]) / 1024
    return found


def grown(since: dict[str, float]) -> dict[str, float]:
    now = memory()
    return {key: now[key] - since[key] for key in now}


def imports(modules: str, scale: float) -> dict[str, float]:
    before = memory()
    for module in filter(None, modules.split(",")):
        __import__(module)
    return grown(before)


def config(backends: str) -> dict[str, object]:
    trackers = set(TRACKERS) & set(backends.split(","))
    return {"mlflow": {"tracking_uri": "sqlite:///mlflow.db"}, "wandb": {"mode": "offline"}} if trackers else {}


def first(backends: str, scale: float) -> dict[str, float]:
    import multitrack

    figures = {}
    names = list(filter(None, backends.split(",")))
    runs = []
    for which in ("first", "second"):
        begun = clock()
        run = multitrack.start_run("bench", backends=names, config=config(backends))
        held = clock() - begun
        run.log_metric("loss", 0.5, step=0)
        figures |= {f"{which} held": held, f"{which} record": clock() - begun}
        runs.append(run)
        time.sleep(0.5)  # the courier is up, or as good as
    for run in reversed(runs):
        run.end()
    return figures


def points(backends: str, scale: float) -> dict[str, float]:
    before = memory()
    import multitrack

    names = list(filter(None, backends.split(",")))
    detached = {**config(backends), "exit": "detach", "detach_limit": 1.0}
    run = multitrack.start_run("bench", backends=names, config=detached)
    for step in range(int(100_000 * scale)):
        run.log_metric("loss", 0.5, step=step)
    run.end()
    return grown(before)


def end(backend: str, scale: float) -> dict[str, float]:
    import multitrack

    run = multitrack.start_run("bench", backends=[backend], config=config(backend))
    for step in range(100):
        run.log_metric("loss", 0.5, step=step)
    run.flush()
    time.sleep(2.0 * scale)
    begun = clock()
    report = run.end()
    took = clock() - begun
    if not report.complete:
        raise SystemExit(str(report))
    return {"end": took, "left": time.monotonic()}


def hand(tracker: str, scale: float) -> dict[str, float]:
    """The same points by hand, all of them written when the clock starts; the tracker's own way to close a run."""
    close = {"mlflow": by_mlflow, "wandb": by_wandb, "neptune": by_neptune}[tracker]()
    time.sleep(2.0 * scale)
    begun = clock()
    close()
    return {"end": clock() - begun, "left": time.monotonic()}


def by_mlflow():  # type: ignore[no-untyped-def]
    import mlflow

    mlflow.set_tracking_uri("sqlite:///mlflow.db")
    mlflow.start_run()
    for step in range(100):
        mlflow.log_metric("loss", 0.5, step=step)
    return mlflow.end_run


def by_wandb():  # type: ignore[no-untyped-def]
    import wandb

    run = wandb.init(project="bench", mode="offline")
    for step in range(100):
        run.log({"loss": 0.5}, step=step)
    return run.finish


def by_neptune():  # type: ignore[no-untyped-def]
    import neptune

    run = neptune.init_run(
        mode="offline", capture_stdout=False, capture_stderr=False, capture_hardware_metrics=False, source_files=[]
    )
    for step in range(100):
        run["loss"].append(0.5, step=step)
    return run.stop


if __name__ == "__main__":
    what, argument, given, into = sys.argv[1:]
    measured = {"import": imports, "first": first, "points": points, "end": end, "hand": hand}[what](
        argument, float(given)
    )
    os.write(int(into), repr(measured).encode())
