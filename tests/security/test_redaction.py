"""Secrets never reach the journal: by name, in URIs, the trackers' keys; and each redaction is counted."""

import argparse
import dataclasses
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack import hookimpl
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording import lifecycle
from multitrack.recording.run import Run
from multitrack.security.redaction import Redactor
from multitrack.security.secrets import KEY_VARIABLES, is_secret_name, without_arguments, without_credentials
from recording_backends import delivered

KEY = "0123456789abcdef/+0123=="
SECRETS = ["hunter2", KEY, "0123456789abcdef%2F%2B0123%3D%3D"]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in KEY_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    yield
    multitrack.unregister("extension")


def start(**arguments: Any) -> Run:
    return multitrack.start_run(config={"delivery": "off"} | arguments.pop("config", {}), **arguments)


def recorded(run: Run) -> RecordedRun:
    assert run.directory is not None
    return RecordedRun(run.directory)


def assert_clean(journal: Path) -> None:
    """No secret stands in any file."""
    files = [path for path in journal.rglob("*") if path.is_file()]
    assert files
    for path in files:
        for secret in SECRETS:
            assert secret.encode() not in path.read_bytes(), (path, secret)


# -- by name --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["password", "passwd", "secret", "client_secret", "api_key", "apikey", "access_token", "auth_token", "private_key",
     "db/password", "a/b/API_KEY", "api-key", "apiKey", "ApiKey", "clientSecret", "db.password", "WANDB_API_KEY"],
)  # fmt: skip
def test_these_names_are_secret(tmp_path: Path, name: str) -> None:
    assert is_secret_name(name)
    run = start()
    run.log_params({name: "hunter2"})
    run.set_tags({name: "hunter2"})
    told = recorded(run).summary()
    assert (told.params, told.tags) == ({name: "[redacted]"}, {name: "[redacted]"})
    assert_clean(tmp_path / ".multitrack")


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "eos_token", "token", "tokens", "tokenizer", "password/length", "passwords", "secret_santa", "key",
     "api_key_id", "my_password", "secretary", "api", "access_tokens", "keyboard", "public_key"],
)  # fmt: skip
def test_these_are_not(name: str) -> None:
    assert not is_secret_name(name)
    run = start(params={name: "kept"})
    assert recorded(run).get_params() == {name: "kept"}


def test_numbers_are_never_redacted() -> None:
    values = {"a/password": 1, "b/secret": 0.5, "c/api_key": True, "d/passwd": None, "e/secret": 2**60,
              "f/secret": math.inf, "password": [1, 2]}  # fmt: skip
    run = start(params=values)
    run.set_tags({"secret": 7, "password": False})
    told = recorded(run).summary()
    assert told.params == values
    assert told.tags == {"secret": "7", "password": "False"}
    assert told.redacted == 0


def test_lists_and_mappings_in_lists_are_looked_through() -> None:
    run = start(params={"password": ["hunter2", 3], "users": [{"name": "me", "api_key": "hunter2", "n": 1}],
                        "secret": [{"any": "hunter2"}]})  # fmt: skip
    assert recorded(run).get_params() == {
        "password": ["[redacted]", 3], "users": [{"name": "me", "api_key": "[redacted]", "n": 1}],
        "secret": [{"any": "[redacted]"}],
    }  # fmt: skip
    assert recorded(run).summary().redacted == 3


@dataclasses.dataclass
class Login:
    user: str
    password: str


def test_whatever_params_come_from(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("yaml:\n  password: hunter2\n")
    (tmp_path / "a.toml").write_text('[toml]\nclient_secret = "hunter2"\n')
    (tmp_path / "a.json").write_text('{"json": {"auth_token": "hunter2"}}')
    run = start(params=argparse.Namespace(api_key="hunter2", lr=0.1))
    run.log_params({"login": Login("me", "hunter2")})
    for name in ("a.yaml", "a.toml", "a.json"):
        run.log_params(tmp_path / name)
    assert recorded(run).get_params() == {
        "api_key": "[redacted]", "lr": 0.1, "login/user": "me", "login/password": "[redacted]",
        "yaml/password": "[redacted]", "toml/client_secret": "[redacted]", "json/auth_token": "[redacted]",
    }  # fmt: skip
    assert_clean(tmp_path / ".multitrack")


def test_params_are_compared_as_they_are_kept() -> None:
    run = start(params={"password": "hunter2"})
    run.log_params({"password": "another"})
    told = recorded(run).summary()
    assert (told.params, told.redacted) == ({"password": "[redacted]"}, 1)


@pytest.mark.parametrize("call", ["log_params", "set_tags"])
def test_a_wrong_value_of_a_secret_name_is_not_shown(tmp_path: Path, call: str) -> None:
    class Wrong:
        def __repr__(self) -> str:
            return "hunter2"

    run = start(config={"mistakes": "warn"})
    getattr(run, call)({"password": Wrong()})
    told = recorded(run).summary()
    assert (told.mistakes, told.params) == ((1, {}) if call == "set_tags" else (0, {"password": "[redacted]"}))
    assert_clean(tmp_path / ".multitrack")


# -- in URIs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("https://user:hunter2@host/x", "https://host/x"),
        ("see https://user:hunter2@host:8080/x?a=1#b, or not", "see https://host:8080/x?a=1#b, or not"),
        ("https://hunter2@host/x", "https://host/x"),
        ("postgresql+psycopg2://me:p@hunter2@db/x", "postgresql+psycopg2://db/x"),
        ("postgresql://me:hunter2/!@db/x", "postgresql://db/x"),
        ("a redis://:hunter2@h b ftp://u:hunter2@h", "a redis://h b ftp://h"),
        ("ssh://git@host/x", "ssh://git@host/x"),
        ("https://h/x?X-Amz-Signature=hunter2&part=1", "https://h/x?X-Amz-Signature=[redacted]&part=1"),
        ("https://h/x?X%2DAmz%2DSignature=hunter2", "https://h/x?X%2DAmz%2DSignature=[redacted]"),
        ("https://h/x?sv=1&sig=hunter2", "https://h/x?sv=1&sig=[redacted]"),
        ("https://h/x#access_token=hunter2&state=1", "https://h/x#access_token=[redacted]&state=1"),
        ("'https://h/x?api_key=hunter2'", "'https://h/x?api_key=[redacted]'"),
    ],
)
def test_credentials_in_uris_wherever_they_stand(tmp_path: Path, text: str, kept: str) -> None:
    assert without_credentials(text) == kept
    run = start(params={"a": text, "b": [text]}, tags={"t": text}, notes=text)
    run.log_lines([text, "else"])
    told = recorded(run).summary()
    assert told.params == {"a": kept, "b": [kept]}
    assert told.tags == {"t": kept}
    assert [line.text for line in recorded(run).get_lines()] == [kept, "else"]
    assert told.redacted == (0 if kept == text else 5)
    assert_clean(tmp_path / ".multitrack")


@pytest.mark.parametrize(
    "text",
    ["https://host:8080/a@b", "https://registry/@scope/x", "s3://bucket/käse?versionId=3", "a://b", "://", "file:///a@b",
     "https://[::1]:80/x@y", "https://h/?max_tokens=5&tokenizer=x", "user:password@host", "x" * 100, "https://h?a=b=c",
     "sqlite:////data/a b.db", "https://h/x?&&=1;", "mail me@x.org"],
)  # fmt: skip
def test_what_holds_no_secret_stays_letter_for_letter(text: str) -> None:
    assert without_credentials(text) == text


def test_a_long_line_takes_no_time() -> None:
    import time

    before = time.perf_counter()
    without_credentials("a" * 1_000_000 + "://" + "b@:?=&" * 100_000)
    Redactor().begin(lines=True).lines(["a://" * 200_000])
    assert time.perf_counter() - before < 2


# -- the trackers' keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("variable", KEY_VARIABLES)
def test_a_trackers_key_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, KEY)
    quoted = SECRETS[2]
    run = start(
        project=f"p {KEY}", name=f"n {KEY}", notes=f"notes {KEY}", group=KEY, params={"a": f"<{KEY}>", "b": [KEY]},
        tags={"t": KEY}, backends=["recording_backends:file"], config={"mistakes": "warn", "file": {"path": f"x{KEY}"}},
    )  # fmt: skip
    run.log_lines(f"one\ncurl -H {KEY} {quoted}\n{json.dumps({'key': KEY})}")
    run.log_artifact_ref(f"a {KEY}", f"s3://bucket/{KEY}", kind=KEY)
    run.log_artifact_ref("local", tmp_path / KEY.replace("/", "_"), digest=False)
    run.log_metric("x", KEY)  # a mistake, and its reason
    run.log_params({"c": 1}, source=KEY)
    with pytest.raises(RuntimeError), run:
        raise RuntimeError(f"no access with {KEY}")
    assert_clean(tmp_path / ".multitrack")
    told = recorded(run).summary()
    assert (told.params["a"], told.mistakes, told.status) == ("<[redacted]>", 1, "failed")
    assert recorded(run).manifest.name == "n [redacted]"
    assert recorded(run).manifest.redacted == 5


def test_a_key_that_is_set_later_is_known_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start()
    run.log_lines("before")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    run.log_lines(f"with {KEY}")
    monkeypatch.setenv("WANDB_API_KEY", "another-key")
    run.log_params({"a": "another-key", "b": KEY})  # the earlier one stays a secret
    monkeypatch.delenv("WANDB_API_KEY")
    run.log_lines(f"with {KEY}")
    assert [line.text for line in recorded(run).get_lines()] == ["before", "with [redacted]", "with [redacted]"]
    assert recorded(run).get_params() == {"a": "[redacted]", "b": "[redacted]"}


def test_a_short_value_does_not_eat_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "1")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", " " * 10)
    run = start(params={"a": "10 layers"})
    run.log_lines("step 1" + " " * 12)
    assert recorded(run).get_params() == {"a": "10 layers"}
    assert recorded(run).summary().redacted == 0


# -- where a run came from, and where it goes -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["--api-key=hunter2", "x"], ["--api-key=[redacted]", "x"]),
        (["--password", "hunter2", "x"], ["--password", "[redacted]", "x"]),
        (["--db.password", "hunter2"], ["--db.password", "[redacted]"]),
        (["-password", "hunter2"], ["-password", "[redacted]"]),
        (["password=hunter2", "+db.password=hunter2", "db/secret=hunter2"],
         ["password=[redacted]", "+db.password=[redacted]", "db/secret=[redacted]"]),
        (["WANDB_API_KEY=hunter2"], ["WANDB_API_KEY=[redacted]"]),
        (["--password", "--lr", "3"], ["--password", "--lr", "3"]),
        (["--password"], ["--password"]),
        (["--max_tokens", "5", "--eos_token=x", "password"], ["--max_tokens", "5", "--eos_token=x", "password"]),
    ],
)  # fmt: skip
def test_command_lines(words: list[str], kept: list[str]) -> None:
    assert without_arguments(words) == kept


def test_where_a_run_came_from_holds_no_secret(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(
        "import multitrack\n"
        "with multitrack.start_run(project='p', config={'delivery': 'off'}) as run:\n    print(run.end())\n"
    )
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "first"], check=True)
    subprocess.run(["git", "remote", "add", "origin", f"https://me:hunter2@example.com/{SECRETS[2]}.git"], check=True)
    command = [sys.executable, "train.py", "--api-key", "hunter2", f"--note={KEY}", "https://me:hunter2@host/x"]
    done = subprocess.run(
        command, check=True, env={**os.environ, "NEPTUNE_API_TOKEN": KEY}, capture_output=True, text=True
    )
    assert "4 values redacted" in done.stdout
    (run,) = multitrack.open_journal().runs()
    assert run.context is not None
    assert run.context.git is not None
    assert run.context.command[1:] == ["train.py", "--api-key", "[redacted]", "--note=[redacted]", "https://host/x"]
    assert run.context.git.remote == "https://example.com/[redacted].git"
    assert run.manifest.redacted == run.summary().redacted == 4
    assert_clean(tmp_path / ".multitrack")


def test_a_backends_secret_options_are_left_out_of_the_manifest(tmp_path: Path) -> None:
    with multitrack.start_run(
        backends=["recording_backends:file"], config={"delivery": "process", "file": {"secret": "hunter2 and more"}}
    ) as run:
        run.log_lines("said hunter2 and more")  # what we know to be a secret is one everywhere
    openings = delivered(tmp_path / "delivered.jsonl", "open")  # more than one where another courier took over
    assert ["hunter2 and more" in opened["options"].values() for opened in openings] == [True] * (len(openings) or 1)
    assert "secret" not in recorded(run).manifest.backends[0].options
    assert [line.text for line in recorded(run).get_lines()] == ["said [redacted]"]
    assert_clean(tmp_path / ".multitrack")
    again = multitrack.start_run(run_id=run.id, backends=["recording_backends:file"],
                                 config={"delivery": "off", "file": {"secret": "hunter2 and more"}})  # fmt: skip
    again.end()
    assert_clean(tmp_path / ".multitrack")


def test_what_a_tracker_answers_is_kept_without_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", KEY)
    (tmp_path / "chatty.py").write_text(
        "import os\nfrom multitrack import RetryableError, hookimpl\nfrom recording_backends import FileBackend\n\n\n"
        "class Chatty(FileBackend):\n    name = 'chatty'\n\n"
        "    @hookimpl\n    def environment_variables(self):\n        return ['MLFLOW_TRACKING_TOKEN']\n\n"
        "    def write_all(self, run, what, records):\n"
        "        text = f\"401 for {os.environ['MLFLOW_TRACKING_TOKEN']}, {run.options.secret}\"\n"
        "        raise (RetryableError if what == 'tags' else ValueError)(text)\n\n\nbackend = Chatty()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("multitrack.delivery.waiting.STALL", 1.0)
    options = {"interval": 0.05, "chatty": {"secret": "hunter2 and more"}}
    run = multitrack.start_run(backends=["chatty:backend"], config=options)
    run.log_metric("x", 1.0)
    assert run.flush(timeout=20)["chatty"].reasons == {"ValueError: 401 for [redacted], [redacted]": 1}
    run.set_tags({"a": "b"})
    assert run.end()["chatty"].problem == "401 for [redacted], [redacted]"
    assert_clean(tmp_path / ".multitrack")


# -- plugins, and counting ------------------------------------------------------------------------------------


class Extension:
    name = "extension"

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    @hookimpl
    def redact(self, text: str, name: str) -> str | None:
        self.seen.append((name, text))
        if "boom" in text:
            raise ZeroDivisionError(name)
        return text.replace("Carol", "[name]") if "Carol" in text else None


def test_plugins_come_after_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    extension = Extension()
    multitrack.register(extension)
    run = start(name="for Carol", params={"who": f"Carol {KEY}", "password": "hunter2", "n": 1, "bad": "boom"})
    run.log_lines(["Carol", "x", "boom"])
    told = recorded(run).summary()
    assert told.params == {"who": "[name] [redacted]", "password": "[redacted]", "n": 1, "bad": "[redacted]"}
    assert [line.text for line in recorded(run).get_lines()] == ["[name]", "x", "[redacted]"]
    assert recorded(run).manifest.name == "for [name]"
    assert ("who", "Carol [redacted]") in extension.seen
    assert not any("hunter2" in text or KEY in text for _, text in extension.seen)
    assert told.redacted == 6


def test_each_redaction_is_counted_and_seen(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from multitrack.cli import main

    run = start(params={"password": "x", "a": 1})
    run.log_params({"password": "x", "b/secret": "y"})  # what was recorded before does not count again
    run.set_tags({"secret": "x", "a": "b"})
    run.log_lines(["https://a:b@c", "x", "https://a:b@c"])
    run.log_artifact_ref("a", "https://a:b@c")
    report = run.end()
    assert report.redacted == 6
    assert "6 values redacted" in str(report)
    assert recorded(run).summary().redacted == 6
    text = (tmp_path / ".multitrack" / "runs" / run.id / "000001.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line.get("redacted") for line in lines[1:]] == [1, 1, 1, 2, 1, None]
    shown = CliRunner().invoke(main, ["show", run.id]).output
    assert "redacted values  6" in shown
    assert json.loads(CliRunner().invoke(main, ["show", run.id, "--json"]).output)["redacted"] == 6
    resumed = start(run_id=run.id)
    resumed.set_tags({"secret": "z"})
    assert resumed.end().redacted == 7


def test_metrics_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start()
    lifecycle.join_context(run)  # git's remote and branch are
    monkeypatch.setattr(Redactor, "begin", None)
    run.log_metric("x", 1.0, step=0)
    run.log_metrics({"x": 1.0}, step=1)
    run.log_list_metric("l", [1.0])
