"""The trust boundaries of docs/security.md: each protection has a test that fails without it."""

import ast
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack import JournalError, RunError
from multitrack.delivery.lane_state import lane_file
from multitrack.journal.manifest import read_manifest
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.run import Run
from multitrack.security.secrets import KEY_VARIABLES, is_secret_name

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nobodys_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp().parent / "mlflow-cache"))
    for name in ("MLFLOW_TRACKING_URI", "WANDB_DIR", "WANDB_API_KEY", "NEPTUNE_DATA_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


def start(**arguments: Any) -> Run:
    return multitrack.start_run(config={"delivery": "off"} | arguments.pop("config", {}), **arguments)


def rewrite(run: Run, **changes: Any) -> None:
    """Alter a run's manifest, as whoever sends a journal may."""
    assert run.directory is not None
    path = run.directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# -- permissions ----------------------------------------------------------------------------------------------


@pytest.mark.long("000")
@pytest.mark.slow
@pytest.mark.parametrize("umask", ["000", "077"])
def test_everything_in_a_journal_is_its_owners_alone(tmp_path: Path, umask: str) -> None:
    (tmp_path / "train.py").write_text(
        "import multitrack, os\n"
        "config = {'wandb': {'mode': 'offline'}, 'journal': 'deep/journal', 'mistakes': 'warn'}\n"
        "backends = ['mlflow', 'wandb', 'neptune', 'recording_backends:picky']\n"
        "with multitrack.start_run(backends=backends, config=config, params={'a': 1}) as run:\n"
        "    run.log_metric('bad', 1.0, step=0)\n    run.log_metric('x', 'wrong')\n    run.log_lines('hello')\n"
        "    with multitrack.start_run(parent=run) as child:\n        child.log_metric('x', 1.0)\n"
        "    if os.fork() == 0:\n        run.log_metric('x', 1.0)\n        os._exit(0)\n    os.wait()\n"
        "multitrack.start_run(run_id=run.id, config=config).end()\n"
    )
    path = os.pathsep.join([str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "WANDB_ERROR_REPORTING": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(
        ["/bin/sh", "-c", f"umask {umask}; exec {sys.executable} train.py"], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    journal = tmp_path / "deep" / "journal"
    found = {path.relative_to(journal): stat.S_IMODE(path.stat().st_mode) for path in [journal, *journal.rglob("*")]}
    wrong = {
        str(path): oct(mode) for path, mode in found.items() if mode != (0o700 if (journal / path).is_dir() else 0o600)
    }
    assert wrong == {}
    names = {path.name for path in found}
    assert {"manifest.json", "000001.jsonl", "000002.jsonl", "sessions.json", "published.json", "lock", "mlflow.lock",
            "picky.aside.jsonl", "mlflow.json"} <= names  # fmt: skip
    assert any(name.startswith("courier-") for name in names)


@pytest.mark.parametrize(
    "place", ["lock", "lanes", "lanes/file.lock", "lanes/file.json", "lanes/file.aside.jsonl", "lanes/file", "."]
)
def test_symbolic_links_in_a_journal_lead_nowhere(
    tmp_path: Path, place: str, trusted: None, caplog: pytest.LogCaptureFixture
) -> None:
    run = multitrack.start_run("p", backends=["recording_backends:file"], config={"delivery": "off"})
    run.log_metric("x", 1.0, step=0)
    run.end()
    assert run.directory is not None
    victim = tmp_path / "victim"
    path = run.directory / place
    if place == ".":
        run.directory.rename(victim)
    elif place in ("lanes", "lanes/file"):
        shutil.rmtree(path, ignore_errors=True)
        victim.mkdir()
    else:
        path.unlink(missing_ok=True)
        victim.write_text("kept")
    before = sorted((file, file.is_file() and file.read_bytes()) for file in [victim, *victim.rglob("*")])
    path.symlink_to(victim)
    multitrack.sync()
    assert "is a symbolic link, which multitrack never makes" in caplog.text
    assert sorted((file, file.is_file() and file.read_bytes()) for file in [victim, *victim.rglob("*")]) == before
    with pytest.raises((JournalError, PermissionError), match=r"symbolic link|another user"):
        multitrack.start_run(run_id=run.id, backends=[], config={"delivery": "off"})


def test_a_manifest_that_claims_to_be_another_run_is_left_alone(
    trusted: None, caplog: pytest.LogCaptureFixture
) -> None:
    run = multitrack.start_run("p", backends=["recording_backends:file"], config={"delivery": "off"})
    run.end()
    rewrite(run, id="victim")
    assert multitrack.sync() == {}
    assert "belongs to another run, 'victim'" in caplog.text


def test_a_directory_that_was_there_keeps_its_permissions(tmp_path: Path) -> None:
    """It may be ``.`` or a home; what is ours in it is ours alone."""
    journal = tmp_path / "shared"
    journal.mkdir()
    journal.chmod(0o755)
    run = start(config={"journal": str(journal)})
    run.end()
    assert stat.S_IMODE(journal.stat().st_mode) == 0o755
    assert stat.S_IMODE((journal / "runs").stat().st_mode) == 0o700
    assert run.directory is not None
    assert stat.S_IMODE(run.directory.stat().st_mode) == 0o700


def test_what_another_user_put_in_a_runs_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        (tmp_path / ".multitrack" / "runs").mkdir(parents=True)
        monkeypatch.setattr("os.geteuid", lambda: 12345)
    else:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / ".multitrack" / "runs").mkdir(parents=True)
        link = tmp_path / ".multitrack" / "runs" / "planned"
        link.symlink_to(tmp_path / "elsewhere")
        os.chown(link, 12345, 12345, follow_symlinks=False)
    with pytest.raises(JournalError, match="belongs to another user"):
        start(run_id="planned")
    assert not list((tmp_path / ".multitrack").rglob("*.jsonl"))


def test_ones_own_link_to_another_disk_is_fine(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / ".multitrack").symlink_to(tmp_path / "disk")
    start(run_id="mine").end()
    assert (tmp_path / "disk" / "runs" / "mine" / "manifest.json").exists()


# -- names that would lead out --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../x", "../../../etc/passwd", "a/b", "a\0b", "%2e%2e", "x" * 65, "\n"]
)
def test_the_command_line_cannot_name_what_is_no_run(tmp_path: Path, name: str) -> None:
    start(run_id="aa").end()
    start(run_id="bb").end()
    for place in (tmp_path / ".multitrack", tmp_path / ".multitrack" / "runs", tmp_path):
        (place / "manifest.json").write_text('{"id": "out", "project": "p", "name": "n", "created": 0}')
    with pytest.raises(RunError):
        multitrack.open_journal().run(name)


@pytest.mark.parametrize("field", ["id", "parent"])
@pytest.mark.parametrize("value", ["../../x", "..", "/etc", "x' OR '1'='1", "a`b", "a\nb", ""])
def test_a_manifest_cannot_lead_out(tmp_path: Path, field: str, value: str) -> None:
    run = start(backends=["recording_backends:file"])
    run.end()
    rewrite(run, **{field: value})
    assert run.directory is not None
    segment = run.directory / "000001.jsonl"  # where the manifest is read from when it is damaged
    first, rest = segment.read_text().split("\n", 1)
    told = json.loads(first)
    told["manifest"][field] = value
    segment.write_text(json.dumps(told) + "\n" + rest)
    with pytest.raises(JournalError, match="cannot read"):
        read_manifest(run.directory)
    assert list(multitrack.open_journal().runs()) == []
    assert multitrack.sync(trust=["recording_backends:file"]) == {}


@pytest.mark.parametrize("name", ["..", ".", "../../x", "/etc/x", "a/b", "a.json", "a\0b", "\\..", "ü"])
def test_a_backends_name_stays_in_its_lane(tmp_path: Path, name: str) -> None:
    for suffix in (".json", "", ".lock", ".aside.jsonl"):
        assert lane_file(tmp_path, name, suffix).resolve().parent == tmp_path / "lanes"


def test_lanes_of_different_names_never_meet(tmp_path: Path) -> None:
    names = ["a/b", "a_b", "a%2Fb", "a.json", "a", "..", ".", "a.lock", "a.aside.jsonl"]
    files = [lane_file(tmp_path, name, suffix) for name in names for suffix in (".json", "", ".lock", ".aside.jsonl")]
    assert len(set(files)) == len(files)


# -- nothing is executed --------------------------------------------------------------------------------------


def test_nothing_is_unpickled_or_executed() -> None:
    """In our own code; what SDKs do with their own files is theirs."""
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "plugins").glob("*/src/**/*.py")]
    assert len(files) > 60
    modules = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "jsonpickle", "code", "codeop", "runpy"}
    calls = {"eval", "exec", "compile", "__import__", "system", "popen", "getoutput", "unsafe_load", "full_load"}
    imports = []
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            place = f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                named = {alias.name.split(".")[0] for alias in node.names if isinstance(node, ast.Import)}
                named |= {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) else set()
                writes = file.name == "types.py" and file.parent.name == "neptune"  # File.as_pickle
                assert not named & (modules - {"pickle"} if writes else modules), place
            if isinstance(node, ast.Call):
                function = node.func
                name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
                owner = getattr(function.value, "id", "") if isinstance(function, ast.Attribute) else ""
                literal = bool(node.args) and all(isinstance(given, ast.Constant) for given in node.args)
                assert name not in calls or (owner, name) == ("re", "compile") or (name == "exec" and literal), place
                assert (owner, name) not in {("yaml", "load"), ("yaml", "load_all")}, place
                assert owner != "pickle" or name == "dumps", place
                assert not any(keyword.arg == "shell" for keyword in node.keywords), place
                if name == "import_module":
                    imports.append((file.name, isinstance(node.args[0], ast.Constant)))
    # a name that is no constant: of a plugin, where lanes come by way of Trust, of the SDK that a plugin names, and of
    # a command of ours, or a public name, out of a table; of the private modules of an SDK, whose names stand in a plugin
    assert {name for name, constant in imports if not constant} == {
        "__init__.py", "app.py", "internals.py", "lookup.py", "registry.py", "sdk.py",
    }  # fmt: skip


def test_a_yaml_file_of_params_makes_no_objects(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x: !!python/object/apply:os.system ['touch owned']\n")
    run = start()
    with pytest.raises(ValueError, match="cannot be read"):
        run.log_params("a.yaml")
    assert not (tmp_path / "owned").exists()
    assert run.directory is not None
    assert RecordedRun(run.directory).get_params() == {}


# -- the page -------------------------------------------------------------------------------------------------


def test_the_plugin_that_the_page_writes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "no_mail.py").write_text(code)
    done = subprocess.run([sys.executable, "no_mail.py"], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"
    (run,) = multitrack.open_journal().runs()
    assert run.get_params() == {"contact": "[mail]", "db/password": "[redacted]", "db/max_tokens": 5}
    assert [line.text for line in run.get_lines()] == ["mail [mail]"]


def test_the_page_names_what_is_secret() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    listed = re.search(r"is one of (.*?), without regard", page, re.DOTALL)
    assert listed is not None
    names = re.findall(r"`(\w+)`", listed[1])
    assert len(names) == 9
    assert all(is_secret_name(name) for name in names)
    variables = re.findall(r"`([A-Z_]+_(?:KEY|TOKEN|PASSWORD))`", page)
    assert len(variables) > 3
    assert set(variables) <= set(KEY_VARIABLES)
