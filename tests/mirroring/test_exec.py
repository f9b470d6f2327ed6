"""Scripts of each SDK run under ``multitrack exec`` as they do without, and the journal equals the SDK's own store.

The scripts do what the public examples of the SDKs do, and are written anew.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from comparison import Expected, runs_as_without
from observed import SCRIPTS, run

FAILED = ("failed",)
#: The oldest release that is supported does not note that a run failed.
NEPTUNE = tuple(map(int, version("neptune").split(".")[:2]))
ROWS = {
    "wandb-hello": Expected(points={"loss": 5, "accuracy": 5}, params={"lr": 0.02, "epochs": 5}),
    "wandb-config": Expected(
        points={"loss": 4, "val.loss": 4, "val.deep.acc": 4, "late": 1}, values={"best": 0.25, "loss.min": 0.25},
        params={"lr": 0.01, "optimizer/name": "adam", "model/layers": [1, 2], "seed": 7, "dropout": 0.5},
        tags={"one": "true", "two": "true", "job_type": "train", "step_metric/val/*": "epoch"},
        lines=("alert WARN: slow: no progress", "for an hour"),
    ),
    "wandb-resume": Expected(points={"loss": 6}, params={"lr": 0.1}),
    "wandb-runs": Expected(statuses=("finished",) * 3, points={"loss": 3}, params={"lr": 0.1}),
    "wandb-artifacts": Expected(points={"accuracy": 1}, references=("train", "classifier", "model.bin")),
    "wandb-media": Expected(points={"loss": 3}, tags={"summary/text": "some text"}),
    "wandb-keras": Expected(points={"batch/loss": 4, "epoch/loss": 2, "epoch/val_mae": 2}, params={"units": 4}),
    "wandb-fails": Expected(statuses=FAILED, points={"loss": 2}, params={"lr": 10.0}, status=1),
    "wandb-exits": Expected(statuses=FAILED, points={"loss": 1}, status=3),
    "mlflow-fluent": Expected(
        points={"loss": 5, "accuracy": 5, "f1": 5}, params={"lr": 0.1, "units": 64, "optimizer": "adam"},
        tags={"team": "vision", "stage": "test", "b": "two"},
    ),
    "mlflow-client": Expected(
        statuses=FAILED, points={"loss": 20, "best": 1}, params={"lr": 0.1, "layers": [1, 2]},
        tags={"team": "audio", "phase": "one"},
    ),
    "mlflow-nested": Expected(statuses=("finished",) * 4, points={"best": 1}, params={"trials": 3}, children=3),
    "mlflow-files": Expected(points={"rows": 1}, references=("config.json", "digit.png", "notes", "table.json", "train")),
    "mlflow-sklearn": Expected(
        points={"training_score": 1, "training_f1_score": 1}, params={"C": 0.5, "max_iter": 50},
        tags={"estimator_name": "LogisticRegression"}, references=("estimator.html", "dataset"),
    ),
    "mlflow-keras": Expected(
        points={"loss": 3, "val_mae": 3}, params={"epochs": 3, "batch_size": 8},
        references=("model_summary.txt", "tensorboard_logs"),
    ),
    "mlflow-model": Expected(points={"r2": 1}, params={"intercept": True}, references=("model",)),
    "mlflow-place": Expected(statuses=("finished",) * 2, points={"loss": 1}),
    "mlflow-fails": Expected(statuses=FAILED, points={"loss": 1}, params={"lr": 0.1}, status=1),
    "neptune-hello": Expected(
        points={"train/loss": 5, "train/accuracy": 5}, tags={"one": "true", "two": "true"}, project="team/digits",
        params={"parameters/lr": 0.1, "parameters/optimizer": "adam", "f1": 0.66},
    ),
    "neptune-namespaces": Expected(
        points={"metrics/loss": 3, "metrics/a": 1, "metrics/b": 1}, values={"params/model/units": 128},
        params={"params/model/layers": "[1, 2]", "params/model/bias": True},
    ),
    "neptune-tags": Expected(params={"n": 3}, tags={"kept": "true", "later": "true", "my/words/b": "true"}),
    "neptune-files": Expected(
        params={"accuracy": 0.9},
        references=("source_code/files", "model/weights", "model/more", "note", "data/train", "data/local", "samples/0", "samples/5"),
    ),
    "neptune-context": Expected(statuses=("finished",) * 2, points={"loss": 3}, params={"lr": 0.1}),
    "neptune-custom": Expected(points={"loss": 1, "monitoring/memory": 1}, status=3),
    "neptune-fails": Expected(statuses=FAILED if NEPTUNE >= (1, 14) else ("finished",), points={"loss": 1}, params={"lr": 10.0}, status=1),
    "tensorboard-summary": Expected(points={"loss": 5, "accuracy": 5}),
    "tensorboard-keras": Expected(points={"train/epoch_loss": 3, "validation/epoch_mae": 3}),
    "tensorboard-hparams": Expected(statuses=("finished",) * 3),
    "tensorboard-restart": Expected(points={"loss": 10}),
    "tensorboard-loop": Expected(points={"train/loss": 3, "test/eval/loss": 3}),
    "tensorboard-fails": Expected(points={"loss": 1}, status=1),
}  # fmt: skip


def test_every_script_is_run() -> None:
    assert {f"{name.replace('-', '_')}.py" for name in ROWS} == {path.name for path in SCRIPTS.glob("*.py")}


@pytest.mark.slow
@pytest.mark.long("wandb-hello", "mlflow-fluent", "neptune-hello", "tensorboard-summary")
@pytest.mark.parametrize("name", ROWS)
def test_a_script_runs_as_without_and_is_recorded(tmp_path: Path, name: str) -> None:
    runs_as_without(SCRIPTS / f"{name.replace('-', '_')}.py", ROWS[name], tmp_path, tracker=name.partition("-")[0])


def test_what_differs_is_seen(tmp_path: Path) -> None:
    """Normalized output still differs in every word and number that a script prints itself."""
    place = tmp_path / "place"
    (first, second) = (run(place, sys.executable, "-c", f"print('loss', 0.{digit}, 'epoch-one')") for digit in (1, 2))
    assert first.normal(place)[1] == "loss 0.1 epoch-one\n"
    assert first.normal(place) != second.normal(place)
