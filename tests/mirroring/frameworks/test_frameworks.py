"""Scripts of training frameworks run under ``multitrack exec`` as without, and the journal equals the SDKs' own stores.

The scripts do what the public examples of the frameworks do, and are written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from comparison import Expected, has_runs, same_as_without

SCRIPTS = Path(__file__).parent / "scripts"
#: What each script does, by tracker.
ROWS: Mapping[str, Mapping[str, Expected]] = {
    "tensorboard-torch": {"tensorboard": Expected(
        points={"loss/train": 6, "lr": 3}, lines=("note/text_summary: a straight line",)
    )},
    "tensorboard-torch-parts": {"tensorboard": Expected(statuses=("finished",) * 6, points={"angle": 4})},
    "tensorboard-x": {"tensorboard": Expected(
        statuses=("finished",) * 5, points={"data/loss": 5}, lines=("note/text_summary: written by tensorboardX",)
    )},
    "wandb-torch": {"wandb": Expected(points={"loss": 5, "lr": 5}, params={"lr": 0.05}, references=("weights",))},
    "wandb-xgboost": {"wandb": Expected(
        points={"validation_0-rmse": 5, "best_score": 1}, params={"depth": 2},
    )},
    "mlflow-torch": {"mlflow": Expected(points={"loss": 4}, params={"optimizer": "SGD"}, references=("model",))},
    "mlflow-xgboost": {"mlflow": Expected(
        statuses=("finished",) * 2, points={"train-rmse": 6, "valid-rmse": 6}, params={"max_depth": 2, "eta": 0.3},
        references=("feature_importance_weight.json", "train", "valid"),
    )},
    "mlflow-lightning": {"mlflow": Expected(
        points={"train_loss": 3, "val_loss": 3}, params={"epochs": 3, "optimizer_name": "SGD"}, tags={"Mode": "training"},
        references=("model_summary.txt", "checkpoints"),
    )},
    "all-lightning": {
        "tensorboard": Expected(points={"train/loss": 6, "val/loss": 3, "epoch": 9}, params={"units": 1, "lr": 0.1}),
        "wandb": Expected(
            points={"train/loss": 6, "val/loss": 3, "trainer/global_step": 9}, params={"units": 1, "lr": 0.1},
            tags={"small": "true", "step_metric/*": "trainer/global_step"},
        ),
        "mlflow": Expected(
            points={"train/loss": 6, "val/loss": 3}, params={"units": 1, "lr": 0.1}, tags={"size": "small"},
            references=("epoch=2-step=12",),
        ),
    },
    "all-transformers": {
        "tensorboard": Expected(points={"train/loss": 4, "eval/loss": 2, "train/train_loss": 1}),
        "wandb": Expected(
            points={"train/loss": 4, "eval/loss": 2}, params={"hidden_size": 8, "num_train_epochs": 2},
            values={"total_flos": 813312.0},
        ),
        "mlflow": Expected(points={"loss": 4, "eval_loss": 2}, params={"hidden_size": 8, "num_train_epochs": 2}),
    },
}  # fmt: skip


def test_every_script_is_run() -> None:
    assert {f"{name.replace('-', '_')}.py" for name in ROWS} == {path.name for path in SCRIPTS.glob("*.py")}


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_a_script_of_a_framework_runs_as_without_and_is_recorded(tmp_path: Path, name: str) -> None:
    runs = same_as_without(SCRIPTS / f"{name.replace('-', '_')}.py", tmp_path)
    by_tracker = {
        tracker: [each for each in runs if each.manifest.imported and each.manifest.imported.tracker == tracker]
        for tracker in ROWS[name]
    }
    assert sum(map(len, by_tracker.values())) == len(runs)
    for tracker, expected in ROWS[name].items():
        has_runs(by_tracker[tracker], expected)
