"""The contract: tests that every backend must pass for every kind of record, read back with the tracker's own reader.

A backend's tests subclass :class:`BackendContract`::

    class TestMyTracker(BackendContract):
        backend = "mytracker"

        def options(self, tmp_path):
            return {"directory": str(tmp_path / "mytracker")}

        def read(self, tmp_path, run_id, backend_id):
            return NativeRun(...)   # with the tracker's own reader

Nearly every test records a real run, delivers it with ``multitrack.sync`` in this process, and compares values. The
message of a failure says what a user of the tracker would see.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from multitrack.testing.contract_delivery import DeliveryContract
from multitrack.testing.contract_hooks import HooksContract
from multitrack.testing.contract_reading import ReadingContract
from multitrack.testing.contract_runs import RunsContract
from multitrack.testing.contract_values import ValuesContract


class BackendContract(HooksContract, ValuesContract, RunsContract, DeliveryContract, ReadingContract):
    """Base class of a backend's tests. A subclass tells how to reach and read the backend; see the module docstring."""

    def test_any_history(self, tmp_path: Path) -> None:
        """Any valid and invalid calls, any values, any batches; couriers and trainings killed at any point.

        To run 10 times as many histories: ``pytest --hypothesis-profile=long -k any_history``, if a profile of that
        name is registered.
        """
        try:
            from multitrack.testing.histories import check  # noqa: PLC0415 - only this test needs Hypothesis
        except ModuleNotFoundError as error:
            pytest.fail(f"{error}: this test needs Hypothesis and numpy: pip install 'multitrack[testing]'")
        check(self, tmp_path)
