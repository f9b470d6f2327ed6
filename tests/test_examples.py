"""The examples beside the main job, run as their first lines say; what they recorded is what they say of it."""

import json
import os
import re
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from selenium.common.exceptions import TimeoutException

import multitrack
from browser import chromium
from multitrack.reading.recorded_run import RecordedRun
from pictures import BOXES, PICTURES, PLOTTED, SHOWN, lines_of, seen, take
from quiet import QUIET

pytestmark = pytest.mark.slow
EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name: str, *arguments: str, where: Path, **environment: str) -> str:
    """Run one, in an empty directory of its own, and give back what it printed."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments], cwd=where, capture_output=True, text=True,
        env={**os.environ, **QUIET, "HOME": str(where), **environment}, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def runs_in(journal: Path) -> dict[str, RecordedRun]:
    return {run.manifest.name: run for run in multitrack.open_journal(journal).runs()}


@pytest.mark.long
def test_tabular_data_with_a_conditional_space(tmp_path: Path) -> None:
    printed = example("tabular_search", "--trials", "4", where=tmp_path)
    runs = runs_in(tmp_path / "tabular-run" / ".multitrack")
    parent = runs.pop("tabular-search")
    assert set(runs) == {f"trial-{number}" for number in range(4)}
    scores = {}
    for number, run in enumerate(runs.values()):
        trial = json.loads((tmp_path / f"tabular-run/tuner/breast-cancer/trial_{number}/trial.json").read_text())
        told = run.summary()
        assert told.params == trial["hyperparameters"]["values"]
        assert ("C" in told.params) == (told.params["model"] == "svm") != ("trees" in told.params)
        assert told.metrics == {"score": trial["score"]}
        assert run.manifest.parent == parent.id
        scores[str(number)] = trial["score"]
    told = parent.summary()
    assert told.metrics == {"best_score": max(scores.values())}
    assert scores[told.tags["best_trial"]] == max(scores.values())
    assert f"best: trial {told.tags['best_trial']} with" in printed


@pytest.mark.long
def test_a_search_that_dies_and_goes_on(tmp_path: Path) -> None:
    printed = example("resumed_search", "--trials", "4", where=tmp_path)
    runs = runs_in(tmp_path / "resumed-run" / ".multitrack")
    assert set(runs) == {"sine", "trial-0", "trial-1", "trial-2", "trial-2-a2", "trial-3"}
    statuses = {name: run.summary().status for name, run in runs.items()}
    assert statuses == {**dict.fromkeys(runs, "finished"), "trial-2": "killed"}
    steps = {
        name: [point.step for point in run.get_metrics("val_loss").get("val_loss", [])] for name, run in runs.items()
    }
    assert steps.pop("sine") == []
    assert steps.pop("trial-2") in ([0], [0, 1])  # it died where the second epoch's hooks are called
    assert set(map(tuple, steps.values())) == {(0, 1, 2)}
    before, after = re.findall(r"^  sine +(\S+)  (\w+)", printed, re.MULTILINE)
    assert (before, after) == ((runs["sine"].id, "killed"), (runs["sine"].id, "finished"))


def test_keras_on_jax(tmp_path: Path) -> None:
    (tmp_path / "multitrack.toml").write_text('delivery = "off"\n')
    printed = example("jax_training", "--epochs", "2", where=tmp_path, KERAS_BACKEND="jax")
    assert " on jax: accuracy" in printed
    (run,) = runs_in(tmp_path / ".multitrack").values()
    steps = {name: [point.step for point in points] for name, points in run.get_metrics().items()}
    assert steps["loss"] == steps["val_loss"] == steps["learning_rate"] == [0, 1]
    assert steps["batch/loss"] == steps["batch/learning_rate"] == list(range(5, 49, 5))
    assert 0.5 < run.summary().metrics["test_accuracy"] <= 1


@pytest.mark.long
def test_a_chief_and_two_workers(tmp_path: Path) -> None:
    given = ("--trials", "3", "--backends", "neptune,files")
    printed = example("distributed_search", *given, where=tmp_path, KERAS_BACKEND="jax")
    runs = runs_in(tmp_path / "distributed-run" / ".multitrack")
    assert set(runs) == {"sine", "trial-0", "trial-1", "trial-2"}
    assert {run.summary().status for run in runs.values()} == {"finished"}
    shown = {}
    for name, run in runs.items():
        told, lanes = run.summary(), run.lanes()
        assert all(lane.settled for lane in lanes.values())
        worker = told.tags.get("keras_tuner/tuner_id", "")
        score = told.metrics["score" if worker else "best_score"]
        shown[name] = [*filter(None, [worker]), f"{score:.4f}", "finished", lanes["neptune"].id, lanes["files"].id]
    table = [line.split() for line in printed.partition("\nrun ")[2].splitlines()[1:]]
    assert {name: cells for name, *cells in table if name in runs} == shown
    assert ["files", "distributed-run/multitrack-files"] in table
    parent = runs.pop("sine")
    scores = {}
    for name, run in runs.items():
        told, number = run.summary(), name.removeprefix("trial-")
        trial = json.loads((tmp_path / f"distributed-run/tuner/sine/trial_{number}/trial.json").read_text())
        assert run.manifest.parent == parent.id
        assert told.tags["keras_tuner/tuner_id"] in ("worker-1", "worker-2")
        assert told.metrics["score"] == trial["score"]
        assert told.params.items() >= trial["hyperparameters"]["values"].items()
        assert run.context.pid != parent.context.pid
        scores[number] = trial["score"]
    told = parent.summary()
    assert told.metrics["best_score"] == min(scores.values()) == scores[told.tags["best_trial"]]


@pytest.mark.long
@pytest.mark.parametrize("trouble", ["a worker is killed", "Ctrl-C", "SIGTERM"])
def test_a_distributed_search_leaves_no_process_behind(tmp_path: Path, trouble: str) -> None:
    search = subprocess.Popen(
        # SIGINT is ignored by what a shell has started in the background, and by all that this starts.
        [sys.executable, "-c", "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
         "sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')", str(EXAMPLES / "distributed_search.py")],
        cwd=tmp_path, env={**os.environ, **QUIET, "HOME": str(tmp_path)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert search.stdout is not None
    pids = dict(re.findall(r"([\w-]+) \(pid (\d+)\)", search.stdout.readline()))
    assert list(pids) == ["chief", "worker-1", "worker-2"]
    if trouble == "a worker is killed":
        os.kill(int(pids["worker-2"]), signal.SIGKILL)
    else:
        search.send_signal(signal.SIGINT if trouble == "Ctrl-C" else signal.SIGTERM)
    _, said = search.communicate(timeout=60)
    assert search.returncode == 1
    assert {"a worker is killed": "worker-2 ended with status -9", "Ctrl-C": "interrupted", "SIGTERM": "terminated"}[
        trouble
    ] in said
    assert not any(alive(int(pid)) for pid in pids.values())


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What the grid of nine trainings left behind, and what it printed."""
    home = tmp_path_factory.mktemp("grid")
    return home / "digits-grid", example("digits_grid", "--epochs", "2", where=home)


def accuracies(out: Path) -> dict[str, float]:
    """The validation accuracy that each training ended with."""
    runs = runs_in(out / ".multitrack")
    return {
        name: run.get_metrics("val_accuracy")["val_accuracy"][-1].value for name, run in runs.items() if name != "grid"
    }


@pytest.mark.long
def test_a_grid_ends_with_its_table_and_its_report(grid: tuple[Path, str]) -> None:
    out, printed = grid
    runs = runs_in(out / ".multitrack")
    parent = runs.pop("grid")
    assert {run.manifest.parent for run in runs.values()} == {parent.id}
    assert sorted((run.get_params()["learning_rate"], run.get_params()["batch_size"]) for run in runs.values()) == [
        (rate, size) for rate in (0.0001, 0.001, 0.01) for size in (32, 64, 128)
    ]
    ids = {run.id: name for name, run in runs.items()}
    shown = [ids[line.split()[0]] for line in printed.splitlines()[1:10]]
    found = accuracies(out)
    assert [found[name] for name in shown] == sorted(found.values(), reverse=True)
    assert re.search(r"report\.html: 10 runs, \d\.\d MB$", printed, re.MULTILINE)


@pytest.mark.long
@pytest.mark.case(26)
def test_the_pictures_in_the_docs_are_of_the_grid(grid: tuple[Path, str], tmp_path: Path) -> None:
    out, printed = grid
    taken = tmp_path / "pictures"
    taken.mkdir()
    with chromium(tmp_path / "chromium") as page:
        page.open(printed.split()[-1])  # which sorts it
        found = accuracies(out)
        assert [found[name] for name in page.rows()[:9]] == sorted(found.values(), reverse=True)
        boxes = take(page, out, taken)
        assert page.troubles() == []
        assert page.requests() == []
    assert set(boxes) == {shown.name for shown in SHOWN}
    for folder in (taken, PICTURES):  # each of the things is there, and more of it than a stray dot
        for shown in SHOWN:
            lines = lines_of(folder / f"{shown.name}.png", boxes[shown.name])
            assert len(lines) >= shown.least, shown.name
            assert min(lines) > 20, f"{folder / shown.name} lacks some of {shown.subject}: {lines}"
        assert all(min(lines_of(folder / f"{name}.png")) > 2000 for name, _ in PLOTTED)
    readmes = "".join(path.read_text() for path in EXAMPLES.parent.glob("plugins/*/README.md"))
    of_backends = set(re.findall(r"\]\(\.\./\.\./docs/pictures/(.*?)\)", readmes))
    assert of_backends < {path.name for path in PICTURES.iterdir()}
    shown = {path.name: size_of(path) for path in PICTURES.iterdir() if path.name not in of_backends}
    assert {path.name: size_of(path) for path in taken.iterdir()} == shown, "run: python tests/pages/pictures.py"
    text = (EXAMPLES.parent / "docs" / "reading.md").read_text()
    assert set(re.findall(r"\]\(pictures/(.*?)\)", text)) == set(shown)
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < 1_000_000


@pytest.mark.long
@pytest.mark.case(26)
def test_no_picture_is_taken_of_an_empty_page(grid: tuple[Path, str], tmp_path: Path) -> None:
    """Neither of one that does not draw, nor of one on which the things are out of the window."""
    out, _ = grid
    graphs = next(shown for shown in SHOWN if shown.name == "report-graphs")
    with chromium(tmp_path / "chromium") as page:
        page.open(f"{(out / 'report.html').as_uri()}#{graphs.fragment}", width=1100, height=graphs.size[1])
        assert len(seen(page, graphs)) >= graphs.least
        page.shot(tmp_path / "drawn.png")
        page.js("(document.querySelectorAll('.plot .trace').forEach((e) => e.remove()), 0)")
        with pytest.raises(TimeoutException):
            seen(page, graphs)
        page.shot(tmp_path / "undrawn.png")
        page.open(f"{(out / 'report.html').as_uri()}#{graphs.fragment}", width=1100, height=60)
        page.js("(document.querySelector('#graphs').scrollIntoView(), 0)")
        assert page.js(BOXES, graphs.subject) == []
    box = [[0, 160, 1100, 400]]
    assert lines_of(tmp_path / "undrawn.png", box)[0] < lines_of(tmp_path / "drawn.png", box)[0] / 2
    assert lines_of(tmp_path / "drawn.png", [[1, 1, 4, 4]]) == [0]


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height
