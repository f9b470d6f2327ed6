"""The SDK's undocumented names: which the installed release has, and what happens without one."""

import importlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from neptune_file import find_run, read_operations, read_run

import multitrack
from multitrack_neptune import internals, offline, plain_files
from multitrack_neptune.internals import NAMES, SdkFiles
from multitrack_neptune.offline import OfflineRun
from multitrack_neptune.plain_files import PlainFiles


def remove(monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> None:
    monkeypatch.delattr(importlib.import_module(module), name)


def test_the_installed_release_has_every_name() -> None:
    """Where one is gone, runs are still written: see what took its place, then take it out of NAMES."""
    assert internals.missing() == []
    assert isinstance(internals.sdk_files(), SdkFiles)


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_without_one_the_files_are_written_plainly(monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> None:
    remove(monkeypatch, module, name)
    assert internals.missing() == [f"{module}.{name}"]
    assert internals.sdk_files() is None


def test_a_module_that_is_gone_is_a_missing_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internals, "NAMES", (*NAMES, ("neptune.core.components.queue.gone", "Queue")))
    assert internals.missing() == ["neptune.core.components.queue.gone.Queue"]
    assert internals.sdk_files() is None


def test_the_limits_are_the_sdks() -> None:
    from neptune.attributes.atoms.string import String
    from neptune.attributes.series.float_series import FloatSeries
    from neptune.attributes.series.string_series import StringSeries
    from neptune.constants import MAX_32_BIT_INT, OFFLINE_DIRECTORY
    from neptune.types.series.string_series import MAX_STRING_SERIES_VALUE_LENGTH

    assert String.MAX_VALUE_LENGTH == offline.STRING_LENGTH
    assert MAX_STRING_SERIES_VALUE_LENGTH == offline.ENTRY_LENGTH
    assert MAX_32_BIT_INT == offline.LARGEST_INT
    assert FloatSeries.max_batch_size == offline.FLOATS_AN_OPERATION
    assert StringSeries.max_batch_size == offline.STRINGS_AN_OPERATION
    assert OFFLINE_DIRECTORY == "offline"


def write(data: Path) -> Path:
    """A run of every operation, its files closed and opened again in between."""
    run = OfflineRun(data, "aside", "9d1cb0f4-7f6d-5c0e-8f3f-2d9a1a6a4d11")
    run.assign("p/float", 0.1)
    run.assign("p/int", 3)
    run.assign("p/flag", True)
    run.assign("p/text", "grüße \u2028 \U0001f680")
    run.flush()
    run.append_floats("m/loss", [(i / 7, i, 1_700_000_000_000 + i) for i in range(250)])
    run.flush()
    run.append_strings("logs/out", [("a\nb", 0, 0), ("", 1 + 2**-20, 1)])
    run.clear_strings("logs/out")
    run.add_label("sys/tags", "x")
    run.add_label("sys/tags", "y")
    run.remove_label("sys/tags", "x")
    run.track("a", "s3://b/k")
    run.delete("p/int")
    run.publish()
    return run.target


def files(directory: Path) -> dict[str, Any]:
    """What stands in each file, without times."""
    found: dict[str, Any] = {}
    for path in directory.iterdir():
        if path.is_dir():
            found[path.name] = sorted(path.iterdir())
        elif path.name == "metadata.json":
            found[path.name] = {**json.loads(path.read_text()), "createdAt": None}
        else:
            entries = [json.loads(line) for line in path.read_text().splitlines()]
            found[path.name] = [
                {key: value for key, value in entry.items() if key != "at"} if isinstance(entry, dict) else entry
                for entry in entries
            ]
    return found


def test_the_plain_files_are_the_sdks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sdks = write(tmp_path / "sdk")
    remove(monkeypatch, "neptune.core.components.queue.disk_queue", "DiskQueue")
    plain = write(tmp_path / "plain")
    assert files(plain) == files(sdks)
    monkeypatch.undo()
    assert read_operations(plain) == read_operations(sdks)


@pytest.mark.parametrize("count", [100, 101])
def test_plain_operations_go_on_in_a_further_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(plain_files, "_LARGEST", 5000)
    PlainFiles().create(tmp_path, "0")
    for start in range(0, count, 20):
        queue = PlainFiles().queue(tmp_path)
        for i in range(start, min(start + 20, count)):
            queue.put({"type": "AssignInt", "path": ["n", str(i)], "value": i})
        queue.close()
    assert all(path.stat().st_size <= 5000 for path in tmp_path.glob("data-*.log"))
    assert len(list(tmp_path.glob("data-*.log"))) > 1
    assert [operation["value"] for operation in read_operations(tmp_path)] == list(range(count))


def test_a_run_is_delivered_the_same_without_the_sdks_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    natives = []
    config = {"journal": str(tmp_path / "journal"), "delivery": "off", "neptune": {"directory": str(tmp_path / "data")}}
    for name in ("with", "without"):
        if name == "without":
            remove(monkeypatch, "neptune.core.components.queue.disk_queue", "DiskQueue")
        with multitrack.start_run("p", "n", config=config, backends=["neptune"], params={"lr": 0.1}) as run:
            run.log_metrics({"loss": 0.5, "odd": math.nan}, step=0)
            run.log_lines(["one", "x" * 3000])
            run.log_artifact_ref("w", "s3://b/k")
        assert multitrack.sync(tmp_path / "journal")[run.id].complete
        native = read_run(find_run(tmp_path / "data", run.id))
        natives.append((native.params, native.lines, native.artifacts, native.status, sorted(native.series)))
    assert natives[0] == natives[1]
