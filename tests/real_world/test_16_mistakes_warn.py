"""With ``mistakes = "warn"`` nothing that a caller gives raises."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import multitrack
from multitrack.cli import main

pytestmark = pytest.mark.case(16)

CONFIG = {"delivery": "off", "mistakes": "warn"}


class OddError(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError("nor has its error a message")


class Raising:
    """Raises whatever it is asked."""

    def _raise(self, *arguments: Any) -> Any:
        raise OddError

    __repr__ = __str__ = __iter__ = __len__ = __float__ = __int__ = __index__ = __array__ = __hash__ = __fspath__ = (
        _raise
    )
    __bool__ = __eq__ = _raise


class RaisingMapping(dict[str, Any]):
    def items(self) -> Any:
        raise OddError


@dataclasses.dataclass(init=False)
class Unset:
    given: int
    never: int

    def __init__(self) -> None:
        self.given = 1


class OddName(str):
    __slots__ = ()

    def __hash__(self) -> int:
        raise OddError


WRONG: list[Any] = [
    lambda run, value: run.log_params({"x": value}), lambda run, value: run.log_params(value),
    lambda run, value: run.log_params({"x": 1}, source=value), lambda run, value: run.log_metric("m", value),
    lambda run, value: run.log_metric(value, 1.0), lambda run, value: run.log_metric("m", 1.0, step=value),
    lambda run, value: run.log_metrics(value), lambda run, value: run.log_metrics({value: 1.0}) if _hashes(value) else None,
    lambda run, value: run.log_list_metric("l", value), lambda run, value: run.log_list_metric(value, [1.0]),
    lambda run, value: run.set_tags({"t": value}), lambda run, value: run.set_tags(value),
    lambda run, value: run.log_lines(value), lambda run, value: run.log_lines(["a"], stream=value),
    lambda run, value: run.log_artifact_ref("a", value), lambda run, value: run.log_artifact_ref(value, "s3://b/x"),
    lambda run, value: run.log_artifact_ref("a", "s3://b/x", kind=value),
    lambda run, value: run.log_artifact_ref("a", "s3://b/x", role=value),
    lambda run, value: run.log_artifact_ref("a", "s3://b/x", digest=value),
    lambda run, value: run.flush(timeout=value), lambda run, value: run.wait_open(timeout=value),
]  # fmt: skip


def _hashes(value: Any) -> bool:
    try:
        hash(value)
    except Exception:
        return False
    return True


@pytest.mark.parametrize("call", WRONG)
@pytest.mark.parametrize("value", [Raising(), RaisingMapping(a=1), OddName("odd"), Unset(), "\ud800", object()])
def test_no_call_raises(call: Any, value: Any) -> None:
    with multitrack.start_run(config=CONFIG) as run:
        call(run, value)
        run.log_metric("after", 1.0)
    (found,) = multitrack.open_journal().runs()
    assert found.summary().metrics["after"] == 1.0
    assert found.summary().mistakes == run.mistakes


def test_the_reasons_are_shown() -> None:
    with multitrack.start_run("p", "it", config=CONFIG) as run:
        for value in ("x", "x", None):
            run.log_metric("loss", value, step=0)  # type: ignore[arg-type]
    shown = CliRunner().invoke(main, ["show", "it"], catch_exceptions=False).output
    assert re.search(r"wrong call +times +reason", shown)
    assert re.search(r"log_metric +2 +.*'loss'.*str", shown)
    assert re.search(r"log_metric +1 +.*'loss'.*NoneType", shown)
    told = json.loads(CliRunner().invoke(main, ["show", "it", "--json"], catch_exceptions=False).output)
    assert [(each["call"], each["times"]) for each in told["wrong_calls"]] == [("log_metric", 2), ("log_metric", 1)]
    assert all("loss" in each["reason"] for each in told["wrong_calls"])


def test_the_cases_as_they_were_met(caplog: pytest.LogCaptureFixture) -> None:
    import omegaconf

    missing = omegaconf.OmegaConf.create({"lr": 0.1, "data": "???"})
    with multitrack.start_run(config=CONFIG) as run:
        run.log_params(missing)
        run.log_params(Unset())
        run.log_params({"bad": Raising(), "good": 1})
        run.log_params({"after": 1})
    assert run.mistakes == 3
    (found,) = multitrack.open_journal().runs()
    assert found.get_params() == {"after": 1}
    assert caplog.text.count("log_params was set aside") == 1
    reasons = [record.reason for record in found.records() if type(record).__name__ == "Mistake"]
    assert any("data" in reason for reason in reasons)
    assert any("Unset.never was never set" in reason for reason in reasons)


def test_start_run_takes_wrong_params_and_names_as_well() -> None:
    run = multitrack.start_run(
        "p", name="", params={"x": Raising()}, tags={"t": Raising()}, group=3, notes=Raising(), config=CONFIG  # type: ignore[arg-type]
    )  # fmt: skip
    run.log_metric("x", 1.0)
    assert re.fullmatch(r"[a-z]+-[a-z]+-\d+", run.name)
    run.end("success")  # type: ignore[arg-type]
    assert (run.status, run.mistakes) == ("finished", 6)
    (found,) = multitrack.open_journal().runs()
    assert (found.get_params(), found.summary().tags, found.manifest.group) == ({}, {}, None)
    assert found.summary().mistakes == 6


@pytest.mark.parametrize("arguments", [
    {"project": 5}, {"project": Raising()}, {"name": Raising()}, {"group": Raising()}, {"backends": Raising()},
    {"backends": [Raising(), 5]}, {"parent": 5}, {"parent": Raising()}, {"parent": "../x"}, {"run_id": "a b"},
    {"run_id": Raising()}, {"capture": ("bogus", "logging")}, {"capture": Raising()}, {"capture": 5}, {"tags": Raising()},
    {"disabled": "no"}, {"disabled": Raising()}, {"params": Raising()}, {"project": ""},
])  # fmt: skip
def test_no_argument_of_start_run_raises(arguments: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    run = multitrack.start_run(config=CONFIG, **arguments)
    run.log_metric("x", 1.0)
    run.end()
    wrong = 2 if arguments.get("backends").__class__ is list else 1
    assert (run.mistakes, run.manifest.parent, run.manifest.backends) == (wrong, None, [])
    assert caplog.text.count("start_run was set aside") == 1
    (found,) = multitrack.open_journal().runs()
    assert (found.summary().metrics["x"], found.summary().mistakes) == (1.0, wrong)
    assert found.manifest.project


def test_a_wrong_argument_of_a_child_and_of_a_continued_run(tmp_path: Path) -> None:
    with multitrack.start_run("p", config=CONFIG) as parent:
        with multitrack.start_run(5, parent=parent, group=Raising()) as child:  # type: ignore[arg-type]
            pass
        assert (child.project, child.manifest.parent, child.mistakes) == ("p", parent.id, 2)
    with multitrack.start_run("other", run_id=child.id, config=CONFIG) as again:
        pass
    assert (again.project, again.mistakes) == ("p", 1)
    with multitrack.start_run(capture=("bogus", "logging"), config=CONFIG) as run:
        import logging

        logging.getLogger("test").warning("captured")
    assert [line.text for line in multitrack.open_journal().run(run.id).get_lines()][-1:] == ["WARNING test: captured"]


def test_a_disabled_start_does_not_ask_what_it_was_given() -> None:
    assert multitrack.start_run(Raising(), Raising(), disabled=True).disabled  # type: ignore[arg-type]


@pytest.mark.parametrize("arguments", [
    {"config": {**CONFIG, "project": Raising()}}, {"config": {**CONFIG, "interval": Raising()}}, {"backends": "nonesuch"},
    {"config": {**CONFIG, "file": {"levle": 1}}, "backends": ["recording_backends:file"]}, {"config": Raising()},
])  # fmt: skip
def test_what_is_wrong_with_the_set_up_still_raises(arguments: dict[str, Any]) -> None:
    with pytest.raises(multitrack.ConfigError):
        multitrack.start_run(**{"config": CONFIG, **arguments})


@pytest.mark.parametrize("arguments", [
    {"project": 5}, {"project": Raising()}, {"backends": Raising()}, {"parent": 5}, {"run_id": "a b"}, {"capture": ("bogus",)},
])  # fmt: skip
def test_without_it_a_wrong_argument_of_start_run_is_a_stated_error(tmp_path: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        multitrack.start_run(config={"delivery": "off"}, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_param_that_was_another_one_is_set_aside_at_a_continued_start() -> None:
    multitrack.start_run(run_id="it", params={"lr": 0.1}, config=CONFIG).end()
    again = multitrack.start_run(run_id="it", params={"lr": 0.2}, config=CONFIG)
    again.end()
    (found,) = multitrack.open_journal().runs()
    assert found.get_params() == {"lr": 0.1}
    assert found.summary().mistakes == 1


def test_ctrl_c_in_the_middle_of_a_call_still_stops() -> None:
    class Interrupted:
        def __repr__(self) -> str:
            raise KeyboardInterrupt

    run = multitrack.start_run(config=CONFIG)
    with pytest.raises(KeyboardInterrupt):
        run.log_params({"x": Interrupted()})
    run.end()


@pytest.mark.parametrize("value", [Raising(), RaisingMapping(a=1), Unset()])
def test_without_it_the_error_is_the_callers_and_nothing_is_recorded(tmp_path: Path, value: Any) -> None:
    with multitrack.start_run(config={"delivery": "off"}) as run:
        with pytest.raises((OddError, ValueError)):
            run.log_params({"fine": 1, "wrong": value})
        with pytest.raises((OddError, ValueError, TypeError)):
            run.log_params(value)
    (found,) = multitrack.open_journal().runs()
    assert (found.get_params(), found.summary().mistakes) == ({}, 0)
