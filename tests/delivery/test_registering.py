"""The hook ``register_models``: before the run's end, again after an error, and never in the way of the rest."""

from collections.abc import Sequence
from typing import Any

import pytest

import multitrack
from multitrack import DeniedError, PermanentError, RetryableError, hookimpl
from multitrack.hookspecs import Opened, RunInfo
from multitrack.records import ModelVersion


class Registry:
    """A backend that raises the given errors, one a call, before it registers."""

    name = "registry"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls: list[Any] = []

    @hookimpl
    def open_run(self, run: RunInfo) -> Opened:
        return Opened(run.id)

    @hookimpl
    def register_models(self, run: RunInfo, models: Sequence[ModelVersion]) -> list[str]:
        self.calls.append([(model.name, model.version) for model in models])
        if self.errors:
            raise self.errors.pop(0)
        return ["called classifier_ there"]

    @hookimpl
    def close_run(self, run: RunInfo, status: str, time: int) -> None:
        self.calls.append(status)


def deliver(registry: Registry, *, models: bool = True) -> multitrack.LaneReport:
    run = multitrack.start_run("p", backends=[registry], config={"delivery": "thread", "interval": 0.05})
    if models:
        run.log_artifact_ref("classifier", "s3://bucket/model", kind="model")
    run.end()
    return run.flush(timeout=0)["registry"]


REGISTERED = [("classifier", "1.0.0")]


def test_before_the_end() -> None:
    registry = Registry()
    report = deliver(registry)
    assert report.complete
    assert registry.calls == [REGISTERED, "finished"]
    assert report.stand_ins == ["called classifier_ there"]


def test_again_after_trouble() -> None:
    registry = Registry(RetryableError("down", after=0.01), RetryableError("down", after=0.01))
    report = deliver(registry)
    assert report.complete
    assert registry.calls == [REGISTERED, REGISTERED, REGISTERED, "finished"]


@pytest.mark.parametrize("error", [PermanentError("no such registry"), KeyError("bug")])
def test_a_refusal_ends_the_run_and_is_reported(error: Exception) -> None:
    registry = Registry(error)
    report = deliver(registry)
    assert report.complete
    assert registry.calls == [REGISTERED, "finished"]
    (sentence,) = report.stand_ins
    assert sentence.startswith("not registered: classifier 1.0.0: ")
    assert str(error) in sentence


def test_denied_access_leaves_the_end_to_sync() -> None:
    registry = Registry(DeniedError("wrong key"))
    report = deliver(registry)
    assert not report.complete
    assert registry.calls == [REGISTERED]
    assert "wrong key" in str(report.problem)


def test_a_run_without_models_does_not_ask() -> None:
    registry = Registry()
    assert deliver(registry, models=False).complete
    assert registry.calls == ["finished"]
