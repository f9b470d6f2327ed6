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
import contextlib
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from kills import Total
from node_rounds import COURIERS, VICTIMS, NodeRound
from rounds import Death
from trackers import QUIET, TRACKERS, environment

#: Where a courier kills itself; a training's end is left to chance.
_INSIDE = ("opened", "taken", "flushed")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parsed(arguments)
    names = options.trackers.split(",")
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    os.environ.update(QUIET)  # the trackers' readers are in this process
    root = Path(tempfile.mkdtemp(prefix="node-kills-"))
    print(f"seed {seed}, in {root}", flush=True)
    chance = random.Random(seed)
    total = Total(names)
    with contextlib.ExitStack() as servers:
        served = {name: servers.enter_context(TRACKERS[name].serve(root)) for name in names}
        base = environment(root)
        while total.kills < options.kills:
            number = total.rounds + 1
            chosen = {name: served[name] for name in chance.sample(names, min(len(names), 2))}
            if len({TRACKERS[name].backend for name in chosen}) < len(chosen):
                continue  # a run has a backend once
            deaths = _deaths(chance, [TRACKERS[name].backend for name in chosen])
            outcome = NodeRound(
                root / f"round-{number}", chosen, deaths, base, seed=seed * 1000 + number, trainings=options.trainings
            ).play()
            total.add(outcome, chosen)
            said = "ok" if outcome.good else "MISS: " + "; ".join(
                f"{where}: {misses.told[0][:300]}" for where, misses in outcome.misses.items() if misses
            )  # fmt: skip
            kinds = ", ".join(f"{death.moment}/{death.victim}" for death in outcome.deaths)
            print(
                f"round {number} ({', '.join(chosen)}): {kinds}; {outcome.acknowledged} records, "
                f"{outcome.seconds:.0f} s: {said} [{total.kills} kills]", flush=True,
            )  # fmt: skip
    print(total.table())
    if total.good:
        shutil.rmtree(root, ignore_errors=True)
    else:
        print(f"the rounds with a miss are kept in {root}")
    return 0 if total.good else 1


def _deaths(chance: random.Random, backends: Sequence[str]) -> list[Death]:
    """Up to as many deaths of couriers as trainings go on sharing one after, and of trainings between them."""
    dealt = [Death(chance.choice(_INSIDE), "courier", chance.choice(backends), chance.randint(1, 20))]
    while sum(VICTIMS[death.victim][0] for death in dealt) < COURIERS:
        dealt.append(Death(chance.choice(("opening", "batch")), chance.choice(list(VICTIMS))))
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
    unknown = set(options.trackers.split(",")) - TRACKERS.keys()
    if unknown:
        parser.error(f"no such tracker: {', '.join(sorted(unknown))}; there are {', '.join(TRACKERS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
