"""Tabular data with scikit-learn: a KerasTuner search over two kinds of model, each trial a run.

    python examples/tabular_search.py [--trials 8] [--out tabular-run] [--backends mlflow,wandb,neptune]

The space is conditional: a random forest has other hyperparameters than a support vector machine, and each trial's
run holds those that it used. ``SklearnTuner`` cross-validates each trial; its score is the mean accuracy.
"""

import argparse
import os
import shutil
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's start-up messages
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

from sklearn.base import ClassifierMixin
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import multitrack
import multitrack.keras_tuner as kt


def build(hp: Any) -> ClassifierMixin:
    """A forest or a support vector machine."""
    if hp.Choice("model", ["forest", "svm"]) == "forest":
        with hp.conditional_scope("model", ["forest"]):
            return RandomForestClassifier(
                n_estimators=hp.Int("trees", 10, 60, step=10), max_depth=hp.Int("depth", 2, 8), random_state=0
            )
    with hp.conditional_scope("model", ["svm"]):
        return make_pipeline(StandardScaler(), SVC(C=hp.Float("C", 0.1, 100, sampling="log")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=8, help="how many sets of hyperparameters to try")
    parser.add_argument("--out", type=Path, default=Path("tabular-run"), help="where everything goes; emptied first")
    parser.add_argument("--backends", default="", help="trackers to deliver to; default: none, the journal alone")
    arguments = parser.parse_args()
    out = arguments.out.absolute()
    shutil.rmtree(out, ignore_errors=True)

    x, y = load_breast_cancer(return_X_y=True)
    config = {
        "journal": str(out / ".multitrack"),
        "mlflow": {"tracking_uri": f"sqlite:///{out}/mlflow.db"},
        "wandb": {"mode": "offline", "dir": str(out)},
        "neptune": {"directory": str(out / ".neptune")},
    }
    backends = [name for name in arguments.backends.split(",") if name]
    with multitrack.start_run("breast-cancer", "tabular-search", params=arguments, config=config, backends=backends):
        tuner = kt.SklearnTuner(
            oracle=kt.oracles.BayesianOptimizationOracle(
                objective=kt.Objective("score", "max"), max_trials=arguments.trials, seed=1
            ),
            hypermodel=build,
            cv=StratifiedKFold(5, shuffle=True, random_state=0),
            directory=out / "tuner",
            project_name="breast-cancer",
        )
        tuner.search(x, y)

    for run in multitrack.open_journal(out / ".multitrack").runs():
        told = run.summary()
        if run.manifest.parent:
            params = ", ".join(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
                               for name, value in told.params.items())  # fmt: skip
            print(f"{run.manifest.name:9} {told.metrics['score']:.4f}  {params}")
        else:
            best = told.tags["best_trial"], told.metrics["best_score"]
    print(f"best: trial {best[0]} with {best[1]:.4f}; everything is in {os.path.relpath(out)}")


if __name__ == "__main__":
    main()
