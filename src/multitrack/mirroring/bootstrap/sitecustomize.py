"""Python imports a module of this name as it starts: ``multitrack exec`` puts this one in front of the module path.

It observes the program, takes itself off the path, and imports the module of this name that it stood in front of.
"""

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

_HERE = Path(__file__).absolute().parent
_VARIABLE = "MULTITRACK_MIRROR"


def _take_off() -> Any:
    """Leave the module path and the environment as the program expects them; returns what is to be observed."""
    sys.path[:] = [place for place in sys.path if place != str(_HERE)]
    told = json.loads(os.environ[_VARIABLE])
    if not told["subprocesses"]:
        del os.environ[_VARIABLE]
        if told["path"] is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environ["PYTHONPATH"] = told["path"]
    return told


def _observe(told: Any) -> None:
    observer = types.ModuleType("_multitrack_observer")
    loader = importlib.machinery.SourceFileLoader(observer.__name__, str(_HERE.parent / "observer.py"))
    try:
        loader.exec_module(observer)
        observer.install(told["notes"], told["trackers"], is_program=os.getppid() == told["parent"])
    except Exception as error:  # noqa: BLE001 - the program runs as it would without us
        with Path(told["notes"]).open("a") as notes:
            notes.write(json.dumps({"failure": f"{type(error).__name__}: {error}", "pid": os.getpid()}) + "\n")


def _import_other() -> None:
    """Import the next module of this name. Its errors are told by Python, as without us."""
    spec = importlib.machinery.PathFinder.find_spec(__name__, sys.path)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules[__name__] = module
        spec.loader.exec_module(module)


with contextlib.suppress(Exception):  # as above
    _observe(_take_off())
_import_other()
