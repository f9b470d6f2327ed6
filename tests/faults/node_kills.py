"""Kill the courier that several trainings share, and trainings beside it, and count what is lost.

    python tests/faults/node_kills.py --kills 200
    python tests/faults/node_kills.py --kills 20 --trackers files,mlflow --seed 7

Each round has eight trainings at once, with one courier. It is killed by SIGKILL, alone, or with some of the trainings,
at moments of chance or exactly between a tracker's commit and the saved position; another one takes over, and killed
trainings are continued. Then ``multitrack sync`` delivers what is left, and what each tracker's own reader gives is compared
with what the calls of all trainings had acknowledged.

Everything stays on loopback and in a temporary directory, of which the rounds with a miss are kept. Exit status: 0
nothing lost, nothing twice, all in order, and never a courier for each; 1 a miss; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from campaign import campaign, chosen_trackers
from node_rounds import COURIERS, VICTIMS, NodeRound
from rounds import Death
from trackers import TRACKERS, Served, environment

#: Where a courier kills itself; a training's end is left to chance.
_INSIDE = ("opened", "taken", "flushed")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parsed(arguments)

    def plan(
        chance: random.Random, served: dict[str, Served], directory: Path, seed: int
    ) -> tuple[NodeRound, list[str], str]:
        by_backend: dict[str, list[str]] = {}
        for name in served:
            by_backend.setdefault(TRACKERS[name].backend, []).append(name)
        backends = chance.sample(list(by_backend), min(len(by_backend), 2))  # a run has a backend once
        names = [chance.choice(by_backend[backend]) for backend in backends]
        made = NodeRound(
            directory, {name: served[name] for name in names}, _deaths(chance, backends, options.trainings),
            environment(directory.parent), seed=seed, trainings=options.trainings,
        )  # fmt: skip
        return made, names, ""

    return campaign("node-kills", options, plan, lambda total: total.kills >= options.kills)


def _deaths(chance: random.Random, backends: Sequence[str], trainings: int) -> list[Death]:
    """Up to as many deaths of couriers as trainings go on sharing one after, and of trainings between them."""
    moment = chance.choice(_INSIDE)
    # each run is opened once
    dealt = [
        Death(moment, "courier", chance.choice(backends), chance.randint(1, trainings if moment == "opened" else 20))
    ]
    while sum(VICTIMS[death.victim][0] for death in dealt) < COURIERS:
        victim = chance.choice(("training", "training", *VICTIMS))
        dealt.append(Death(chance.choice(("opening", "batch")), victim))
    if chance.random() < 0.3:
        dealt[-1] = Death("ending", "courier")
    return dealt


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="node_kills.py"
    )
    parser.add_argument("--kills", type=int, default=200, help="how many strikes at least (default: %(default)s)")
    parser.add_argument("--trainings", type=int, default=8, help="how many at once (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="repeats the same rounds, as far as chance allows")
    parser.add_argument(
        "--trackers", default="mlflow,files,neptune,wandb", metavar="A,B",
        help=f"which of {', '.join(TRACKERS)}, two a round (default: %(default)s)",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    chosen_trackers(parser, options)
    return options


if __name__ == "__main__":
    sys.exit(main())
