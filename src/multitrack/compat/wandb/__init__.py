"""The calls of W&B's SDK that most programs use, recorded by multitrack: ``import multitrack.compat.wandb as wandb``.

    import multitrack.compat.wandb as wandb

    with wandb.init(project="digits", config={"lr": 1e-3}) as run:
        run.log({"loss": 0.31})

Nothing of W&B's is imported, and nothing is sent to it. docs/compat.md lists the calls, and what is different.
"""

from typing import Any

from multitrack._hints import did_you_mean
from multitrack.compat.wandb import errors
from multitrack.compat.wandb.artifacts import Artifact
from multitrack.compat.wandb.data_types import Audio, Histogram, Html, Image, Plotly, Table, Video
from multitrack.compat.wandb.errors import Error, UsageError
from multitrack.compat.wandb.initialization import current_run, init
from multitrack.compat.wandb.run_object import AlertLevel, Run
from multitrack.compat.wandb.settings import Settings

#: The release of the SDK whose calls these are.
__version__ = "0.31.0"

__all__ = [
    "AlertLevel", "Artifact", "Audio", "Error", "Histogram", "Html", "Image", "Plotly", "Run", "Settings", "Table",
    "UsageError", "Video", "__version__", "errors", "finish", "init", "login", "setup", "teardown",
]  # fmt: skip

#: Functions of the module that are calls of the current run.
_CALLS = (
    "alert", "define_metric", "link_model", "log", "log_artifact", "log_model", "save", "unwatch", "use_artifact",
    "watch",
)  # fmt: skip


def finish(exit_code: int | None = None, quiet: bool | None = None) -> None:
    """End the current run, if there is one."""
    run = current_run()
    if run is not None:
        run.finish(exit_code, quiet)


def login(*arguments: Any, **options: Any) -> bool:
    """Return True: nobody has to log in."""
    del arguments, options
    return True


def setup(*arguments: Any, **options: Any) -> None:
    """Do nothing: there is no service to start."""
    del arguments, options


def teardown(exit_code: int | None = None) -> None:
    """End the current run."""
    finish(exit_code)


def __getattr__(name: str) -> Any:
    """The current run, its parts and its calls; of other names, an error that lists the supported ones."""
    if name == "run":
        return current_run()
    if name in ("config", "summary") or name in _CALLS:
        run = current_run()
        return _PartOfRun(name) if run is None else getattr(run, name)
    known = sorted({*__all__, *_CALLS, "config", "run", "summary"})
    names = ", ".join(known)
    raise AttributeError(
        f"multitrack.compat.wandb has no {name!r}{did_you_mean(name, known)}; supported are {names}", name=name
    )


class _PartOfRun:
    """A part of the current run, taken before there was one: ``from … import log`` at the top of a program.

    A use before ``init`` raises :class:`Error`, as in W&B.
    """

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return _part(self)(*arguments, **options)

    def __getitem__(self, key: str) -> Any:
        return _part(self)[key]

    def __setitem__(self, key: str, value: Any) -> None:
        _part(self)[key] = value

    def __getattr__(self, name: str) -> Any:
        return getattr(_part(self), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(_part(self), name, value)


def _part(part: _PartOfRun) -> Any:
    name, run = object.__getattribute__(part, "_name"), current_run()
    if run is None:
        raise Error(f"call wandb.init() before wandb.{name}")
    return getattr(run, name)
