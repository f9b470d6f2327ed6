"""The contract's test of the hook ``read_run``: what was delivered is read back, for ``multitrack verify``."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Final

from multitrack.testing.gaps import needs
from multitrack.testing.subject import ContractSubject

#: Numbers that a tracker may not hold: those that no double is, and those that JSON or a database has no form for.
_HARD: Final = (math.nan, math.inf, -math.inf, 2**53 + 1, -(2**64), 10**400, 1e308, 5e-324, -0.0, 2**53)


class ReadingContract(ContractSubject):
    """A run is read back from the tracker with every value that the journal has."""

    @needs("read_back")
    def test_a_run_is_read_back(self, tmp_path: Path) -> None:
        """Records of every kind, with values and names that are hard to keep, are those of the journal."""
        run = self.start(tmp_path, name="näme 🚀 / ..", group="study", notes="two\nlines", params={"lr": 0.1})
        run.log_params({"big": 2**60 + 1, "nan": math.nan, "none": None, "yes": True, "1": "1", "text": "0.1"})
        run.log_params({"some": [1, "x", {"a": None}], "empty": {}, "läss🚀": "x" * 7000, "model": {"units": 64}})
        run.log_params({"function": len, "object": functools.partial(print, "x" * 1500)})
        for step in range(20):
            run.log_metrics({"loss": 1 / (step + 1), "val/loss": step}, step=step)
        for value in (*_HARD, *_HARD):
            run.log_metric("odd / läss", value, step=3)
        run.log_metric("loss", 0.5, step=2)  # repeated, and backward
        run.log_metrics({"loss": 0.125, "best": 1}, step=2**62)
        for value in (0.5, math.nan, 0.25):
            run.log_metrics({"loss": value, "accuracy": value})
        run.log_list_metric("list", _HARD)
        run.log_list_metric("list", [1, 2.5])
        run.log_lines(["", " two\ttabs", "ünï \u2028 \x1b[31mred", 'a "quote", a comma'], stream="stderr")
        run.log_lines(["NaN", "x" * 3000])
        run.log_artifact_ref("weights", "s3://bucket/w", kind="model", digest=f"sha256:{'0' * 64}", version="dvc:md5:1")
        run.log_artifact_ref("träin", "s3://bucket/t", kind="dataset", role="input")
        run.set_tags({"stage": "dev", "NaN": "NaN", "1": "1", "ö": ""})
        run.set_tags({"stage": "prod"})
        run.end("failed")
        self.delivered(tmp_path, run)
        self.check_read_back(tmp_path, run.id)
