"""Import trackers' SDKs from where they are installed, not from a file of the same name beside the program.

If the training script is called ``mlflow.py``, ``import mlflow`` finds it first, in the training process and in
processes started in its directory: the import would run the training again.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from multitrack._hints import to_install
from multitrack.errors import BackendNotInstalledError, PluginError
from multitrack.plugins.metadata_names import metadata_names

log = logging.getLogger("multitrack")

_importing: Final = threading.RLock()
_warned: Final[set[str]] = set()


def require_sdk(backend: str, module: str) -> None:
    """Check that a tracker's SDK is installed; imports nothing. For ``backend_options``, to refuse a run at its start.

    Args:
        backend: The name of the backend and of its extra.
        module: The SDK's top-level module.

    Raises:
        BackendNotInstalledError: If the SDK is not installed; the message has the install command.
    """
    spec, shadow = _find(module)
    if spec is None:
        beside = f"; {shadow} is not that package: rename the file" if shadow else ""
        raise BackendNotInstalledError(
            f"backend {backend!r} needs the package {module!r}, which is not installed{beside}: "
            + to_install(backend, f"./plugins/{backend}")
        )
    if shadow is not None and shadow not in _warned:
        _warned.add(shadow)
        log.warning(
            "multitrack: %s hides the package %s from programs started beside it; delivery uses the installed one, "
            "%s; rename the file", shadow, module, spec.origin,
        )  # fmt: skip


def import_sdk(module: str) -> ModuleType:
    """Import a tracker's SDK from where it is installed.

    Args:
        module: The SDK's top-level module.

    Raises:
        PluginError: If the program has imported its own file under this name.
        ImportError: If the SDK is not installed.
    """
    with _importing:
        spec, shadow = _find(module)
        loaded = sys.modules.get(module)
        if shadow is None or spec is None:
            if spec is None and shadow is not None:
                raise ImportError(f"{shadow} is not the package {module}, which is not installed", name=module)
            return loaded or importlib.import_module(module)
        if loaded is not None:
            if _origin(loaded) == shadow:
                raise PluginError(f"{shadow} is imported as {module!r} in this process: rename the file")
            return loaded
        finder: Any = _Finder(module, spec)
        sys.meta_path.insert(0, finder)
        try:
            return importlib.import_module(module)
        finally:
            sys.meta_path.remove(finder)


def file_beside_program(error: BaseException) -> str | None:
    """The innermost file beside the program that was being imported when the error was raised; None if there is none.

    Such a file may have the name of a module that an SDK needs, and be imported in its place.
    """
    found = None
    trace = error.__traceback__
    beside = {os.path.abspath(entry) for entry in (*_program_directories(), *sys.path[:1])}  # noqa: PTH100 - strings
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name == "<module>" and os.path.dirname(code.co_filename) in beside:  # noqa: PTH120
            found = code.co_filename
        trace = trace.tb_next
    return found


class _Finder:
    """A path finder that returns a known spec for one top-level module."""

    def __init__(self, module: str, spec: ModuleSpec) -> None:
        self._module = module
        self._spec = spec

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """Return the module's spec; None for all other modules."""
        return self._spec if name == self._module and path is None else None


def _find(module: str) -> tuple[ModuleSpec | None, str | None]:
    """Find the installed package, and a file beside the program that Python would import instead.

    A directory with metadata of the distribution counts as installed, as do editable installs and directories of
    ``PYTHONPATH``. A file in the current directory or beside the program does not.

    Returns:
        The package's spec and the path of the hiding file; None for each that does not exist.
    """
    shadow: str | None = None
    candidate: ModuleSpec | None = None
    for entry in dict.fromkeys(sys.path):
        spec = PathFinder.find_spec(module, [entry or os.curdir])
        if (
            spec is None or spec.origin is None
        ):  # a directory without __init__.py, such as "wandb" with W&B's files, is not a package
            continue
        if _has_metadata(entry, module):
            return spec, shadow
        if entry in _program_directories():
            shadow = shadow or spec.origin
        else:
            candidate = candidate or spec
    return candidate or _editable(module), shadow


def _has_metadata(entry: str, module: str) -> bool:
    """Return True if a directory has the metadata of a distribution of this name."""
    wanted = module.lower()
    end = len(wanted)
    # By hand, because compiling a pattern for each SDK takes longer than all the rest.
    return any(name[:end].lower() == wanted and name[end] in "-_." for name in metadata_names(entry))


def _program_directories() -> set[str]:
    """The entries of ``sys.path`` that depend on the program's place or the current directory."""
    return {"", *_directories()}


def _directories() -> Iterator[str]:
    program = getattr(sys.modules.get("__main__"), "__file__", None)
    if program:
        yield str(Path(program).absolute().parent)
    try:
        yield os.getcwd()  # noqa: PTH109 - a string, as in sys.path
    except OSError:  # it was deleted
        return


def _editable(module: str) -> ModuleSpec | None:
    """Find the package by the other finders of ``sys.meta_path``, such as that of an editable install."""
    for finder in sys.meta_path:
        if finder is PathFinder or not hasattr(finder, "find_spec"):
            continue
        spec = finder.find_spec(module, None, None)
        if spec is not None and spec.origin is not None:
            return spec
    return None


def _origin(module: ModuleType) -> str | None:
    spec = getattr(module, "__spec__", None)
    return getattr(spec, "origin", None) or getattr(module, "__file__", None)
