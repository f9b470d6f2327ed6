"""Journals with a lineage: data that is prepared, a model that is trained on it, and runs that use the model."""

from pathlib import Path
from typing import Any

import multitrack

#: DVC's version of the raw data.
RAW = "dvc:md5:0a1b2c3d4e5f60718293a4b5c6d7e8f9"


def start(name: str, journal: str | Path = ".multitrack", **more: Any) -> multitrack.Run:
    config = {"delivery": "off", "journal": str(journal)}
    return multitrack.start_run("digits", name, config=config, **more)


def chain(folder: Path, journal: str | Path = ".multitrack", uses: str | Path | None = None) -> None:
    """Record ``prepare``, ``train`` and ``evaluate``; the last in another journal, if one is given."""
    data, model = folder / "clean.csv", folder / "model.keras"
    data.write_text("1,2,3\n")
    model.write_text("weights")
    with start("prepare", journal) as run:
        run.log_artifact_ref("raw", "https://data.example.org/raw.csv", kind="dataset", role="input", version=RAW)
        run.log_artifact_ref("clean", data, kind="dataset")
    with start("train", journal, params={"lr": 0.1}) as run:
        run.log_artifact_ref("train", data, kind="dataset", role="input")
        run.log_metric("val_accuracy", 0.93)
        run.log_artifact_ref("classifier", model, kind="model")
    with start("evaluate", uses or journal) as run:
        copied = folder / "copied.keras"
        copied.write_bytes(model.read_bytes())
        run.log_artifact_ref("pretrained", copied, kind="model", role="input")
