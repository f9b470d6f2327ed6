"""Arguments over environment over file over defaults; errors that name the place, the key and what was expected."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import multitrack
from multitrack import BackendNotInstalledError, ConfigError, UnknownBackendError
from multitrack.cli import main
from multitrack.config import load_config
from multitrack.plugins import load_backend


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def options(backend: str = "recording_backends:file", **arguments: Any) -> Any:
    return load_config(**arguments).options(load_backend(backend))[0]


def test_the_file_is_searched_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "multitrack.toml", 'project = "found"\njournal = "runs"\n[file]\npath = "out.jsonl"\n')
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    loaded = load_config()
    assert loaded.settings.project == "found"
    assert loaded.settings.journal == str(tmp_path / "runs")  # relative to the file, not to the current directory
    assert options().path == str(tmp_path / "out.jsonl")
    assert loaded.origins["project"] == str(tmp_path / "multitrack.toml")
    assert loaded.origins["delivery"] == "default"


def test_pyproject_serves_too_but_the_nearer_file_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "pyproject.toml", '[tool.multitrack]\nproject = "pyproject"\n')
    write(tmp_path / "sub" / "pyproject.toml", "[project]\nname = 'x'\n")
    monkeypatch.chdir(tmp_path / "sub")
    assert load_config().settings.project == "pyproject"
    write(tmp_path / "sub" / "multitrack.toml", 'project = "own"\n')
    assert load_config().settings.project == "own"


def test_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "multitrack.toml", 'backends = ["mlflow"]\nproject = "file"\n[file]\nlevel = 1\n')
    assert load_config().settings.backends == ["mlflow"]
    assert options().level == 1
    monkeypatch.setenv("MULTITRACK_BACKENDS", "mlflow, neptune")
    monkeypatch.setenv("MULTITRACK_FILE_LEVEL", "2")
    monkeypatch.setenv("MULTITRACK_FILE_PATH", "from-env.jsonl")
    assert load_config().settings.backends == ["mlflow", "neptune"]
    assert load_config().origins["backends"] == "environment variable MULTITRACK_BACKENDS"
    assert options().level == 2
    assert options().path == str(tmp_path / "from-env.jsonl")
    assert load_config(arguments={"project": "argument"}).settings.project == "argument"
    assert load_config(arguments={"project": None}).settings.project == "file"
    other = write(tmp_path / "other" / "other.toml", 'project = "other"\n')
    assert load_config(other).settings.project == "other"
    monkeypatch.setenv("MULTITRACK_CONFIG", str(other))
    assert load_config().settings.project == "other"
    assert load_config({"project": "mapping"}).settings.project == "mapping"
    assert path.exists()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('backend = ["mlflow"]', r"multitrack\.toml: unknown setting 'backend'; did you mean 'backends'"),
        ('backends = "mlflow"', r"multitrack\.toml: invalid value for backends: 'mlflow' \(expected `array`"),
        ('delivery = "fast"', r"invalid value for delivery: 'fast' .*one of 'off', 'process', 'thread'"),
        ("interval = 0", "invalid value for interval: 0 "),
        ("fsync = true", "fsync = true does not say how often"),
        ("fsync = -1", "invalid value for fsync: -1 "),
        ("[mlfow]\nx = 1", r"\[mlfow\] is neither a setting nor a backend; did you mean 'mlflow'"),
        ("project = ", r"cannot read config file .*multitrack\.toml"),
        ("backends = ['nope']", "unknown backend 'nope'"),
        ("plugins = ['nope']", "unknown plugin 'nope'"),
    ],
)
def test_a_bad_file_is_refused_at_start(tmp_path: Path, text: str, match: str) -> None:
    write(tmp_path / "multitrack.toml", text)
    with pytest.raises(ConfigError, match=match):
        multitrack.start_run()
    assert not (tmp_path / ".multitrack").exists()


@pytest.mark.parametrize(
    ("table", "match"),
    [
        ({"pth": "x"}, r"argument config: \[file\] has no option 'pth'; did you mean 'path'"),
        ({"level": "high"}, r"argument config: invalid value for \[file\] level: 'high' \(expected `int`"),
    ],
)
def test_a_bad_option_is_refused_at_start(table: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        multitrack.start_run(config={"file": table}, backends=["recording_backends:file"])


@pytest.mark.parametrize(
    ("variable", "match"),
    [
        ("MULTITRACK_DELIVRY", "did you mean 'MULTITRACK_DELIVERY'"),
        ("MULTITRACK_FILE_PTH", "did you mean 'MULTITRACK_FILE_PATH'"),
        ("MULTITRACK_FILE_NONSENSE", "MULTITRACK_FILE_NONSENSE is not an option of backend file"),
    ],
)
def test_a_mistyped_variable_is_refused(monkeypatch: pytest.MonkeyPatch, variable: str, match: str) -> None:
    monkeypatch.setenv(variable, "x")
    with pytest.raises(ConfigError, match=match):
        multitrack.start_run(backends=["recording_backends:file"])


def test_variables_of_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTITRACK_SOMETHING_ELSE", "x")
    assert load_config().settings.backends == []


@pytest.mark.parametrize("config", [{"lr": 0.1, "epochs": 3}, {"model": {"units": 3}}, [1], 3])
def test_hyperparameters_as_config_get_a_hint(config: object) -> None:
    with pytest.raises(ConfigError, match=r"did you mean params=\?"):
        multitrack.start_run(config=config)


def test_a_known_backend_that_is_not_installed_is_not_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multitrack.plugins.registry.KNOWN", ("comet",))
    with pytest.raises(BackendNotInstalledError, match=r"pip install 'multitrack\[comet\]'"):
        multitrack.start_run(backends=["comet"])
    with pytest.raises(UnknownBackendError, match="did you mean 'mlflow'"):
        multitrack.start_run(backends=["mlflw"])


@pytest.mark.parametrize(
    ("uri", "absolute"),
    [
        ("sqlite:///mlflow.db", "sqlite:///{base}/mlflow.db"), ("sqlite:////abs/x.db", "sqlite:////abs/x.db"),
        ("http://localhost:5000", "http://localhost:5000"), ("databricks://profile", "databricks://profile"),
    ],
)  # fmt: skip
def test_relative_uris_are_relative_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, absolute: str
) -> None:
    write(tmp_path / "conf" / "multitrack.toml", f'[mlflow]\ntracking_uri = "{uri}"\n')
    found = options("mlflow", config=tmp_path / "conf" / "multitrack.toml")
    assert found.tracking_uri == absolute.format(base=tmp_path / "conf")


def test_the_manifest_holds_options_absolute_and_without_secrets(tmp_path: Path) -> None:
    uri = "http://user:hunter2@127.0.0.1:9"
    run = multitrack.start_run(backends=["mlflow"], config={"delivery": "off", "mlflow": {"tracking_uri": uri}})
    run.end()
    assert run.directory is not None
    text = (run.directory / "manifest.json").read_text()
    assert json.loads(text)["backends"][0]["options"]["tracking_uri"] == "http://127.0.0.1:9"
    files = [path for path in run.directory.rglob("*") if path.is_file()]
    assert {"manifest.json", "000001.jsonl"} <= {path.name for path in files}
    assert [path.name for path in files if "hunter2" in path.read_text()] == []


def test_the_command_prints_what_holds_and_where_it_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "multitrack.toml", 'backends = ["mlflow"]\n[mlflow]\ntracking_uri = "http://u:secret@h"\n')
    monkeypatch.setenv("MULTITRACK_DELIVERY", "thread")
    result = CliRunner().invoke(main, ["config"])
    assert result.exit_code == 0, result.output
    assert "secret" not in result.output
    rows = {line.split("  ")[0].strip(): line for line in result.output.splitlines()}
    assert "environment variable MULTITRACK_DELIVERY" in rows["delivery"]
    assert str(tmp_path / "multitrack.toml") in rows["[mlflow] tracking_uri"]
    assert "default" in rows["interval"]
    found = json.loads(CliRunner().invoke(main, ["config", "--json"]).output)
    assert {(row["section"], row["key"]): row["value"] for row in found["values"]}["", "delivery"] == "thread"
    (tmp_path / "multitrack.toml").write_text("exit = 3")
    result = CliRunner().invoke(main, ["config"])
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("config", "key", "source"),
    [
        ({"interval": 0}, "interval", "argument config"),
        ({"intervall": 1}, "intervall", "argument config"),
        ({"file": {"level": "high"}}, "file.level", "argument config"),
        ({"file": {"levle": 1}}, "file.levle", "argument config"),
    ],
)
def test_an_error_says_its_key_and_source_to_programs(config: dict[str, Any], key: str, source: str) -> None:
    with pytest.raises(ConfigError) as caught:
        multitrack.start_run(config={**config, "delivery": "off"}, backends=["recording_backends:file"])
    assert (caught.value.key, caught.value.source) == (key, source)


def test_an_error_of_a_variable_or_file_says_where_it_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "multitrack.toml").write_text("interval = 'often'")
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert (caught.value.key, caught.value.source) == ("interval", str(tmp_path / "multitrack.toml"))
    monkeypatch.setenv("MULTITRACK_INTERVAL", "often")
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert (caught.value.key, caught.value.source) == ("interval", "environment variable MULTITRACK_INTERVAL")
