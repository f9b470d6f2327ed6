"""Note where the SDKs of trackers write, in the process of somebody else's training.

This module imports nothing but the standard library, and is loaded by its path: it also works where multitrack cannot
be imported. It replaces a few public functions as their modules are imported. Each replacement calls the original and
returns its result; what is noted is only the place. Reading and recording happen in another process, the follower.

A note is a line of JSON: ``{"tracker", "address", "run", "cwd", "project", "pid"}``, ``{"failure", "pid"}``, or for a
process that has just started ``{"began", "pid"}`` if it is the program, and ``{"observed", "pid"}`` if it is not. Of an
SDK that is switched off, it is ``{"off", "pid"}``.
"""

from __future__ import annotations

import contextlib
import functools
import glob
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

#: The variable that tells a program's processes what to observe, as JSON: notes, trackers, subprocesses, path.
VARIABLE = "MULTITRACK_MIRROR"

#: The name under which :mod:`bootstrap/sitecustomize` loads this module.
COPY = "_multitrack_observer"

_MLFLOW_METHODS = (
    "log_artifact", "log_artifacts", "log_batch", "log_dict", "log_figure", "log_image", "log_inputs", "log_metric",
    "log_outputs", "log_param", "log_table", "log_text", "set_tag", "set_terminated", "update_run",
)  # fmt: skip


#: ``tf.summary`` under the names that programs import it by, each a module of its own; the second is that of Keras.
_TENSORFLOW = ("tensorflow._api.v2.summary", "tensorflow.summary", "tensorflow._api.v2.compat.v2.summary")
#: A directory that ``tempfile`` named. MLflow's autologging has Keras write events there, whose numbers it logs itself.
_TEMPORARY = re.compile(r"/tmp[a-z0-9_]{8}(?:/|$)")  # noqa: S108 - a pattern


class Observer:
    """Observes the imports of one process.

    Args:
        notes: The file that notes are appended to.
        trackers: Names of the trackers.
    """

    def __init__(self, notes: str, trackers: Sequence[str]) -> None:
        self._notes = notes
        self._noted: set[tuple[str, ...]] = set()
        self._opened: dict[str, str] = {}  # the directories in which MLflow's stores were opened, by URI
        self._failed = False
        self._every: dict[str, dict[str, Callable[[ModuleType], None]]] = {
            "wandb": {"wandb": self._wandb},
            "mlflow": {"mlflow.tracking.client": self._mlflow},
            "neptune": {"neptune.metadata_containers.run": self._neptune},
            "tensorboard": {
                **dict.fromkeys(_TENSORFLOW, self._tensorflow),
                "torch.utils.tensorboard.writer": self._file_writer,
                "tensorboardX.writer": self._file_writer,
            },
        }
        self._modules: dict[str, Callable[[ModuleType], None]] = {}
        self._given = list(trackers)

    def install(self) -> None:
        """Observe the modules that are imported from now on, and those that are."""
        self.add(self._given)
        sys.meta_path.insert(0, _Finder(self))

    def add(self, trackers: Sequence[str]) -> None:
        """Observe these trackers as well."""
        for name, look in [item for tracker in trackers for item in self._every[tracker].items()]:
            if name not in self._modules:
                self._modules[name] = look
                if name in sys.modules:
                    self._try(look, sys.modules[name])

    def follow(self, notes: str) -> None:
        """Append notes to another file, of all that is written from now on."""
        self._notes = notes
        self._noted.clear()
        if "wandb" in self._modules:
            self._try(self._wandb_active, sys.modules.get("wandb"))

    def note(self, **facts: Any) -> None:
        """Append a note, once."""
        key = tuple(str(value) for value in facts.values())
        if key in self._noted:
            return
        self._noted.add(key)
        line = json.dumps({**facts, "pid": os.getpid()}) + "\n"
        fd = os.open(self._notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, line.encode("utf-8", "backslashreplace"))
        finally:
            os.close(fd)

    def observed(self, name: str) -> Callable[[ModuleType], None] | None:
        """What is to be done with a module once it is imported; None if it is not observed."""
        look = self._modules.get(name)
        return None if look is None else lambda module: self._try(look, module)

    def _try(self, do: Callable[..., object], *arguments: Any, **keywords: Any) -> None:
        """Never let an error of ours reach the program; tell the first one to the follower."""
        try:
            do(*arguments, **keywords)
        except Exception as error:  # noqa: BLE001 - whatever an SDK's objects raise
            if not self._failed:
                self._failed = True
                try:
                    self.note(failure=f"{type(error).__name__}: {error}")
                except Exception:  # noqa: BLE001 - on a full disk, there may be room for an empty file
                    with contextlib.suppress(Exception):
                        os.close(os.open(f"{self._notes}.failed", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _after(self, function: Callable[..., Any], then: Callable[..., object]) -> Callable[..., Any]:
        """The function, followed by ``then(result, *arguments)``; results, errors and signature stay the same."""

        @functools.wraps(function)
        def called(*arguments: Any, **keywords: Any) -> Any:
            result = function(*arguments, **keywords)
            self._try(then, result, *arguments, **keywords)
            return result

        # Warnings name the line that called the SDK: Python passes over frames of importlib, Neptune over its own.
        with contextlib.suppress(Exception):
            is_counted = function.__module__.startswith("neptune.")
            file = sys.modules[function.__module__].__file__ if is_counted else "<importlib._bootstrap of multitrack>"
            called_: Any = called
            called_.__code__ = called_.__code__.replace(co_filename=file or "")
        return called

    def _replace(self, owner: Any, name: str, then: Callable[..., object]) -> None:
        original = getattr(owner, name, None)
        if original is not None:
            setattr(owner, name, self._after(original, then))

    def _wandb(self, module: ModuleType) -> None:
        self._replace(module, "init", self._wandb_run)
        self._wandb_active(module)

    def _wandb_active(self, module: Any) -> None:
        if getattr(module, "run", None) is not None:
            self._wandb_run(module.run)

    def _wandb_run(self, run: Any, *_: Any, **__: Any) -> None:
        if getattr(run, "disabled", False) is True:
            self.note(off="wandb")
            return
        # A session's directory is <wandb>/run-<time>-<id>/files; one of the same second has a number behind it.
        sessions = os.path.dirname(os.path.dirname(os.path.abspath(run.dir)))  # noqa: PTH120, PTH100
        self.note(tracker="wandb", address=f"{sessions}/*run-*-{run.id}*", run=run.id)

    def _mlflow(self, module: ModuleType) -> None:
        client = module.MlflowClient

        def opened(_: Any, self_: Any, *__: Any, **___: Any) -> None:
            # A database's relative path is meant in the directory that was current then, as SQLAlchemy resolves it.
            self._opened.setdefault(str(self_.tracking_uri), os.getcwd())  # noqa: PTH109

        def created(run: Any, self_: Any, *_: Any, **__: Any) -> None:
            self._mlflow_run(self_, run.info.run_id)

        def written(_: Any, self_: Any, run_id: Any = None, *__: Any, **___: Any) -> None:
            if isinstance(run_id, str):
                self._mlflow_run(self_, run_id)

        self._replace(client, "__init__", opened)
        self._replace(client, "create_run", created)
        for name in _MLFLOW_METHODS:
            self._replace(client, name, written)

    def _mlflow_run(self, client: Any, run_id: str) -> None:
        uri = str(client.tracking_uri)
        if ("mlflow", uri, run_id) not in self._noted:
            self._noted.add(("mlflow", uri, run_id))  # before its directory, which costs a system call
            if uri.startswith("multitrack:"):  # the run is in a journal already
                return
            cwd = self._opened.get(uri) if uri.startswith("sqlite:") else None
            self.note(tracker="mlflow", address=uri, run=run_id, cwd=cwd or os.getcwd())  # noqa: PTH109

    def _neptune(self, module: ModuleType) -> None:
        def noted(_: Any, self_: Any, *__: Any, project: Any = None, mode: Any = None, **___: Any) -> None:
            mode = mode or os.environ.get("NEPTUNE_MODE")
            if str(getattr(mode, "value", mode)) in ("debug", "read-only"):
                self.note(off="neptune")
                return
            place = os.path.abspath(os.environ.get("NEPTUNE_DATA_DIRECTORY") or ".neptune")  # noqa: PTH100
            project = project or os.environ.get("NEPTUNE_PROJECT")
            told = {"project": project} if isinstance(project, str) and project else {}  # its files do not have it
            # The client of the last years names a run's directory after its id and process. Others write there, too.
            run = str(getattr(self_, "_id", None) or "*")
            own = glob.glob(f"{glob.escape(place)}/*/run__{run}__{os.getpid()}__*")  # noqa: PTH207
            for address in own or [place]:
                self.note(tracker="neptune", address=address, **(told if own else {}))

        self._replace(module.Run, "__init__", noted)

    def _tensorflow(self, module: ModuleType) -> None:
        def noted(_: Any, logdir: Any, *__: Any, **___: Any) -> None:
            self._logdir(logdir)

        self._replace(module, "create_file_writer", noted)

    def _file_writer(self, module: ModuleType) -> None:
        def noted(_: Any, self_: Any, *__: Any, **___: Any) -> None:
            self._logdir(self_.get_logdir())

        # A SummaryWriter has one for its directory, and `add_scalars` makes one for each directory below it.
        self._replace(module.FileWriter, "__init__", noted)

    def _logdir(self, place: Any) -> None:
        text = os.fspath(place) if isinstance(place, (str, os.PathLike)) else None
        if isinstance(text, str) and "://" not in text and not _TEMPORARY.search(text):
            self.note(tracker="tensorboard", address=os.path.abspath(text))  # noqa: PTH100


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules as without it, and looks at some of them once they are imported."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self._searching: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        look = self.observer.observed(name)
        if look is None or name in self._searching:
            return None
        self._searching.add(name)
        try:
            for finder in sys.meta_path:
                find = getattr(finder, "find_spec", None)
                spec = None if finder is self or find is None else find(name, path, target)
                if spec is not None:
                    if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                        spec.loader = _Loader(spec.loader, look)
                    return spec  # type: ignore[no-any-return]
            return None
        finally:
            self._searching.discard(name)


class _Loader(importlib.abc.Loader):
    """Loads a module with its own loader, which it then gives back."""

    def __init__(self, loader: Any, look: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._look = look

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._look(module)


def install(notes: str, trackers: Sequence[str], *, is_program: bool = False) -> Observer | None:
    """Observe this process; does nothing if that fails, and returns None.

    Args:
        notes: The file that notes are appended to.
        trackers: Names of the trackers.
        is_program: True to have the follower wait for this process, also if the command that started it is killed.
    """
    with contextlib.suppress(Exception):  # the program runs as it would without us
        observer = Observer(notes, trackers)
        observer.install()
        observer.note(**{"began" if is_program else "observed": True})
        return observer
    return None


def installed() -> Observer | None:
    """The observer that ``multitrack exec`` has installed in this process, from a copy of this module; else None."""
    for finder in sys.meta_path:
        if type(finder).__name__ == _Finder.__name__ and type(finder).__module__ == COPY:
            found: Observer = finder.observer  # type: ignore[attr-defined]
            return found
    return None
