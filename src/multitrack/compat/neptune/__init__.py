"""The calls of Neptune's 1.x client, recorded by multitrack: ``import multitrack.compat.neptune as neptune``.

    import multitrack.compat.neptune as neptune

    run = neptune.init_run(project="team/digits")
    run["parameters"] = {"lr": 1e-3}
    run["train/loss"].append(0.31)
    run.stop()

Nothing of Neptune's is imported, and nothing is sent to it. docs/compat.md lists the calls, and what is different.
"""

from typing import Any

from multitrack._hints import did_you_mean
from multitrack.compat.neptune import exceptions, types, utils
from multitrack.compat.neptune.handler import Handler
from multitrack.compat.neptune.run import Run

#: The release of the client whose calls these are.
__version__ = "1.14.0"
#: Token of no one; nothing needs a token.
ANONYMOUS_API_TOKEN = "ANONYMOUS"  # noqa: S105 - no secret
#: Starts a run; a class here, a function in the client.
init_run = Run

__all__ = ["ANONYMOUS_API_TOKEN", "Handler", "Run", "__version__", "exceptions", "init_run", "types", "utils"]


def __getattr__(name: str) -> Any:
    """Name the supported calls when another one is looked up."""
    raise AttributeError(
        f"multitrack.compat.neptune has no {name!r}{did_you_mean(name, __all__)}; supported are {', '.join(__all__)}",
        name=name,
    )
