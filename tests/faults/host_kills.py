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
import contextlib
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from host_rounds import HostRound
from kills import Total
from rounds import Death
from trackers import QUIET, TRACKERS, environment


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parsed(arguments)
    names = options.trackers.split(",")
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    os.environ.update(QUIET)  # the trackers' readers are in this process
    root = Path(tempfile.mkdtemp(prefix="host-kills-"))
    print(f"seed {seed}, in {root}", flush=True)
    chance = random.Random(seed)
    total = Total(names)
    with contextlib.ExitStack() as servers:
        served = {name: servers.enter_context(TRACKERS[name].serve(root)) for name in names}
        for number in range(1, options.rounds + 1):
            name = chance.choice(names)
            deaths = [
                Death(chance.choice(("hangs", "hangs", "killed")), chance.choice(("courier", "both"))) for _ in range(3)
            ]
            locks = chance.choice(options.locks.split(","))
            outcome = HostRound(
                root / f"round-{number}", {name: served[name]}, deaths, environment(root), seed=seed * 1000 + number,
                locks=locks,
            ).play()  # fmt: skip
            total.add(outcome, [name])
            said = "ok" if outcome.good else "MISS: " + "; ".join(
                f"{where}: {misses.told[0][:300]}" for where, misses in outcome.misses.items() if misses
            )  # fmt: skip
            kinds = ", ".join(f"{death.moment}/{death.victim}" for death in outcome.deaths)
            print(
                f"round {number} ({name}, locks {locks}): {kinds}; {outcome.acknowledged} records, "
                f"{outcome.seconds:.0f} s: {said}", flush=True,
            )  # fmt: skip
    print(total.table())
    if total.good:
        shutil.rmtree(root, ignore_errors=True)
    else:
        print(f"the rounds with a miss are kept in {root}")
    return 0 if total.good else 1


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
    unknown = set(options.trackers.split(",")) - TRACKERS.keys()
    if unknown:
        parser.error(f"no such tracker: {', '.join(sorted(unknown))}; there are {', '.join(TRACKERS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
