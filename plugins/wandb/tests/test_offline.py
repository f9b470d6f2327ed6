"""Offline: the files hold exactly what the journal holds."""

import math
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from offline_runs import record, start, sync
from stand_in_server import KEY, StandInServer
from wandb_file import directories, milliseconds, native, read_native, read_wandb
from wandb_lanes import lane_of, step

import multitrack
from multitrack.journal.manifest import read_manifest
from multitrack.recording.run import Run
from multitrack_wandb import backend
from multitrack_wandb.internals import lookup
from multitrack_wandb.names import param_key


def test_one_row_a_call_and_the_step_as_axis_of_every_series(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.log_metrics({"loss": 0.5, "f1@0.5": 0.25}, step=10)
    run.log_list_metric("curve", [3.0, 4.0])
    run.log_metrics({"loss": 0.25, "star*": 1.0}, step=11)
    run.log_metric("best", 0.125)
    run.end()
    sync(tmp_path)
    held = read_wandb(tmp_path, run.id)
    shown = [{key: value for key, value in row.items() if key not in ("_timestamp", "_runtime")} for row in held.rows]
    assert shown == [
        {"_step": 0, "multitrack/step": 10, "loss": 0.5, "f1@0.5": 0.25},
        {"_step": 1, "multitrack/step": 0, "curve": 3.0},
        {"_step": 2, "multitrack/step": 1, "curve": 4.0},
        {"_step": 3, "multitrack/step": 11, "loss": 0.25, "star*": 1.0},
    ]
    assert held.axes == dict.fromkeys(("loss", "f1@0.5", "curve"), "multitrack/step")
    assert held.hidden == {"multitrack/step"}
    assert {key: value for key, value in held.summary.items() if not key.startswith("_")} == {
        "best": 0.125, "loss": 0.25, "f1@0.5": 0.25, "curve": 4.0, "star*": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize("series_first", [True, False])
def test_a_simple_metric_is_not_taken_for_the_exact_text_of_its_series(tmp_path: Path, series_first: bool) -> None:
    run = start(tmp_path)
    for series in (series_first, not series_first):
        if series:
            run.log_metrics({"loss": 10**400, "count": 2**53 + 3, "best": 2**60 + 1}, step=0)
        else:
            run.log_metrics({"loss": math.inf, "count": 2**53 + 1, "best": float(2**60)})
    run.end()
    sync(tmp_path)
    assert read_native(tmp_path, run.id).metrics == {"loss": math.inf, "count": 2**53 + 1, "best": 2**60}


def test_rows_do_not_depend_on_how_the_journal_was_cut(tmp_path: Path) -> None:
    """Delivered record by record, or all at once: the same rows under the same numbers."""
    runs = [start(tmp_path), start(tmp_path)]
    for i in range(6):
        for run in runs:
            run.log_list_metric("list", [float(i)] * i)
            run.log_metric("loss", float(i), step=i)
            run.log_metric("late", float(i))
        sync_one(runs[0])
    for run in runs:
        run.end()
    sync(tmp_path)
    rows = [
        [{key: value for key, value in row.items() if key not in ("_timestamp", "_runtime")} for row in held.rows]
        for held in (read_wandb(tmp_path, run.id) for run in runs)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 6 + sum(range(6))


def sync_one(run: Run) -> None:
    assert run.directory is not None
    multitrack.sync(run.directory.parent.parent, [run.id])


def test_a_simple_metric_wins_over_the_series_of_its_name(tmp_path: Path) -> None:
    """Also where points come after it, and in a session that only has points."""
    run = start(tmp_path)
    run.log_metric("loss", 0.5, step=0)
    run.log_metric("loss", 0.125)
    sync(tmp_path)
    run.log_metric("loss", 0.75, step=1)
    run.end()
    sync(tmp_path)
    assert read_wandb(tmp_path, run.id).summary["loss"] == 0.125
    again = start(tmp_path, run_id=run.id)
    again.log_metric("loss", 0.9, step=2)
    again.end()
    sync(tmp_path)
    assert len(directories(tmp_path, run.id)) == 2
    assert read_wandb(tmp_path, run.id).summary["loss"] == 0.125


def test_large_integers_and_nan_have_a_stand_in(tmp_path: Path) -> None:
    big = 2**63 + 1
    run = start(tmp_path, params={"seed": big, "nan": float("nan")})
    run.log_metric("n", big, step=0)
    run.log_metric("n", 1, step=1)
    run.log_metric("total", big)
    run.end()
    sync(tmp_path)
    held = read_wandb(tmp_path, run.id)
    assert (held.config["seed"], held.config["nan"]) == (str(big), "NaN")
    assert [row.get("exact n") for row in held.rows] == [str(big), None]
    assert held.rows[0]["n"] == float(big)
    assert held.summary["exact total"] == str(big)


def test_the_sdk_strips_no_name(tmp_path: Path) -> None:
    """It takes every ``-`` from the ends of a config key, so that these would be one."""
    given = {"x": 1, "-x": 2, "x-": 3, "x-_": 4, "--": 5}
    run = start(tmp_path, params=given)
    run.set_tags(given)
    run.end()
    sync(tmp_path)
    held = read_wandb(tmp_path, run.id)
    assert {name: held.config[param_key(name)] for name in given} == given
    assert {name: native(held).tags[name] for name in given} == {name: str(value) for name, value in given.items()}


def test_start_end_and_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("init --quiet", "-c user.name=x -c user.email=x commit --quiet --allow-empty --message x"):
        subprocess.run(["git", *command.split()], check=True)
    run = start(tmp_path, name="x" * 200, group="study", notes="why", project="a/b")
    run.end("killed")
    assert run.directory is not None
    sync(tmp_path)
    held = read_wandb(tmp_path, run.id)
    shown, manifest = native(held), read_manifest(run.directory)
    assert manifest.context is not None
    assert shown.status == held.config["multitrack/status"] == "killed"
    assert shown.started == manifest.created
    assert milliseconds(held.config["multitrack/ended"]) == shown.ended
    assert (held.name, held.config["multitrack/name"]) == ("x" * 128, "x" * 200)
    assert (held.project, held.config["multitrack/project"], held.group) == ("a-b", "a/b", "study")
    assert held.environment.executable == sys.executable
    assert manifest.context.git is not None
    assert held.environment.git.commit == manifest.context.git.commit


def test_a_tag_shows_its_last_value_only(tmp_path: Path) -> None:
    run = start(tmp_path, tags={"stage:now": "draft", "team": "vision", "long": "x" * 100})
    sync(tmp_path)
    run.set_tags({"stage:now": "final"})
    run.end()
    sync(tmp_path)
    held = read_wandb(tmp_path, run.id)
    assert sorted(held.tags) == ["stage:now:final", "team:vision"]
    assert native(held).tags == {"stage:now": "final", "team": "vision", "long": "x" * 100}


def test_a_searchs_trials_are_one_group(tmp_path: Path) -> None:
    search = start(tmp_path)
    trial = start(tmp_path, parent=search)
    trial.end()
    search.end()
    sync(tmp_path)
    held = read_wandb(tmp_path, trial.id)
    assert (held.group, held.config["multitrack/parent"]) == (search.id, search.id)


def test_the_command_line_is_the_trainings(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import multitrack, sys\n"
        "with multitrack.start_run(project='p', run_id='script', config={'journal': sys.argv[1], 'delivery': 'off',\n"
        "        'wandb': {'mode': 'offline', 'dir': sys.argv[2]}}, backends=['wandb']) as run:\n"
        "    run.log_metric('x', 1.0, step=0)\n"
    )
    arguments = [str(tmp_path / "journal"), str(tmp_path)]
    subprocess.run([sys.executable, str(script), *arguments], check=True)
    before = list(sys.argv)
    sync(tmp_path)
    environment = read_wandb(tmp_path, "script").environment
    assert (environment.program, list(environment.args)) == (str(script), arguments)
    assert environment.code_path.endswith("train.py")
    assert sys.argv == before


def test_wandb_sync_uploads_what_the_files_hold(tmp_path: Path) -> None:
    """Both sessions of a run, in one go: the server has each row, line and summary once."""
    run = start(tmp_path, name="uploaded", tags={"team": "vision"})
    record(run)
    run.end()
    sync(tmp_path)
    again = start(tmp_path, run_id=run.id)
    record(again, 100)
    again.log_metric("loss", 0.0625)
    again.end("failed")
    sync(tmp_path)
    held = read_wandb(tmp_path, run.id)
    with StandInServer() as server:
        environment = {**os.environ, "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
        environment.pop("WANDB_SERVICE", None)
        # Without it, the second directory of a run replaced the first one's rows.
        append = [] if lookup.is_since(0, 26) else ["--append"]
        for directory in directories(tmp_path, run.id):
            command = [sys.executable, "-m", "wandb", "sync", *append, str(directory)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=tmp_path)
            assert done.returncode == 0, done.stdout + done.stderr
        (served,) = server.runs.values()
    assert served.rows == held.rows
    lines = [line for line in native(held).lines if line or not append]  # which then left out empty ones, too
    assert [line.partition(" ")[2].rstrip("\n") for line in served.lines] == lines
    assert (served.name, served.display_name, served.tags) == (run.id, "uploaded", ["team:vision"])
    assert served.exit_code == (0 if append else 1)  # there, that of the first directory stays
    assert (served.summary["loss"], served.summary["best"]) == (0.0625, 100)
    for key in ("first/0", "first/100", "multitrack/status", "multitrack/created"):
        assert served.config[key] == held.config[key]
    assert {artifact["artifactCollectionName"] for artifact in server.artifacts} == set(held.artifacts)


def test_options_go_with_the_run(tmp_path: Path) -> None:
    """The manifest holds all that a later ``sync`` needs, and no secret."""
    run = start(tmp_path, options={"project": "other", "job_type": "eval"})
    run.end()
    assert run.directory is not None
    (entry,) = read_manifest(run.directory).backends
    assert entry.options["project"] == "other"
    assert b"key" not in msgspec.json.encode(entry.options)
    sync(tmp_path)
    assert read_wandb(tmp_path, run.id).project == "other"


@pytest.mark.parametrize("system_metrics", [False, True])
def test_system_metrics_are_the_training_processs_if_asked_for(tmp_path: Path, system_metrics: bool) -> None:
    run = start(tmp_path, options={"system_metrics": system_metrics})
    lane = lane_of(run)
    step(lane)
    lane.release()
    assert run.directory is not None
    context = read_manifest(run.directory).context
    settings = backend._open[run.directory / "lanes" / "wandb"]._run.settings
    assert settings.x_disable_stats is not system_metrics
    assert context is not None
    assert settings.x_stats_pid == context.pid
    run.end()
    sync(tmp_path)
