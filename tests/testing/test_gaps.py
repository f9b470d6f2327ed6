"""Declared gaps: skipped with their reason, and a failure if the tracker holds the values after all."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import multitrack
from multitrack.errors import PermanentError
from multitrack.hookspecs import RunInfo
from multitrack.markers import hookimpl
from multitrack.records import Lines
from multitrack.testing import BackendContract, Capabilities, MemoryBackend, Model, NativeRun

#: Tests of the contract that fail without it, by capability.
TESTS = {
    "start_time": "test_how_a_run_ended",
    "end_time": "test_how_a_run_ended",
    "any_names": "test_hostile_names",
    "point_times": "test_a_series_keeps_every_point",
    "resumable": "test_a_resumed_run_goes_on",
    "history": "test_a_series_keeps_every_point",
    "params": "test_params_keep_their_values",
    "artifacts": "test_references_are_kept_without_copying",
    "lines": "test_lines_keep_order_and_text",
    "tags": "test_tags_keep_their_last_value",
    "nan": "test_nan_is_kept",
    "read_back": "test_a_run_is_read_back",
}


class Keeping(MemoryBackend):
    """Holds everything."""


class Forgetful(MemoryBackend):
    """Drops lines."""

    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> None:
        pass


class Refusing(MemoryBackend):
    @hookimpl
    def log_lines(self, run: RunInfo, records: Sequence[Lines]) -> None:
        raise PermanentError("no lines here")


@pytest.fixture(params=[Keeping])
def contract(request: pytest.FixtureRequest) -> Iterator[BackendContract]:
    memory = request.param()

    class Contract(BackendContract):
        backend = "memory"
        examples = 20

        def new_plugin(self) -> object:
            return memory

        def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
            return memory.runs[backend_id]

    multitrack.register(memory)
    yield Contract()
    multitrack.unregister("memory")


def declare(contract: BackendContract, **gaps: bool) -> None:
    type(contract).capabilities = dataclasses.replace(Capabilities(), **gaps)


@pytest.mark.parametrize("gap", TESTS)
def test_a_gap_that_works_after_all_is_a_failure(contract: BackendContract, tmp_path: Path, gap: str) -> None:
    declare(contract, **{gap: False})
    ended = {"status": "failed"} if TESTS[gap] == "test_how_a_run_ended" else {}
    with pytest.raises(pytest.fail.Exception, match=rf"declares {gap}=False, but (this test passes|it works)"):
        getattr(contract, TESTS[gap])(tmp_path, **ended)


@pytest.mark.parametrize("gap", ["artifacts", "history", "lines", "params", "tags"])
def test_a_gap_that_works_after_all_is_seen_in_a_whole_run(contract: BackendContract, gap: str) -> None:
    whole = Model()
    whole.log_params({"lr": 0.1}, time=0)
    for step in range(2):
        whole.log_metrics({"loss": 0.5}, step, time=step)
    whole.log_artifact_ref("data", "s3://bucket/data", time=0)
    whole.log_lines(["one"], time=0)
    whole.set_tags({"stage": "draft"}, time=0)
    contract.compare(whole, whole)
    declare(contract, **{gap: False})
    with pytest.raises(AssertionError):
        contract.compare(whole, whole)


@pytest.mark.parametrize("contract", [Forgetful], indirect=True)
def test_a_gap_is_skipped_with_its_reason(contract: BackendContract, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        contract.test_lines_keep_order_and_text(tmp_path / "undeclared")
    declare(contract, lines=False)
    with pytest.raises(
        pytest.skip.Exception, match=r"memory declares lines=False; its README names the stand-in, if there is one"
    ):
        contract.test_lines_keep_order_and_text(tmp_path / "declared")
    contract.test_two_runs_do_not_meet(tmp_path / "beside")
    contract.test_any_history(tmp_path / "any")


def test_stand_ins_and_gaps_explain_what_is_missing() -> None:
    declared = Capabilities(lines=False, nan=False, stand_ins={"nan": "text"}, gaps={"lines": "numbers only"})
    assert declared.missing == ("nan", "lines")
    assert [declared.why_not(name) for name in declared.missing] == ["stand-in: text", "numbers only"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        declared.nan = True  # type: ignore[misc]
    for wrong in ({"gaps": {"lines": "kept, in truth"}}, {"stand_ins": {"nan": "a", "no_such": "b"}}):
        with pytest.raises(ValueError, match=r"(lines|nan, no_such): stand_ins and gaps explain"):
            Capabilities(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nan: stand_ins and gaps"):
        Capabilities(nan=False, stand_ins={"nan": "text"}, gaps={"nan": "none"})


@pytest.mark.parametrize("contract", [Refusing], indirect=True)
def test_a_failed_delivery_is_no_gap(contract: BackendContract, tmp_path: Path) -> None:
    declare(contract, lines=False)
    with pytest.raises(pytest.fail.Exception, match="not delivered: memory: 0 delivered, 52 set aside"):
        contract.test_lines_keep_order_and_text(tmp_path)
