"""Kill tracked trainings, their couriers and ``multitrack sync``, and count what is lost.

    python tests/faults/kills.py --kills 200
    python tests/faults/kills.py --minutes 10 --trackers mlflow,wandb --jobs 2 --seed 7

Each round is a run of real processes and real trackers on this machine: training processes that log, their couriers,
and ``multitrack sync``. Some of them die by SIGKILL, at moments of chance or exactly between a tracker's commit and the
saved position; the run is resumed and killed again; then ``multitrack sync`` delivers what is left, and what each
tracker's own reader gives is compared with what the calls had acknowledged. A call that had not returned may be
there whole, or not at all.

Everything stays on loopback and in a temporary directory, of which the rounds with a miss are kept. Exit status: 0
nothing lost, nothing twice, all in order; 1 a miss; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import itertools
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from campaign import Total, chosen_trackers, line
from rounds import Death, Round
from trackers import QUIET, TRACKERS, Served, environment

#: Every moment with every victim that there is for it.
TRAINING = (
    *((moment, victim) for moment in ("opening", "batch", "ending")
      for victim in ("training", "courier", "both", "group")),
    *((moment, victim) for moment in ("opened", "taken", "flushed", "closed") for victim in ("courier", "both")),
    ("flushed", "group"),
)  # fmt: skip
SYNC = tuple((moment, "sync") for moment in ("batch", "opened", "taken", "flushed", "closed"))


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parsed(arguments)
    names = options.trackers.split(",")
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    os.environ.update(QUIET)  # the trackers' readers are in this process
    root = Path(tempfile.mkdtemp(prefix="kills-", dir=options.directory))
    _say(options, f"seed {seed}, in {root}")
    total = Total(names)
    with contextlib.ExitStack() as servers, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        served = {name: servers.enter_context(TRACKERS[name].serve(root)) for name in names}
        base = environment(root)
        plans = _plans(random.Random(seed), served)
        deadline = time.monotonic() + options.minutes * 60 if options.minutes else None
        lock = threading.Lock()

        def work() -> None:
            while (
                not total.stopped and total.kills < options.kills and (deadline is None or time.monotonic() < deadline)
            ):
                with lock:
                    number, (chosen, deaths, long) = next(plans)
                outcome = Round(
                    root / f"round-{number}", chosen, deaths, base, seed=seed * 1000 + number, long=long
                ).play()  # fmt: skip
                with lock:
                    total.add(outcome, chosen)
                    _say(options, line(number, chosen, outcome, total))

        workers = [pool.submit(work) for _ in range(options.jobs)]
        try:
            concurrent.futures.wait(workers)
        except KeyboardInterrupt:
            _say(options, "the rounds that have begun are finished")
            total.stopped = True
        for worker in workers:
            worker.result()
    print(json.dumps(total.as_json(seed)) if options.json else total.table())
    total.put_away(root, lambda text: _say(options, text))
    return 0 if total.good else 1


def _plans(
    chance: random.Random, served: Mapping[str, Served]
) -> Iterator[tuple[int, tuple[dict[str, Served], list[Death], bool]]]:
    """Rounds without end: each moment and victim in turn, with each tracker in turn, in mixed order."""
    deaths, syncs = _shuffled(chance, TRAINING), _shuffled(chance, SYNC)
    backends: dict[str, list[str]] = {}
    for name in served:
        backends.setdefault(TRACKERS[name].backend, []).append(name)
    targets = _shuffled(chance, tuple(backends))
    for number in itertools.count(1):
        # A run has a backend once: of those that several trackers share, one in turn.
        chosen = {names[number % len(names)]: served[names[number % len(names)]] for names in backends.values()}
        dealt = [_death(chance, next(deaths), next(targets)) for _ in range(chance.randint(1, 3))]
        if chance.random() < 0.5:
            dealt += [_death(chance, next(syncs), next(targets)) for _ in range(chance.randint(1, 2))]
        yield number, (chosen, dealt, chance.random() < 0.15)


def _death(chance: random.Random, kind: tuple[str, str], target: str) -> Death:
    moment, victim = kind
    often = victim != "sync" and moment in ("taken", "flushed")
    return Death(moment, victim, target, chance.randint(1, 3) if often else 1)


def _shuffled(chance: random.Random, kinds: Sequence[object]) -> Iterator:  # type: ignore[type-arg]
    while True:
        yield from chance.sample(kinds, len(kinds))


def _say(options: argparse.Namespace, text: str) -> None:
    print(text, file=sys.stderr if options.json else sys.stdout, flush=True)


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="kills.py"
    )
    parser.add_argument(
        "--kills", type=int, default=200, help="how many processes to kill at least (default: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, help="begin no round after so many minutes")
    parser.add_argument(
        "--seed", type=int, help="repeats the same rounds, as far as chance allows; default: another each time"
    )
    parser.add_argument(
        "--trackers", default=",".join(TRACKERS), metavar="A,B", help="which of them (default: all: %(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="rounds at once (default: %(default)s)")
    parser.add_argument("--directory", type=Path, help="where to work; default: the system's temporary directory")
    parser.add_argument("--json", action="store_true", help="the result as JSON on standard output, progress on stderr")
    options = parser.parse_args(arguments)
    chosen_trackers(parser, options)
    return options


if __name__ == "__main__":
    sys.exit(main())
