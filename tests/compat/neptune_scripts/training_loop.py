"""A training with steps of its own, validation at times, and a number that is assigned again and again."""

import argparse
import datetime

import neptune

run = neptune.init_run(
    project="team/digits", name="loop", description="a loop", capture_hardware_metrics=False, capture_stdout=False,
    capture_stderr=False, flush_period=1, source_files=[], git_ref=False,
)  # fmt: skip
run["config"] = argparse.Namespace(batch=32, epochs=3, note="first\nsecond")
run["started"] = datetime.datetime(2024, 2, 3, 4, 5, 6, tzinfo=datetime.UTC)
for epoch in range(3):
    for batch in range(4):
        run["metrics/batch/loss"].append(1 / (1 + epoch * 4 + batch), step=epoch * 4 + batch, timestamp=1.7e9 + batch)
    run["metrics/epoch"].append({"loss": 1 / (epoch + 1), "val": {"loss": 2 / (epoch + 1)}}, step=10 * epoch)
    run["progress/epoch"] = epoch
run["metrics/curve"].extend([0.5, 0.25, 0.125], steps=[0, 4, 9])
run["metrics/half"].append(1.0, step=2.5)
run["metrics/half"].append(2.0)
run["legacy"].log(3.5)
run["legacy"].log([4.5, 5.5])
run["model/size"] = 12.5
run.stop()
