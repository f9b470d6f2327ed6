"""The environment of a training does not alter the tracker's run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow_reader import read_run

import multitrack
from multitrack.environment.allowed import BASE
from multitrack.plugins import installed, load_backend
from processes import couriers, script, wait_until

pytestmark = pytest.mark.case(1)

#: Of each tracker, variables that name, create or change a run, or its neighbours.
LEADING = {
    "MLFLOW_RUN_ID": "0123456789abcdef0123456789abcdef", "MLFLOW_RUN_NAME": "somebody", "MLFLOW_EXPERIMENT_NAME": "theirs",
    "MLFLOW_EXPERIMENT_ID": "77", "MLFLOW_RUN_CONTEXT": '{"a": "b"}', "MLFLOW_TRUNCATE_LONG_VALUES": "false",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "true", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_ACTIVE_MODEL_ID": "m-1",
    "NEPTUNE_CUSTOM_RUN_ID": "somebody", "NEPTUNE_RUN_ID": "RUN-1", "NEPTUNE_PROJECT": "their/project", "NEPTUNE_MODE": "debug",
    "NEPTUNE_MONITORING_NAMESPACE": "x", "WANDB_RUN_ID": "somebody", "WANDB_SWEEP_ID": "abc12345", "WANDB_NOTES": "theirs",
    "WANDB_JOB_TYPE": "theirs", "WANDB_NAME": "theirs", "WANDB_TAGS": "theirs", "WANDB_RESUME": "must",
}  # fmt: skip
INTERPRETER = {
    "PYTHONWARNINGS": "error",
    "PYTHONSTARTUP": "/no/such/file",
    "PYTHONBREAKPOINT": "no.such",
    "PYTHONSAFEPATH": "",
}
BODY = """
with multitrack.start_run(project='ours', name='mine', backends={backends}, params={{'lr': 0.1, 'long': 'x' * 7000}},
                          config={config}) as run:
    run.log_metric('loss', 0.5, step=3)
report = run.end()
print(run.backend_ids['mlflow'], report.complete)
"""


def uri(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/mlflow.db"


def body(tmp_path: Path, **settings: object) -> str:
    return BODY.format(backends=["mlflow"], config={"mlflow": {"tracking_uri": uri(tmp_path)}, **settings})


@pytest.mark.long("process")
@pytest.mark.parametrize("delivery", ["process", "thread"])
def test_variables_of_mlflow_create_and_name_no_run(tmp_path: Path, delivery: str) -> None:
    settings = INTERPRETER if delivery == "process" else {}  # a thread is in the training's own interpreter
    out, errors = script(tmp_path, body(tmp_path, delivery=delivery), **LEADING, **settings).communicate(timeout=120)
    native_id, complete = out.split()
    assert complete == "True", errors
    held = read_run(uri(tmp_path), native_id)
    assert (held.name, held.status) == ("mine", "finished")
    assert (held.params["lr"], len(held.params["long"])) == ("0.1", 7000)
    assert [(point.step, point.value) for point in held.series["loss"]] == [(3, 0.5)]
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri(tmp_path))
    assert [one.name for one in client.search_experiments() if client.search_runs([one.experiment_id])] == ["ours"]


def test_the_command_clears_its_own_environment(tmp_path: Path) -> None:
    script(tmp_path, body(tmp_path, delivery="off").replace("print", "# ")).communicate(timeout=120)
    done = subprocess.run(
        [sys.executable, "-m", "multitrack", "sync", "--json"], cwd=tmp_path, env={**os.environ, **LEADING, **INTERPRETER},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ((_, report),) = json.loads(done.stdout).items()
    assert read_run(uri(tmp_path), report["mlflow"]["id"]).name == "mine"


def test_the_courier_gets_what_is_named_and_nothing_else(tmp_path: Path) -> None:
    given = {**LEADING, **INTERPRETER, "SOMEBODYS_SECRET": "hunter2", "MLFLOW_TRACKING_TOKEN": "token-of-ours",
             "AWS_PROFILE": "ours", "HTTPS_PROXY": "http://127.0.0.1:9", "SSL_CERT_FILE": "/certificates"}  # fmt: skip
    training = script(
        tmp_path,
        f"run = multitrack.start_run(backends=['mlflow'], config={{'mlflow': {{'tracking_uri': '{uri(tmp_path)}'}}}})\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n",
        **given,
    )
    assert training.stdout is not None
    assert training.stdout.readline() == "ready\n"
    wait_until(couriers)
    (pid,) = couriers()
    wait_until(lambda: Path(f"/proc/{pid}/environ").read_bytes())  # it is not empty once the program is there
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
    training.kill()
    training.communicate()
    names = {entry.partition("=")[0] for entry in entries if entry}
    assert names >= {"PATH", "HOME", "MLFLOW_TRACKING_TOKEN", "AWS_PROFILE", "HTTPS_PROXY", "SSL_CERT_FILE"}
    declared = (*BASE, *load_backend("mlflow").environment_variables(), "CUDA_VISIBLE_DEVICES", "PYTHONPATH")
    unknown = {name for name in names if not any(_is_named(name, pattern) for pattern in declared)}
    assert unknown == set()
    wait_until(lambda: couriers() == [], 60)


def _is_named(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def test_no_plugin_asks_for_a_variable_that_leads_elsewhere() -> None:
    backends = [load_backend(name) for name in installed()]
    assert {backend.name for backend in backends} >= {"mlflow", "neptune", "wandb"}
    for backend in backends:
        patterns = (*BASE, *backend.environment_variables())
        asked = [name for name in (*LEADING, *INTERPRETER) if any(_is_named(name, pattern) for pattern in patterns)]
        assert asked == [], backend.name


def test_a_later_run_brings_the_variables_of_its_backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The courier of a process is started for its first run; what another backend needs comes with its run."""
    (tmp_path / "keyed.py").write_text(
        "import os\nfrom multitrack import hookimpl\nfrom recording_backends import FileBackend\n\n\n"
        "class Keyed(FileBackend):\n    name = 'keyed'\n\n"
        "    @hookimpl\n    def environment_variables(self):\n        return ['KEYED_*']\n\n"
        "    def write_all(self, run, what, records):\n"
        "        self.write(run, what, seen=[os.environ.get(name) for name in ('KEYED_TOKEN', 'OTHER_TOKEN')])\n\n\n"
        "backend = Keyed()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with multitrack.start_run(backends=["recording_backends:file"]) as first:
        first.wait_open(30)
    monkeypatch.setenv("KEYED_TOKEN", "of the second run")
    monkeypatch.setenv("OTHER_TOKEN", "nobody asks for it")
    with multitrack.start_run(backends=["keyed:backend"], config={"keyed": {"path": "keyed.jsonl"}}) as second:
        second.log_metric("x", 1.0)
    assert second.end().complete
    lines = [json.loads(line) for line in (tmp_path / "keyed.jsonl").read_text().splitlines()]
    assert [line["seen"] for line in lines if line["what"] == "metric"] == [["of the second run", None]]


STRICT = """
import logging, warnings
HOW
with multitrack.start_run('p', backends=['warns:backend'], config={{'delivery': {delivery!r}, 'warns': {{'path': 'd'}}}}) as run:
    run.log_metric('loss', 0.5, step=3)
if {delivery!r} == 'off':
    report = multitrack.sync(trust=['warns:backend'])[run.id]
else:
    report = run.end()
for _ in range(2):
    try:
        warnings.warn('the training has its own', stacklevel=1)
    except UserWarning:
        print('raised', report.complete, report['warns'].set_aside)
"""
WARNS = """
import warnings
from multitrack import hookimpl
from recording_backends import FileBackend

warnings.warn('at its import', DeprecationWarning, stacklevel=1)

class Warns(FileBackend):
    name = 'warns'

    def write_all(self, run, what, records):
        warnings.warn('in a call', UserWarning, stacklevel=2)
        AGAIN
        super().write_all(run, what, records)

backend = Warns()
"""


@pytest.mark.parametrize("how", ["variable", "simplefilter", "meanwhile"])
@pytest.mark.parametrize("delivery", ["thread", "off"])
def test_strict_warnings_of_the_training_stop_no_lane(tmp_path: Path, delivery: str, how: str) -> None:
    """Nor do lanes make them less strict for the training; a filter that comes during a call costs one more try."""
    again = ""
    if how == "meanwhile":  # as the training's own thread would, at a bad moment
        again = "if not hasattr(self, 'once'): self.once = warnings.simplefilter('error')\n        warnings.warn('now')"
    (tmp_path / "warns.py").write_text(WARNS.replace("AGAIN", again))
    given = {"PYTHONWARNINGS": "error"} if how == "variable" else {}
    lines = "import warns\nwarnings.simplefilter('error')" if how == "simplefilter" else ""
    if how == "variable":  # the plugin's import is the training's own, at start_run
        lines = "with warnings.catch_warnings():\n    warnings.simplefilter('ignore')\n    import warns"
    body = STRICT.format(delivery=delivery).replace("HOW", lines)
    out, errors = script(tmp_path, body, **given).communicate(timeout=120)
    assert out == "raised True 0\n" * 2, errors


@pytest.mark.long("thread")
@pytest.mark.slow
@pytest.mark.parametrize("delivery", ["thread", "off"])
def test_strict_warnings_and_the_trackers(tmp_path: Path, delivery: str) -> None:
    """MLflow warns of a reference that it cannot turn into a dataset, Neptune's libraries while they are imported."""
    body = f"""
import warnings
config = {{'delivery': {delivery!r}, 'mlflow': {{'tracking_uri': {uri(tmp_path)!r}}}}}
with multitrack.start_run('p', backends=['mlflow', 'neptune'], config=config) as run:
    run.log_metric('loss', 0.5, step=3)
    run.log_artifact_ref('data', 'odd://bucket/data.csv', role='input')
report = multitrack.sync()[run.id] if {delivery!r} == 'off' else run.end()
print({{name: (one.pending, one.set_aside, one.problem) for name, one in report.items()}})
"""
    out, errors = script(tmp_path, body, PYTHONWARNINGS="error").communicate(timeout=200)
    assert out == "{'mlflow': (0, 0, None), 'neptune': (0, 0, None)}\n", errors
