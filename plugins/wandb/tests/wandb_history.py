"""Runs as users of W&B have them, written by W&B's own SDK: ``python wandb_history.py``, in a project.

In a process of its own, without telemetry: the SDK's helper process would serve later tests with these settings.
"""

import math
import os
import subprocess
import sys
from pathlib import Path

#: Number of values of the longest series.
MANY = 3000


def write_history(project: Path, server: str | None = None, key: str = "") -> None:
    """Write the runs ``search1`` and ``failed1`` into the directory ``wandb`` of a project, or also to a server."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    environment |= {"WANDB_ERROR_REPORTING": "false", "WANDB_MODE": "offline", "HOME": str(project)}
    if server is not None:
        environment |= {"WANDB_MODE": "online", "WANDB_BASE_URL": server, "WANDB_API_KEY": key}
    subprocess.run([sys.executable, __file__], cwd=project, env=environment, check=True, capture_output=True)


def main() -> None:
    import wandb

    def settings() -> wandb.Settings:  # the SDK keeps a run's name in it
        return wandb.Settings(silent=True, x_disable_stats=True, console="off")

    run = wandb.init(
        project="digits", id="search1", name="Suche ä/ö", group="g", job_type="train", notes="of\nunits",
        tags=["baseline"], config={"lr": 0.001, "model": {"units": 64, "name": "mlp"}, "layers": [1, 2]},
        settings=settings(),
    )  # fmt: skip
    run.define_metric("acc")
    run.define_metric("val/*", step_metric="acc")
    run.log({"acc": 1, "val/loss": 2.5})
    for i in range(MANY):
        run.log({"loss": 1 / (i + 1), "nested": {"acc": i}} if i % 2 else {"loss": 1 / (i + 1)})
    run.log({"odd": math.nan, "big": 2**60, "flag": True, "text": "some"}, step=MANY + 10)
    run.log({"odd": -math.inf}, step=MANY + 11)
    run.alert("low", "the accuracy\nis low", level="WARN", wait_duration=5)
    run.alert("done", "")
    run.summary["best"] = 0.5
    run.summary["loss"] = 0.25
    run.summary["note"] = "good"
    run.config.update({"late": None})
    reference = wandb.Artifact("train", type="dataset")
    reference.add_reference("https://bucket.example/train", checksum=False)
    run.log_artifact(reference)
    if hasattr(run, "write_logs"):
        run.write_logs("one\ntwo\n10%\r20%\rthree\nrest")
    run.finish()
    failed = wandb.init(project="digits", id="failed1", settings=settings())
    failed.log({"loss": 1})
    failed.finish(exit_code=1)


if __name__ == "__main__":
    main()
