"""The follower as a process: ``python -m multitrack.mirroring``; ends when its standard input closes and all is in.

It writes the outcome to the pipe that its orders name, and may deliver on.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import sys
from pathlib import Path

import msgspec

from multitrack.config import load_config
from multitrack.mirroring.follower import Follower
from multitrack.mirroring.session import Outcome


def main() -> None:
    """Follow as the one argument says, a JSON object of :class:`multitrack.mirroring.session.Session`."""
    orders = json.loads(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s", level=logging.INFO)
    follower = None
    try:
        arguments = {} if orders["journal"] is None else {"journal": orders["journal"]}
        config = load_config(arguments=arguments)
        follower = Follower(
            Path(orders["notes"]), Path(config.settings.journal), orders["backends"], config.settings.backends,
            delivers=config.settings.delivery != "off",
        )  # fmt: skip
        follower.follow(_closed)
    except Exception as error:
        logging.getLogger("multitrack").info("the follower ended: %s", error, exc_info=True)
        failures = [] if follower is None else follower.failures
        _say(Outcome([], [*failures, f"{type(error).__name__}: {error}"]), orders["outcome"])
        return
    outcome = Outcome(follower.runs, follower.failures, follower.has_process, follower.has_use)
    _say(outcome, orders["outcome"])
    follower.finish_delivery()


def _say(outcome: Outcome, descriptor: int) -> None:
    """Write the outcome; whoever started this process may be gone."""
    with contextlib.suppress(OSError), open(descriptor, "wb") as file:
        file.write(msgspec.json.encode(outcome))


def _closed() -> bool:
    """Return True once the program, or the command that started it, has closed its end of the pipe."""
    ready, _, _ = select.select([0], [], [], 0)
    return bool(ready) and not os.read(0, 1)


if __name__ == "__main__":
    main()
