"""Case 1, W&B: the environment, and the files beside it, create, name or change no run; a sweep is kept as what it is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stand_in_server import KEY, StandInServer
from wandb_alone import isolate
from wandb_file import directories, items, read_wandb, records

import multitrack
from multitrack.delivery.lane_state import LaneState, read_state
from multitrack.environment.allowed import allowed
from multitrack_wandb import options
from multitrack_wandb.options import ENVIRONMENT

pytestmark = pytest.mark.case(1)

SWEEP = "abc12345"
#: How a run can be delivered: the last three where the environment is the user's.
HOSTS = ["process", "thread", "sync", "command"]
JOB = """
import sys, multitrack
delivery, run_id, mode, url, sweep = sys.argv[1:6]
wandb = {"mode": mode, "dir": "."} | ({"base_url": url} if url else {}) | ({"sweep": ""} if sweep == "none" else {})
config = {"journal": "journal", "delivery": delivery if delivery in ("process", "thread") else "off", "wandb": wandb}
with multitrack.start_run("p", "named", run_id=run_id, params={"lr": 0.1}, notes="ours", group="study", tags={"a": "b"},
                          config=config, backends=["wandb"]) as run:
    run.log_metric("loss", 0.5, step=7)
    run.log_lines("line")
if delivery == "sync":
    multitrack.sync("journal")
print(run.backend_ids)
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)
    options._tell_of_sweep.cache_clear()


@pytest.fixture
def server() -> Iterator[StandInServer]:
    with StandInServer() as server:
        yield server


def job(
    place: Path, host: str, variables: dict[str, str], *, mode: str = "offline", url: str = "", sweep: str = ""
) -> str:
    """Run the job in a directory, and deliver it; what it said."""
    place.mkdir(exist_ok=True)
    environment = {**os.environ, **variables}
    (place / "job.py").write_text(JOB)
    command = [sys.executable, "job.py", host, "mine", mode, url, sweep]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = done.stderr
    if host == "command":
        command = [sys.executable, "-m", "multitrack", "sync", "--journal", "journal"]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    return said


def written(place: Path, run_id: str = "mine") -> dict[str, Any]:
    """What is in the run's file, but for the times of the delivery."""
    found: dict[str, Any] = {"config": {}, "rows": []}
    (directory,) = directories(place, run_id)
    for record in records(directory):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            for field in ("run_id", "entity", "project", "display_name", "notes", "run_group", "job_type", "sweep_id",
                          "host"):  # fmt: skip
                found[field] = getattr(record.run, field)
            found["tags"] = list(record.run.tags)
            found["config"] |= dict(items(record.run.config.update))
        elif kind == "config":
            found["config"] |= dict(items(record.config.update))
        elif kind == "history":
            row = dict(items(record.history.item))
            found["rows"].append({key: value for key, value in row.items() if key not in ("_runtime", "_timestamp")})
        elif kind == "environment" and record.environment.host:
            found["environment"] = {
                field: getattr(record.environment, field)
                for field in ("host", "username", "email", "docker", "program", "executable")
            } | {"args": list(record.environment.args)[1:2]}
    for key in ("multitrack/created", "multitrack/ended", "_wandb"):
        found["config"].pop(key, None)
    found["internal"] = sorted(directory.parent.parent.glob("*"))
    found["internal"] = [path.name for path in found["internal"]]
    return found


def state(place: Path) -> LaneState:
    return read_state(place / "journal" / "runs" / "mine", "wandb")


def hostile_variables(place: Path) -> dict[str, str]:
    """A value for everything that the SDK reads of the environment, those apart that lead to the server."""
    import wandb

    file = place.parent / "sweep.yaml"
    file.write_text("wandb_version: 1\nlr:\n  value: 0.33\nother:\n  value: 1\n")
    names = {f"WANDB_{field.upper()}" for field in wandb.Settings.model_fields}
    names |= {value for name, value in vars(wandb.env).items() if name.isupper() and str(value).startswith("WANDB_")}
    variables = dict.fromkeys(names, "theirs")
    variables |= {"WANDB_SWEEP_PARAM_PATH": str(file), "WANDB_CONFIG_PATHS": str(file), "WANDB_MODE": "disabled"}
    variables |= {
        "WANDB_LAUNCH": "true",
        "WANDB_CONFIG": '{"lr": 0.33}',
        "WANDB_DISABLED": "true",
        "WANDB_ARTIFACTS": "{}",
    }
    variables |= {"SM_TRAINING_ENV": '{"lr": 0.33}', "PYTHONWARNINGS": "error", "WANDB_X_PRIMARY": "false"}
    kept = allowed(ENVIRONMENT, variables)
    kept |= dict.fromkeys(("WANDB_DIR", "WANDB_ENTITY", "WANDB_SERVICE"), "")
    return {name: value for name, value in variables.items() if name not in kept}


def hostile_files(place: Path) -> None:
    """What ``wandb init`` and users leave in the directory and in W&B's own."""
    said = (
        "[default]\nproject = theirs\nentity = theirs\nrun_notes = theirs\nrun_job_type = theirs\nsweep_id = theirs\n"
    )
    said += "run_group = theirs\nrun_name = theirs\nmode = disabled\nlaunch = true\ndisabled = true\n"
    for directory in (place / "wandb", Path(os.environ["WANDB_CONFIG_DIR"])):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "settings").write_text(said)
    (place / "config-defaults.yaml").write_text("wandb_version: 1\nlr:\n  value: 0.33\ndropout:\n  value: 0.5\n")


@pytest.mark.long("process")
@pytest.mark.parametrize("host", HOSTS)
def test_as_written(tmp_path: Path, host: str) -> None:
    """The sweep of W&B's agent, its params, notes and job type; then the run goes on."""
    file = tmp_path / "sweep.yaml"
    file.write_text("wandb_version: 1\nlr:\n  value: 0.33\n")
    variables = {
        "WANDB_SWEEP_ID": SWEEP, "WANDB_SWEEP_PARAM_PATH": str(file), "WANDB_RUN_ID": "theirs",
        "WANDB_NOTES": "theirs", "WANDB_JOB_TYPE": "theirs", "PYTHONWARNINGS": "error",
    }  # fmt: skip
    place = tmp_path / "run"
    said = job(place, host, variables)
    found = written(place)
    assert (found["run_id"], found["sweep_id"]) == ("mine", SWEEP)
    assert (found["project"], found["notes"], found["job_type"], found["run_group"]) == ("p", "ours", "", "study")
    assert (found["config"]["lr"], found["config"]["multitrack/sweep"]) == (0.1, SWEEP)
    assert found["tags"] == [f"sweep:{SWEEP}", "a:b"]
    assert said.count(SWEEP) == 1, said
    assert state(place).id == "mine"
    job(place, host, variables)
    names = sorted(path.name.split("-", 3)[3] for path in (place / "wandb").glob("offline-run-*"))
    assert names in (["mine", "mine"], ["mine", "mine-1"])  # the latter within one second
    held = read_wandb(place, "mine")
    assert [row["loss"] for row in held.rows] == [0.5, 0.5]
    assert [row["_step"] for row in held.rows] == [0, 1]


@pytest.mark.long("thread")
@pytest.mark.parametrize("host", HOSTS)
def test_no_variable_and_no_file_changes_anything(tmp_path: Path, host: str) -> None:
    """Every setting of the SDK and everything else that it reads, with values that it refuses among them."""
    job(tmp_path / "clean", host, {}, sweep="none")
    place = tmp_path / "hostile"
    place.mkdir()
    hostile_files(place)
    job(place, host, hostile_variables(place), sweep="none")
    clean, hostile = written(tmp_path / "clean"), written(place)
    hostile["internal"].remove("config-defaults.yaml")
    for found in (clean, hostile):
        found["environment"]["program"] = Path(found["environment"]["program"]).name
    assert hostile == clean
    assert clean["rows"] == [{"_step": 0, "multitrack/step": 7, "loss": 0.5}]


def test_a_training_that_uses_wandb_itself_keeps_its_own(tmp_path: Path) -> None:
    """In the same process and at the same time: its settings are what its environment and files say."""
    hostile_files(tmp_path)
    (tmp_path / "wandb" / "settings").write_text("[default]\nrun_job_type = theirs\n")
    Path(os.environ["WANDB_CONFIG_DIR"], "settings").unlink()
    script = """
import multitrack, wandb
config = {"journal": "journal", "delivery": "thread", "wandb": {"mode": "offline", "dir": "ours"}}
runs = [multitrack.start_run("p", run_id=f"ours{i}", config=config, backends=["wandb"], params={"lr": i}) for i in range(3)]
theirs = []
for i in range(5):
    theirs.append(wandb.init(project="own", id=f"theirs{i}", mode="offline", reinit="create_new"))
    theirs[-1].log({"x": 1})
for run in runs:
    run.end()
for run in theirs:
    run.finish()
assert wandb.setup().settings.run_notes == "theirs"
assert wandb.setup().settings.run_group == "theirs"
"""
    (tmp_path / "job.py").write_text(script)
    environment = {**os.environ, "WANDB_NOTES": "theirs", "WANDB_RUN_GROUP": "theirs"}
    subprocess.run([sys.executable, "job.py"], cwd=tmp_path, env=environment, check=True, timeout=120)
    for i in range(3):
        found = written(tmp_path / "ours", f"ours{i}")
        assert (found["notes"], found["run_group"], found["job_type"]) == ("", "", "")
        assert found["config"] == {"lr": i, "multitrack/run": f"ours{i}", "multitrack/status": "finished"}
    for i in range(5):
        found = written(tmp_path, f"theirs{i}")
        assert (found["notes"], found["run_group"], found["job_type"]) == ("theirs", "theirs", "theirs")
        assert (found["config"]["lr"], found["config"]["dropout"]) == (0.33, 0.5)


@pytest.mark.long("command-refused")
@pytest.mark.parametrize("sweeps", ["known", "unknown", "refused"])
@pytest.mark.parametrize("host", ["process", "command"])
def test_a_server_takes_the_run_into_the_sweep_if_it_knows_it(
    tmp_path: Path, server: StandInServer, host: str, sweeps: str
) -> None:
    server.sweeps = {SWEEP} if sweeps == "known" else {"another"}
    server.refuses = sweeps == "refused"
    variables = {"WANDB_SWEEP_ID": SWEEP, "WANDB_API_KEY": KEY, "WANDB_RUN_ID": "theirs", "WANDB_PROJECT": "theirs"}
    for _ in range(2):  # and once more, continued
        job(tmp_path / "run", host, variables, mode="online", url=server.url)
        (run,) = server.runs.values()
        assert (run.name, run.project, run.display_name) == ("mine", "p", "named")
        assert run.sweep == (SWEEP if sweeps == "known" else None)
        assert (run.config["lr"], run.config["multitrack/sweep"]) == (0.1, SWEEP)
        assert f"sweep:{SWEEP}" in run.tags
        assert state(tmp_path / "run").closed
        said = [sentence for sentence in state(tmp_path / "run").stand_ins if "sweep" in sentence]
        assert len(said) == (sweeps != "known"), said
        assert all("did not take the run" in sentence for sentence in said)
    assert len(run.rows) == 2


def test_wandb_sync_takes_an_offline_run_into_its_sweep(tmp_path: Path, server: StandInServer) -> None:
    job(tmp_path / "run", "process", {"WANDB_SWEEP_ID": SWEEP})
    (directory,) = directories(tmp_path / "run", "mine")
    environment = {**os.environ, "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY}
    subprocess.run([sys.executable, "-m", "wandb", "sync", str(directory)], env=environment, check=True, timeout=60,
                   capture_output=True)  # fmt: skip
    assert (server.runs["mine"].sweep, server.runs["mine"].config["lr"]) == (SWEEP, 0.1)


def test_a_later_sync_keeps_the_sweep_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the run's, not that of whoever delivers it."""
    config = {
        "journal": str(tmp_path / "journal"),
        "delivery": "off",
        "wandb": {"mode": "offline", "dir": str(tmp_path)},
    }
    monkeypatch.setenv("WANDB_SWEEP_ID", SWEEP)
    inside = multitrack.start_run("p", config=config, backends=["wandb"])
    monkeypatch.delenv("WANDB_SWEEP_ID")
    outside = multitrack.start_run("p", config=config, backends=["wandb"])
    for run in (inside, outside):
        run.end()
    monkeypatch.setenv("WANDB_SWEEP_ID", "other")
    multitrack.sync(tmp_path / "journal")
    assert (written(tmp_path, inside.id)["sweep_id"], written(tmp_path, outside.id)["sweep_id"]) == (SWEEP, "")


def test_the_hook_names_no_variable_of_runs() -> None:
    """Each allowed setting of the installed SDK is one of the way to the server."""
    import wandb

    fields = {f"WANDB_{field.upper()}": field for field in wandb.Settings.model_fields}
    taken = {fields[name] for name in allowed(ENVIRONMENT, dict.fromkeys(fields, ""))}
    beginnings = ("x_graphql_", "x_file_stream_", "x_file_transfer_")
    assert {name for name in taken if not name.startswith(beginnings)} == {
        "api_key", "base_url", "credentials_file", "http_proxy", "https_proxy", "identity_token_file",
        "insecure_disable_ssl", "x_extra_http_headers", "x_proxies", "x_service_wait",
    }  # fmt: skip
    assert not [
        name for name in taken if name.startswith(("run_", "sweep", "launch", "resume", "fork", "mode", "project"))
    ]
