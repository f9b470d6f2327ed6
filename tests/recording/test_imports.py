"""The imports that a training process pays for."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import multitrack
from multitrack.reading.recorded_run import RecordedRun
from multitrack.recording.run import Run


def start(**arguments: Any) -> Run:
    return multitrack.start_run(config={"delivery": "off"} | arguments.pop("config", {}), **arguments)


def recorded(run: Run) -> RecordedRun:
    assert run.directory is not None
    return RecordedRun(run.directory)


def imported(script: str) -> set[str]:
    """The modules that a fresh interpreter has after ``script``; without those of coverage, where that measures."""
    script += "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_multitrack_imports_no_tracker_and_no_keras() -> None:
    strangers = "mlflow wandb neptune keras keras_tuner tensorflow numpy sqlalchemy rich click"
    couriers = "multitrack.courier.loop multitrack.delivery.lane multitrack.delivery.loading"
    assert not imported("import multitrack") & {*strangers.split(), *couriers.split()}


def test_importing_multitrack_imports_nothing_heavy_of_the_standard_library() -> None:
    """Each costs some milliseconds or megabytes, for what a training process seldom or never needs."""
    heavy = (
        "asyncio concurrent.futures csv ctypes email hashlib http importlib.metadata importlib.resources "
        "multiprocessing random shutil socket sqlite3 ssl subprocess tempfile urllib.request uuid xml zipfile"
    )
    own = imported("import multitrack") - imported("import msgspec, pluggy")
    assert not own & set(heavy.split())


def test_a_run_imports_nothing_heavy_either() -> None:
    own = imported(
        f"import sys; sys.path.append({str(Path(__file__).parents[1])!r})\n"
        "import multitrack\n"
        "with multitrack.start_run(backends=['recording_backends:file'], config={'delivery': 'off'}) as run:\n"
        "    run.log_params({'a': 1}); run.log_metric('x', 1.0, step=0); run.log_lines('x'); run.set_tags({'t': 1})\n"
    )
    assert not own & {"email", "hashlib", "http", "importlib.metadata", "multitrack.courier.loop", "numpy", "random"}


def test_lines_between_two_times() -> None:
    run = start()
    run.log_lines("early")
    time.sleep(0.01)
    middle = int(time.time() * 1000)
    run.log_lines(["a", "b", "c"])
    found = recorded(run)
    assert [line.text for line in found.get_lines(from_time=middle)] == ["a", "b", "c"]
    assert [line.text for line in found.get_lines(to_time=middle - 1)] == ["early"]
    assert [line.text for line in found.get_lines(from_time=middle, limit=2)] == ["a", "b"]
