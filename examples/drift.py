"""Drift on scikit-learn's wine data: what a model was trained on, and what two shops send it.

    python examples/drift.py [--out drift-run] [--backends mlflow,wandb]

Half of the wines are the training data, a file. The other half arrives in two shops, which record what they get as
list metrics. The sensor of one shop drifts: it reads the alcohol too high, and later the colour as well.

Needs Evidently, in an environment of its own: pip install 'multitrack[drift]'.
"""

import argparse
import os
import shutil
from pathlib import Path

import numpy as np
from sklearn.datasets import load_wine

import multitrack
from multitrack import drift


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("drift-run"), help="where everything goes; emptied first")
    parser.add_argument("--backends", default="", help="trackers to deliver to; default: none, the journal alone")
    arguments = parser.parse_args()
    out = arguments.out.absolute()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    os.environ["MULTITRACK_JOURNAL"] = str(out / ".multitrack")
    os.environ["MULTITRACK_BACKENDS"] = arguments.backends

    wines = load_wine(as_frame=True).data.sample(frac=1, random_state=0)
    train, rest = wines[:89], wines[89:]
    train.to_csv(out / "train.csv", index=False)
    with multitrack.start_run("wine", "training") as run:
        run.log_artifact_ref("wines", out / "train.csv", kind="dataset", role="input")

    drifting = rest.copy()
    drifting["alcohol"] += 1.0
    drifting.loc[rest.index[30:], "color_intensity"] *= np.linspace(1, 4, len(rest) - 30)
    for name, arriving in (("shop-1", rest), ("shop-2", drifting)):
        with multitrack.start_run("wine", name) as run:
            for wine in arriving.to_dict("records"):  # one at a time, as they arrive
                for column, value in wine.items():
                    run.log_list_metric(column, value)

    for name in ("shop-1", "shop-2"):
        found = drift.compare("training", name, share=0.15)
        drift.record(found, into=name)
        print(f"{name}: {'drift' if found.found else 'no drift'}; drifted: {', '.join(found.drifted) or 'nothing'}")
    print(f"multitrack show shop-2 --journal {os.path.relpath(out / '.multitrack')} shows the figures and the report")


if __name__ == "__main__":
    main()
