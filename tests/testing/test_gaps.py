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
from multitrack.testing import BackendContract, Capabilities, MemoryBackend, NativeRun

#: A test of the contract that needs it, and one that compares a whole run, by capability.
TESTS = {
    "history": ("test_a_series_keeps_every_point", "test_a_redelivery_doubles_nothing"),
    "params": ("test_params_keep_their_values", "test_hostile_names"),
    "artifacts": ("test_references_are_kept_without_copying", "test_any_history"),
    "lines": ("test_lines_keep_order_and_text", "test_two_runs_do_not_meet"),
    "tags": ("test_tags_keep_their_last_value", "test_any_history"),
    "nan": ("test_nan_is_kept", None),
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
    test, whole = TESTS[gap]
    (tmp_path / "one").mkdir()
    with pytest.raises(pytest.fail.Exception, match=rf"declares {gap}=False, but this test passes"):
        getattr(contract, test)(tmp_path / "one")
    if whole is not None:
        with pytest.raises(AssertionError):
            getattr(contract, whole)(tmp_path / "two")


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


@pytest.mark.parametrize("contract", [Refusing], indirect=True)
def test_a_failed_delivery_is_no_gap(contract: BackendContract, tmp_path: Path) -> None:
    declare(contract, lines=False)
    with pytest.raises(pytest.fail.Exception, match="not delivered: memory: 0 delivered, 52 set aside"):
        contract.test_lines_keep_order_and_text(tmp_path)
