"""Every tracker that runs are killed for: how a run is configured for it, and its own reader.

A new backend plugin gets an entry in :data:`TRACKERS`; a test fails while it has none.
"""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# The readers are those of the plugins' own tests; pytest has these folders already, a script has not.
sys.path += [str(path) for path in (ROOT / "tests", *sorted(ROOT.glob("plugins/*/tests"))) if str(path) not in sys.path]

import quiet  # noqa: E402
from multitrack.testing import Capabilities, NativeRun  # noqa: E402

QUIET = quiet.QUIET


@dataclasses.dataclass(frozen=True)
class Served:
    """A tracker that is up.

    Attributes:
        options: Its table in the config of a run whose trackers keep their files in the directory given.
        read: What it holds of a run: that directory, the run's id, and the tracker's own id for it.
    """

    options: Callable[[Path], dict[str, Any]]
    read: Callable[[Path, str, str], NativeRun]


@dataclasses.dataclass(frozen=True)
class Tracker:
    """One way to use a backend.

    Attributes:
        backend: The backend's name; a run has each once.
        serve: Starts what it needs for all runs, in a directory.
        capabilities: What it can hold as it is.
        environment: Variables of the processes that deliver to it.
    """

    backend: str
    serve: Callable[[Path], contextlib.AbstractContextManager[Served]]
    capabilities: Capabilities = dataclasses.field(default_factory=Capabilities)
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def _mlflow(root: Path) -> Iterator[Served]:
    from mlflow_reader import read_run

    def uri(directory: Path) -> str:
        return f"sqlite:///{directory}/mlflow.db"

    yield Served(lambda place: {"tracking_uri": uri(place)}, lambda place, run, native: read_run(uri(place), native))


@contextlib.contextmanager
def _mlflow_http(root: Path) -> Iterator[Served]:
    from mlflow_reader import read_run
    from mlflow_server import mlflow_server

    directory = root / "mlflow-server"
    directory.mkdir()
    with mlflow_server(directory) as url:
        yield Served(lambda place: {"tracking_uri": url}, lambda place, run, native: read_run(url, native))


@contextlib.contextmanager
def _wandb(root: Path) -> Iterator[Served]:
    from wandb_file import read_native

    yield Served(
        lambda place: {"mode": "offline", "dir": str(place)}, lambda place, run, native: read_native(place, run)
    )


@contextlib.contextmanager
def _wandb_online(root: Path) -> Iterator[Served]:
    from stand_in_server import StandInServer

    with StandInServer() as server:
        yield Served(
            lambda place: {"mode": "online", "base_url": server.url, "dir": str(place)},
            lambda place, run, native: _served_by_wandb(server.runs[run]),
        )


def _served_by_wandb(held: Any) -> NativeRun:
    """What the stand-in server holds, in the form of the files' reader."""
    from wandb_file import WandbRun, native

    run = WandbRun(name=held.display_name, exit_code=held.exit_code, rows=held.rows, summary=held.summary)
    run.config = held.config
    run.environment = types.SimpleNamespace(username=None, host=None, program=None)  # not kept by the stand-in
    found = native(run)
    # The SDK puts the time of upload before each line.
    found.lines = [line.partition(" ")[2].rstrip("\n") for line in held.lines]
    prefix = "multitrack/artifacts/"
    found.artifacts = {
        key.removeprefix(prefix): facts["uri"] for key, facts in run.config.items() if key.startswith(prefix)
    }
    return found


@contextlib.contextmanager
def _neptune(root: Path) -> Iterator[Served]:
    from neptune_file import find_run, read_run

    yield Served(
        lambda place: {"directory": str(place / "neptune")},
        lambda place, run, native: read_run(find_run(place / "neptune", run)),
    )


@contextlib.contextmanager
def _files(root: Path) -> Iterator[Served]:
    from files_reader import parquet_rows, read_run

    yield Served(
        lambda place: {"directory": str(place / "tables")},
        lambda place, run, native: read_run(parquet_rows(place / "tables"), native),
    )


@contextlib.contextmanager
def _files_csv(root: Path) -> Iterator[Served]:
    from files_reader import csv_rows, read_run

    yield Served(
        lambda place: {"directory": str(place / "tables"), "format": "csv"},
        lambda place, run, native: read_run(csv_rows(place / "tables"), native),
    )


@contextlib.contextmanager
def _trackio(root: Path) -> Iterator[Served]:
    from trackio_reader import find_run

    yield Served(
        lambda place: {"directory": str(place / "trackio"), "project": "faults"},
        lambda place, run, native: find_run(place / "trackio", "faults", run),
    )


@contextlib.contextmanager
def _goodseed(root: Path) -> Iterator[Served]:
    from goodseed_reader import find_run

    yield Served(
        lambda place: {"directory": str(place / "goodseed")},
        lambda place, run, native: find_run(place / "goodseed", run),
    )


@contextlib.contextmanager
def _tensorboard(root: Path) -> Iterator[Served]:
    from tensorboard_file import read_run

    yield Served(
        lambda place: {"directory": str(place / "tensorboard")},
        lambda place, run, native: read_run(place / "tensorboard" / native),
    )


@contextlib.contextmanager
def _prometheus(root: Path) -> Iterator[Served]:
    from prometheus_reader import native, written

    yield Served(
        lambda place: {"mode": "textfile", "directory": str(place / "textfiles")},
        lambda place, run, native_id: native(written(place / "textfiles"), native_id),
    )


#: Prometheus holds the last values of numbers.
_LAST_VALUES = Capabilities(history=False, params=False, artifacts=False, lines=False, tags=False, point_times=False)

#: The trackers, by the name under which the harness knows them.
TRACKERS: dict[str, Tracker] = {
    "mlflow": Tracker("mlflow", _mlflow, Capabilities(typed_params=False)),
    "mlflow-http": Tracker("mlflow", _mlflow_http, Capabilities(typed_params=False)),
    "wandb": Tracker("wandb", _wandb),
    "wandb-online": Tracker("wandb", _wandb_online, environment={"WANDB_API_KEY": "local-" + "0" * 40}),
    "neptune": Tracker("neptune", _neptune),
    "files": Tracker("files", _files),
    "files-csv": Tracker("files", _files_csv),
    "trackio": Tracker("trackio", _trackio),
    "goodseed": Tracker("goodseed", _goodseed),
    "tensorboard": Tracker("tensorboard", _tensorboard),
    "prometheus": Tracker("prometheus", _prometheus, _LAST_VALUES),
}


def environment(root: Path) -> dict[str, str]:
    """The environment of all processes of a round; the modules of this folder are found there."""
    return quiet.environment(root, Path(__file__).parent)
