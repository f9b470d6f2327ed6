"""Kill processes on one of two machines that share a journal, or let them hang, and count what is lost.

    python tests/faults/host_kills.py --rounds 10
    python tests/faults/host_kills.py --rounds 2 --trackers mlflow --locks apart --seed 7

Each round has a training with its courier on one simulated machine, and ``multitrack sync`` again and again on the other.
Locks hold within each machine, or not at all. Processes are killed by SIGKILL, or stopped until the other machine has
taken them for dead, and continued. Then what each tracker's own reader gives is compared with what was acknowledged.

Everything stays on loopback and in a temporary directory, of which the rounds with a miss are kept. Exit status: 0
nothing lost, nothing twice, all in order; 1 a miss; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from campaign import campaign, chosen_trackers
from host_rounds import HostRound
from rounds import Death
from trackers import TRACKERS, Served, environment


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parsed(arguments)
    locks = options.locks.split(",")

    def plan(
        chance: random.Random, served: dict[str, Served], directory: Path, seed: int
    ) -> tuple[HostRound, list[str], str]:
        name, held = chance.choice(list(served)), chance.choice(locks)
        deaths = [
            Death(chance.choice(("hangs", "hangs", "killed")), chance.choice(("courier", "both"))) for _ in range(3)
        ]
        made = HostRound(
            directory, {name: served[name]}, deaths, environment(directory.parent), seed=seed, locks=held
        )  # fmt: skip
        return made, [name], f"locks {held}"

    return campaign("host-kills", options, plan, lambda total: total.rounds >= options.rounds)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="host_kills.py"
    )
    parser.add_argument("--rounds", type=int, default=10, help="how many, of three strikes each (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="repeats the same rounds, as far as chance allows")
    parser.add_argument("--locks", default="apart,none", help="of the machines (default: %(default)s)")
    parser.add_argument(
        "--trackers", default="files,mlflow", metavar="A,B",
        help=f"which of {', '.join(TRACKERS)}, one a round (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    chosen_trackers(parser, options)
    return options


if __name__ == "__main__":
    sys.exit(main())
