"""Options work or raise: none is accepted and ignored."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack import ConfigError, RunError
from multitrack.courier.loop import Courier
from recording_backends import delivered

pytestmark = pytest.mark.case(5)

FILE = "recording_backends:file"
PICKY = "recording_backends:picky"


@pytest.fixture
def parent(tmp_path: Path) -> Any:
    config = {"delivery": "thread", "file": {"path": "one.jsonl", "level": 1}}
    with multitrack.start_run("ours", backends=[FILE], config=config) as run:
        yield run


def test_a_childs_own_config_holds_for_the_child(parent: multitrack.Run, tmp_path: Path) -> None:
    config = {"mistakes": "warn", "file": {"path": "two.jsonl"}}
    with multitrack.start_run(parent=parent, config=config) as child:
        child.log_metric("x", "wrong")
        child.log_metric("x", 1.0)
    assert child.flush(30).pending == 0
    assert child.mistakes == 1  # it was set aside
    with pytest.raises(TypeError):
        parent.log_metric("x", "wrong")
    opened = [line["options"] for line in delivered(tmp_path / "two.jsonl", "open")]
    assert opened == [{"path": str(tmp_path / "two.jsonl"), "level": 1, "secret": ""}]  # the rest is the parent's
    assert not delivered(tmp_path / "one.jsonl", "metric")
    assert (child.project, child.manifest.parent) == ("ours", parent.id)


def test_a_childs_own_backends_and_journal(parent: multitrack.Run, tmp_path: Path) -> None:
    config = {"backends": [PICKY], "journal": "other", "picky": {"path": "picky.jsonl"}}
    with multitrack.start_run(parent=parent, config=config) as child:
        child.log_metric("x", 1.0)
    assert child.flush(30).pending == 0
    assert [entry.name for entry in child.manifest.backends] == ["picky"]
    (found,) = multitrack.open_journal(tmp_path / "other").runs()
    assert (found.id, found.manifest.parent) == (child.id, parent.id)
    assert found.context is not None  # it is looked up in no other journal


def test_a_config_file_of_a_child(parent: multitrack.Run, tmp_path: Path) -> None:
    (tmp_path / "child.toml").write_text('mistakes = "warn"\n')
    with multitrack.start_run(parent=parent, config=tmp_path / "child.toml") as child:
        child.log_metric("x", "wrong")
    assert child.mistakes == 1


def test_a_childs_config_is_checked(parent: multitrack.Run) -> None:
    for config in ({"mistake": "warn"}, {"file": {"levle": 3}}, {"nonesuch": {"a": 1}}, {"interval": -1}):
        with pytest.raises(ConfigError):
            multitrack.start_run(parent=parent, config=config)


def test_without_one_all_is_the_parents(
    parent: multitrack.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MULTITRACK_MISTAKES", "warn")  # a variable is no argument of the child's
    with multitrack.start_run(parent=parent) as child, pytest.raises(TypeError):
        child.log_metric("x", "wrong")
    assert child.settings == parent.settings


@pytest.mark.parametrize("key", ["interval", "fsync"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), -1.0, 0.0])
def test_seconds_that_never_come_are_refused(tmp_path: Path, key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"argument config: invalid value for {key}: "):
        multitrack.start_run(config={key: value})
    assert list(tmp_path.iterdir()) == []


def test_the_contract_without_pytest_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pytest", None)
    monkeypatch.delitem(sys.modules, "multitrack.testing", raising=False)
    with pytest.raises(ImportError, match=r"needs pytest: in a checkout, pip install '\.\[testing\]'"):
        import multitrack.testing  # noqa: F401


@pytest.mark.parametrize("delivery", ["process", "thread"])
def test_each_run_has_its_own_interval(tmp_path: Path, delivery: str) -> None:
    """Of one courier: a slow one is not made quick by a later, quick one, nor that slow."""
    runs = {}
    for name, interval in (("slow", 600.0), ("quick", 0.05)):
        config = {"delivery": delivery, "interval": interval, "file": {"path": f"{name}.jsonl"}}
        runs[name] = multitrack.start_run(name=name, backends=[FILE], config=config)
        runs[name].wait_open(60)
        runs[name].log_metric("first", 1.0)
        assert runs[name].flush(30).pending == 0  # which asks for it now
    for run in runs.values():
        run.log_metric("second", 1.0)
    for _ in range(600):
        if len(delivered(tmp_path / "quick.jsonl", "metric")) == 2:
            break
        time.sleep(0.05)
    assert len(delivered(tmp_path / "quick.jsonl", "metric")) == 2
    assert len(delivered(tmp_path / "slow.jsonl", "metric")) == 1
    for run in runs.values():
        assert run.end().complete  # an end does not wait for the interval


@pytest.mark.parametrize("interval", [0.02, 0.5])
def test_a_run_at_rest_is_looked_at_again_after_its_interval(tmp_path: Path, interval: float) -> None:
    """And not after the longest one, nor at once."""
    run = multitrack.start_run(backends=[FILE], config={"delivery": "off", "file": {"path": "it.jsonl"}})
    assert run.directory is not None
    courier = Courier(print)
    (lane,) = courier.add(run.directory, {"file": {"path": "it.jsonl"}}, interval=interval)
    courier.run(lambda: lane.idle and not lane.busy)
    for _ in range(3):
        looked = time.monotonic()
        lane.pace.due = 0.0
        assert not lane.wants(looked)
        assert lane.pace.due >= looked + interval
        assert 0 < courier._pause() <= interval
    run.log_metric("loss", 0.5, step=0)
    lane.pace.due = 0.0
    assert lane.wants(time.monotonic())
    courier.close()


@pytest.mark.parametrize("text", ["yess", "ture", "2", "disabled", "None", "0.0"])
def test_a_switch_that_says_neither_yes_nor_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MULTITRACK_DISABLED", text)
    with pytest.raises(ConfigError, match=f"MULTITRACK_DISABLED = '{text}' is neither"):
        multitrack.start_run()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("variable", "meant"), [
    ("MULTITRACK_DISABLE", "MULTITRACK_DISABLED"), ("MULTITRACK_DISABELD", "MULTITRACK_DISABLED"),
    ("MULTITRACK_CONFG", "MULTITRACK_CONFIG"), ("MULTITRACK_INTERVALL", "MULTITRACK_INTERVAL"),
])  # fmt: skip
def test_a_mistyped_variable_is_an_error(monkeypatch: pytest.MonkeyPatch, variable: str, meant: str) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(ConfigError, match=f"{variable} is not a setting; did you mean '{meant}'"):
        multitrack.start_run(config={"delivery": "off"})


def test_a_variable_that_nothing_reads_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from multitrack.config import variables

    monkeypatch.setattr(variables, "_warned", set())
    unread = ("MULTITRACK_OFF", "MULTITRACK_MODE", "MULTITRACK_NAME", "MULTITRACK_RUN_ID", "MULTITRACK_MLFLO_TIMEOUT")
    read = ("MULTITRACK_WANDB_MODE", "MULTITRACK_STARTED_BY", "MULTITRACK_FILE_LEVEL", "MULTITRACK_CONFIG")
    for name in unread:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("MULTITRACK_WANDB_MODE", "offline")  # of a backend that these runs do not have
    monkeypatch.setenv("MULTITRACK_FILE_LEVEL", "2")
    for _ in range(2):
        multitrack.start_run(backends=[FILE], config={"delivery": "off"}).end()
    (told,) = [
        record.getMessage() for record in caplog.records if "unknown environment variable" in record.getMessage()
    ]
    before, _, after = told.partition("; known: ")
    assert all(name in before for name in unread)
    assert not any(name in before for name in read)
    assert "MULTITRACK_DISABLED" in after
    assert "MULTITRACK_PROJECT" in after


@pytest.mark.parametrize(("text", "off"), [("1", True), (" TRUE ", True), ("Yes", True), ("on", True), ("", False),
                                           ("0", False), ("False", False), ("no", False), ("OFF", False)])  # fmt: skip
def test_a_switch_that_says_so(monkeypatch: pytest.MonkeyPatch, text: str, off: bool) -> None:
    monkeypatch.setenv("MULTITRACK_DISABLED", text)
    with multitrack.start_run(config={"delivery": "off"}) as run:
        assert run.disabled is off
    with multitrack.start_run(config={"delivery": "off"}, disabled=not off) as run:
        assert run.disabled is not off


def test_a_truth_value_that_is_none() -> None:
    for value in ("no", "false", 0, 1, [], "yes"):
        with pytest.raises(TypeError, match="disabled must be True, False or None"):
            multitrack.start_run(disabled=value)  # type: ignore[arg-type]
    with multitrack.start_run(config={"delivery": "off"}) as run:
        for digest in (1, 0, None, [], b"sha256:0"):
            with pytest.raises(TypeError, match="digest must be"):
                run.log_artifact_ref("a", "s3://b/x", digest=digest)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="timeout must be seconds"):
            run.flush("3 s")  # type: ignore[arg-type]


def test_what_a_continued_run_cannot_become() -> None:
    config = {"delivery": "off"}
    multitrack.start_run("p", run_id="it", group="g", name="n", notes="one", config=config).end()
    for arguments in ({"project": "other"}, {"group": "other"}, {"parent": "somebody"}):
        with pytest.raises(RunError, match="cannot be continued with another one"):
            multitrack.start_run(run_id="it", config=config, **arguments)  # type: ignore[arg-type]
    again = multitrack.start_run("p", run_id="it", group="g", name="new", notes="two", config=config)
    again.end()
    (found,) = multitrack.open_journal().runs()
    assert (found.manifest.name, found.manifest.notes) == ("new", "two")
    multitrack.start_run(run_id="it", config=config).end()
    (found,) = multitrack.open_journal().runs()
    assert (found.manifest.name, found.manifest.notes, found.manifest.group) == ("new", "two", "g")


def test_a_new_name_and_new_notes_reach_mlflow(tmp_path: Path) -> None:
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    config = {"delivery": "off", "mlflow": {"tracking_uri": uri}}
    for name, notes in (("first", "one"), ("second", "two")):
        run = multitrack.start_run(run_id="it", name=name, notes=notes, backends=["mlflow"], config=config)
        run.end()
        multitrack.sync()
    native = MlflowClient(tracking_uri=uri).get_run(run.backend_ids["mlflow"])
    assert (native.info.run_name, native.info.status) == ("second", "FINISHED")
    assert native.data.tags["mlflow.note.content"] == "two"


@pytest.mark.parametrize("how", ["mapping", "file"])
def test_a_project_in_the_config_of_a_call_is_asked_for(parent: multitrack.Run, tmp_path: Path, how: str) -> None:
    config: Any = {"project": "other"}
    if how == "file":
        config = tmp_path / "call.toml"
        config.write_text('project = "other"\n')
    with multitrack.start_run(parent=parent, config=config) as child:
        pass
    assert (child.project, child.manifest.parent) == ("other", parent.id)
    with multitrack.start_run(parent=parent.id, config=config) as child:
        pass
    assert child.project == "other"
    with multitrack.start_run("argued", parent=parent, config=config) as child:
        pass
    assert child.project == "argued"
    with pytest.raises(RunError, match="has the project 'argued' and cannot be continued with another one"):
        multitrack.start_run(run_id=child.id, config=config)
    with multitrack.start_run(run_id=child.id, config={"project": "argued"}) as again:
        assert again.project == "argued"


@pytest.mark.parametrize("how", ["file", "variable"])
def test_a_project_of_all_runs_is_a_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    if how == "file":
        (tmp_path / "multitrack.toml").write_text('project = "default"\n')
    else:
        monkeypatch.setenv("MULTITRACK_PROJECT", "default")
    config = {"delivery": "off"}
    with multitrack.start_run("ours", config=config) as parent, multitrack.start_run(parent=parent) as child:
        pass
    assert child.project == "ours"
    with multitrack.start_run(run_id=child.id) as again:
        assert again.project == "ours"
    with multitrack.start_run() as fresh:
        assert fresh.project == "default"


def test_each_run_has_its_own_timeout(tmp_path: Path) -> None:
    """MLflow's is a variable, which the first run of a process would set for all."""
    import socket

    waiting = socket.create_server(("127.0.0.1", 0))
    uri = f"http://127.0.0.1:{waiting.getsockname()[1]}"
    said: dict[float, str] = {}
    for timeout in (7.0, 0.5):
        config = {"delivery": "off", "mlflow": {"tracking_uri": uri, "timeout": timeout}}
        run = multitrack.start_run(backends=["mlflow"], config=config)
        run.log_metric("x", 1.0)
        run.end()
        from multitrack.delivery.lane import Lane

        assert run.directory is not None
        lane = Lane(
            run.directory, run.manifest.backends[0], notice=lambda text, timeout=timeout: said.update({timeout: text})
        )
        lane.step()
        lane.release()
    waiting.close()
    assert {timeout: f"timeout={timeout}" in text or str(timeout) in text for timeout, text in said.items()} == {
        7.0: True, 0.5: True,
    }, json.dumps({str(key): value for key, value in said.items()})  # fmt: skip
