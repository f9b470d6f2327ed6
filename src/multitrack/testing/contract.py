"""The contract: what every backend must do with every kind of record, read back by the tracker's own reader.

A backend's tests subclass :class:`BackendContract`::

    class TestMyTracker(BackendContract):
        backend = "mytracker"

        def options(self, tmp_path):
            return {"directory": str(tmp_path / "mytracker")}

        def read(self, tmp_path, run_id, backend_id):
            return NativeRun(...)   # with the tracker's own reader

Every test records a real run, delivers it with ``multitrack.sync`` in this process, and compares values.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from multitrack.testing.contract_runs import RunsContract
from multitrack.testing.contract_values import ValuesContract


class BackendContract(ValuesContract, RunsContract):
    """Subclass it, say how to reach the backend and how to read it; see the module's docstring."""

    def test_any_history(self, tmp_path: Path) -> None:
        """Any calls, right and wrong, of any values; any stretches; couriers and trainings killed anywhere.

        A long form, of 10 times as many histories: ``pytest --hypothesis-profile=long -k any_history``, where a profile
        of that name is registered.
        """
        try:
            from multitrack.testing.histories import check  # noqa: PLC0415 - Hypothesis is for this test alone
        except ModuleNotFoundError as error:
            pytest.fail(f"{error}: this test needs Hypothesis and numpy: pip install 'multitrack[testing]'")
        check(self, tmp_path)
