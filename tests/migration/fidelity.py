"""Measure how much of the runs of each source arrives in each target, and write it into ``docs/migrate.md``.

``python tests/migration/fidelity.py``: the runs of a source, hostile values included, are written by its own SDK,
imported, replayed to each target, read back from there, and imported from there into another journal. Names of sources
as arguments measure these alone, and leave the page as it is.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "migrate.md"
sys.path += [str(ROOT / "plugins" / name / "tests") for name in ("mlflow", "wandb", "neptune")]

import multitrack  # noqa: E402
from multitrack.migration.importing import import_runs  # noqa: E402
from multitrack.migration.opening import open_source  # noqa: E402
from multitrack.migration.verifying import Verified, compare_runs, verify_run  # noqa: E402

#: Where each backend writes to, in the directory of one measurement; None if nothing imports from there.
TARGETS: dict[str, str | None] = {
    "mlflow": "target.db", "wandb": "target/wandb", "neptune": "target/neptune", "tensorboard": "target/logs",
    "trackio": "target/trackio", "goodseed": None, "files": None,
}  # fmt: skip
#: Of the backends with this option: the folder.
FOLDERS = {
    name: (path or f"/{name}").partition("/")[2] for name, path in TARGETS.items() if name not in ("mlflow", "wandb")
}
START = 1_700_000_000_000
_BEGIN, _END = "<!-- measured: fidelity -->", "<!-- end: fidelity -->"


def write_mlflow(place: Path) -> Path:
    from mlflow_history import write_history

    write_history(f"sqlite:///{place}/mlflow.db", many=500)
    return place / "mlflow.db"


def write_wandb(place: Path) -> Path:
    from wandb_history import write_history

    write_history(place)
    return place / "wandb"


def write_neptune(place: Path) -> Path:
    from neptune_history import write_history

    return write_history(place, many=500)


def write_tensorboard(place: Path) -> Path:
    code = """
import tensorflow as tf
with tf.summary.create_file_writer("logs/one").as_default():
    for i in range(500):
        tf.summary.scalar("loss", 1 / (i + 1), step=i)
    for value in (float("nan"), float("inf"), 1e-40):
        tf.summary.scalar("odd", value, step=3)
    tf.summary.text("note", "a", step=1)
"""
    run(place, code)
    return place / "logs"


def write_trackio(place: Path) -> Path:
    code = """
import math, trackio
trackio.init(project="digits", name="one", config={"lr": 0.1, "m": {"u": [1, 2]}}, group="g", auto_log_gpu=False)
for i in range(500):
    trackio.log({"loss": 1 / (i + 1), "nested": {"a": i}}, step=i)
trackio.log({"odd": math.nan, "big": 2**60}, step=400)
trackio.log({"odd": -math.inf}, step=2)
trackio.finish()
"""
    run(place, code)
    return place / "trackio"


def write_keras_tuner(place: Path) -> Path:
    code = """
import keras, keras_tuner, numpy as np
def build(hp):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(hp.Int("units", 1, 4)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("lr", 1e-4, 1e-2, sampling="log")), "mse", metrics=["mae"])
    return model
tuner = keras_tuner.RandomSearch(build, "val_mae", max_trials=3, executions_per_trial=2, directory="searches",
                                 project_name="search")
x, y = np.ones((8, 2)), np.ones((8, 1))
tuner.search(x, y, validation_data=(x, y), epochs=2, verbose=0)
"""
    run(place, code)
    return place / "searches" / "search"


def write_csv(place: Path) -> Path:
    rows = [f"a,{step},{START + step},{1 / (step + 1)},0.1\n" for step in range(500)]
    odd = [f"b,{step},{START},{value},0.2\n" for step, value in enumerate(("nan", "inf", "-inf", "1e-320", str(2**60)))]
    (place / "runs.csv").write_text("run,step,time,loss,lr\n" + "".join(rows + odd))
    return place / "runs.csv"


SOURCES: dict[str, Callable[[Path], Path]] = {
    "MLflow": write_mlflow, "W&B": write_wandb, "Neptune": write_neptune, "TensorBoard": write_tensorboard,
    "Trackio": write_trackio, "KerasTuner": write_keras_tuner, "CSV": write_csv,
}  # fmt: skip


def run(place: Path, code: str) -> None:
    environment = {**os.environ, "TRACKIO_DIR": str(place / "trackio"), "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", code], cwd=place, env=environment, check=True, capture_output=True)


def bring(source: str, place: Path) -> Path:
    """Write the runs of a source, import them, and return the journal."""
    journal = place / "journal"
    opened = open_source(str(SOURCES[source](place)))
    outcomes = [getattr(each, "outcome", each) for each in import_runs(opened, journal)]
    assert outcomes == ["new"] * len(outcomes), outcomes
    assert outcomes
    return journal


def measure(source: str, targets: Iterable[str], place: Path) -> Iterator[tuple[str, list[Verified]]]:
    """Bring the runs of a source to each target, and yield how each run is there, and after an import from there."""
    journal = bring(source, place)
    (place / "multitrack.toml").write_text(
        f'journal = "{journal}"\n[mlflow]\ntracking_uri = "sqlite:///{place}/target.db"\n[wandb]\nmode = "offline"\n'
        f'dir = "{place}/target"\n'
        + "".join(f'[{name}]\ndirectory = "{place}/target/{folder}"\n' for name, folder in FOLDERS.items())
    )
    for target in targets:
        command = [sys.executable, "-m", "multitrack", "replay", "--to", target]
        subprocess.run(command, cwd=place, check=True, capture_output=True)
        runs = list(multitrack.open_journal(journal).runs())
        assert runs
        found = [verify_run(each, target) for each in runs]
        written = TARGETS[target]
        if written is not None:
            back = place / f"back from {target}"
            done = list(import_runs(open_source(str(place / written), target), back))
            assert len(done) == len(runs), done
            found += [compare_runs(each, multitrack.open_journal(back).run(each.id)) for each in runs]
        yield target, found


def cell(found: list[Verified]) -> str:
    """``all of 508``, or the share with the things that have a stand-in or differ."""
    assert not any(each.error for each in found), [each.error for each in found]
    equal = sum(each.equal for each in found)
    others = [finding for each in found for finding in each.findings]
    total = equal + sum(finding.count for finding in others)
    things = sorted({f"{finding.thing} ({finding.outcome})" for finding in others})
    share = "all" if equal == total else f"{100 * equal / total:.2f} %"
    return "; ".join([f"{share} of {total:,}", *things])


def stand_ins(place: Path) -> set[tuple[str, str]]:
    """The sentences of each target about values that it holds in another form."""
    runs = multitrack.open_journal(place / "journal").runs()
    return {(name, sentence) for run in runs for name, lane in run.lanes().items() for sentence in lane.stand_ins}


def main() -> None:
    chosen = sys.argv[1:] or list(SOURCES)
    rows = ["| from | " + " | ".join(TARGETS) + " |", "|---|" + "---|" * len(TARGETS)]
    said: set[tuple[str, str]] = set()
    for source in chosen:
        with tempfile.TemporaryDirectory() as place:
            cells = [cell(found) for _, found in measure(source, TARGETS, Path(place))]
            said |= stand_ins(Path(place))
        rows.append(f"| {source} | " + " | ".join(cells) + " |")
        print(rows[-1], flush=True)
    if chosen == list(SOURCES):
        rows += ["", "| target | what it held in another form |", "|---|---|"]
        for target in TARGETS:
            rows += [f"| {target} | {sentence} |" for sentence in sorted(text for name, text in said if name == target)]
        text, table = PAGE.read_text(), "\n".join([_BEGIN, *rows, _END])
        PAGE.write_text(re.sub(f"{_BEGIN}.*{_END}", lambda _: table, text, flags=re.DOTALL))


if __name__ == "__main__":
    main()
