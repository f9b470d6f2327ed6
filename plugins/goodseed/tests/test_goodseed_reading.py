"""``multitrack verify --against goodseed``: every value is read back, and one that was changed or deleted is found."""

import contextlib
import functools
import math
import sqlite3
from pathlib import Path

import pytest
from goodseed_runs import deliver, file_in, start

import multitrack
from multitrack.migration.verifying import Verified, verify_run
from multitrack_goodseed import internals

NUMBERS = [0.1, -0.0, 5e-324, math.nan, math.inf, -math.inf, 3, 2**53 + 1, -(2**64), 10**400]


def record(tmp_path: Path) -> multitrack.Run:
    run = start(tmp_path, name="näme 🚀\u202e", notes="a\nb", project="prö/ject")
    run.log_params({"lr": 0.1, "nan": math.nan, "big": 10**400, "no": None, "yes": True, "some": [1, {"a": None}]})
    run.log_params({"empty": {}, "/odd/": "[1]", "~": "", "fn": len, "long": functools.partial(print, "x" * 1500)})
    for value in NUMBERS:
        run.log_metrics({"loss": value, "/ä/🚀~": 1.0}, step=3)
    run.log_metric("far", 1.0, step=2**60)
    run.log_metric("loss", 0.5)
    run.log_metric("best", math.nan)
    run.log_list_metric("list", NUMBERS)
    run.log_lines(["", "a", "\r-", "\u2028 x "], stream="stderr")
    run.log_lines("log")
    run.log_lines("last", stream="stderr")
    run.log_artifact_ref("weights", "s3://bucket/w", kind="model", digest=f"sha256:{'0' * 64}", version="dvc:md5:1")
    run.set_tags({"stage": "dev", "~": ""})
    run.set_tags({"stage": "prod"})
    run.end("killed")
    deliver(tmp_path, run)
    return run


def verified(tmp_path: Path, run: multitrack.Run) -> Verified:
    return verify_run(multitrack.open_journal(tmp_path / "journal").run(run.id), "goodseed")


def path_of(tmp_path: Path, run: multitrack.Run) -> Path:
    (path,) = (tmp_path / "goodseed" / "projects").glob(f"**/{run.backend_ids['goodseed']}.sqlite")
    return path


def wrong(found: Verified) -> dict[str, tuple[str, int, str]]:
    assert found.error is None
    return {each.thing: (each.outcome, each.count, each.detail) for each in found.findings}


@pytest.mark.parametrize(
    "layouts", [internals.LAYOUTS, pytest.param(frozenset({"0"}), marks=pytest.mark.slow)], ids=["file", "public"]
)
# goodseed's public functions leave their connection to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
def test_every_value_is_read_back(tmp_path: Path, layouts: frozenset[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, "LAYOUTS", layouts)
    monkeypatch.setattr(internals, "_checked", {})
    found = verified(tmp_path, record(tmp_path))
    assert (wrong(found), found.extra, found.passed) == ({}, 0, True)
    assert found.equal == 5 + 11 + 3 * len(NUMBERS) + 1 + 2 + 6 + 1 + 2


def test_a_value_that_was_changed_or_deleted_is_found(tmp_path: Path) -> None:
    run = record(tmp_path)
    with contextlib.closing(sqlite3.connect(path_of(tmp_path, run))) as file, file:
        series = "series_id = (SELECT id FROM metric_series WHERE path = ?)"
        file.execute(f"DELETE FROM metric_points WHERE {series} AND step = 2", ("list",))  # noqa: S608 - above
        file.execute(f"UPDATE metric_points SET y = 9 WHERE {series} AND y = 0.1", ("loss",))  # noqa: S608 - above
        file.execute(f"UPDATE metric_points SET y = 7 WHERE {series} AND step = 7", ("list",))  # noqa: S608 - above
        file.execute("UPDATE configs SET value = '0.2' WHERE path = 'parameters/lr'")
        file.execute("DELETE FROM configs WHERE path IN ('tags/stage', 'artifacts/weights')")
        file.execute("UPDATE string_points SET value = 'x' WHERE value = 'log'")
        file.execute("UPDATE configs SET value = 'finished' WHERE path = 'multitrack/status'")
    found = wrong(verified(tmp_path, run))
    assert found["metric list"][:2] == ("missing", 1)
    assert found["metric loss"][:2] == ("different", 1)
    assert found["param lr"] == ("different", 1, "0.1 is 0.2")
    assert found["lines"] == ("different", 1, "'log' is 'x'")
    assert {found[thing][0] for thing in ("tag stage", "reference weights")} == {"missing"}
    assert found["status"][0] == "different"


def test_a_changed_status_is_found(tmp_path: Path) -> None:
    run = start(tmp_path)
    run.end()
    deliver(tmp_path, run)
    with contextlib.closing(sqlite3.connect(file_in(tmp_path, run))) as file, file:
        file.execute("UPDATE run_meta SET value = 'failed' WHERE key = 'status'")
    assert wrong(verified(tmp_path, run)) == {"status": ("different", 1, "'finished' is 'failed'")}


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    run = record(tmp_path)
    path = path_of(tmp_path, run)
    with contextlib.closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE configs SET value = 'x' WHERE path = 'parameters/big'")
    assert str(verified(tmp_path, run).error).startswith(f"{path} cannot be read: ")
    path.write_bytes(b"x" * 5000)
    assert verified(tmp_path, run).error == f"{path} cannot be read: file is not a database"
    path.unlink()
    assert verified(tmp_path, run).error == f"{path} was deleted: goodseed has nothing of the run"
