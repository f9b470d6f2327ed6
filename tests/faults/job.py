"""A training process with its real courier, for a tracker that fails while it runs.

``python job.py OPTIONS``, OPTIONS being JSON: the backend, its options, and how patient the end of the run is. It trains
up to the middle, says so, goes on when told to on standard input, ends the run, and reports each as a line of JSON.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

import multitrack
from multitrack.delivery import waiting
from multitrack.recording import couriers

#: Steps before and after the middle.
HALF = 40


def train(run: multitrack.Run, start: int, count: int, weight: float, pause: float = 0.02) -> float:
    """Some steps of it; gives the weight, which no tracker may change."""
    for step in range(start, start + count):
        weight = weight * 0.9 + step
        run.log_metric("loss", weight, step=step)
        run.log_metrics({"accuracy": 1 / (step + 1), "rate": 0.5**step}, step=step)
        run.log_lines([f"step {step}"])
        time.sleep(pause)
    run.log_metric("best", weight)
    run.log_list_metric("list", [weight, float(start)])
    run.set_tags({"reached": str(start + count)})
    return weight


def say(**told: Any) -> None:
    print(json.dumps(told), flush=True)


def is_delivered(run: multitrack.Run, backend: str, seconds: float = 200.0) -> bool:
    """Wait for the tracker, however busy the machine is: a flush ends earlier where nothing moves for a while."""
    deadline = time.monotonic() + seconds
    while run.flush(timeout=20)[backend].pending and time.monotonic() < deadline:
        time.sleep(0.2)
    return run.flush(timeout=0)[backend].pending == 0


def main(given: dict[str, Any]) -> None:
    logging.basicConfig(format="%(message)s")  # on stderr, as without it
    logging.getLogger("multitrack").setLevel(logging.INFO)  # which says that the courier was replaced, too
    backend = given["backend"]
    config = {"journal": "journal", "interval": 0.2, backend: given["options"]}
    run = multitrack.start_run(
        "faults", run_id=given["id"], config=config, backends=[backend], params={"lr": 0.1, "model": {"units": 64}}
    )
    weight = train(run, 0, HALF, 1.0)
    say(middle=given["healthy"] and is_delivered(run, backend))
    sys.stdin.readline()
    weight = train(run, HALF, HALF, weight)
    run.log_artifact_ref("weights", "s3://bucket/weights", kind="model")
    say(result=weight)
    # The same waits as ever, only shorter than the 30 s and more that nobody wants a test to take.
    waiting.STALL = waiting.START = given["patience"]  # type: ignore[misc]
    couriers.EXIT_LIMIT = 1.0  # type: ignore[misc]
    began = time.monotonic()
    report = run.end()
    say(end=time.monotonic() - began, pending=report.pending, complete=report.complete)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
