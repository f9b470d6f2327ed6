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
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rounds import Death, Outcome, Round
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
                    _say(options, _line(number, chosen, outcome, total))

        workers = [pool.submit(work) for _ in range(options.jobs)]
        try:
            concurrent.futures.wait(workers)
        except KeyboardInterrupt:
            _say(options, "the rounds that have begun are finished")
            total.stopped = True
        for worker in workers:
            worker.result()
    print(json.dumps(total.as_json(seed)) if options.json else total.table())
    if total.good:
        shutil.rmtree(root, ignore_errors=True)
    else:
        _say(options, f"the rounds with a miss are kept in {root}")
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


class Total:
    """What all rounds came to."""

    def __init__(self, trackers: Sequence[str]) -> None:
        self.kills = self.rounds = self.acknowledged = self.missed = 0
        self.by_kind: Counter[str] = Counter()
        self.bad_kinds: Counter[str] = Counter()
        self.by_tracker = {name: Counter[str]() for name in ("journal", *trackers)}
        self.others: list[str] = []
        self.stopped = False
        self._started = time.monotonic()

    def add(self, outcome: Outcome, trackers: Mapping[str, Served]) -> None:
        self.rounds += 1
        self.kills += len(outcome.deaths)
        self.missed += len(outcome.missed)
        self.acknowledged += outcome.acknowledged
        kinds = [f"{death.moment} / {death.victim}" for death in outcome.deaths]
        self.by_kind.update(kinds)
        if not outcome.good:
            self.bad_kinds.update(set(kinds))
        for name in ("journal", *trackers):
            self.by_tracker[name]["runs"] += 1
            self.by_tracker[name]["records"] += outcome.acknowledged
        for where, misses in outcome.misses.items():
            self.others += [f"{where}: {text}" for text in misses.told]
            counts = self.by_tracker.setdefault(where, Counter())
            for field in ("lost", "twice", "out_of_order", "other"):
                counts[field] += getattr(misses, field)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong in what was looked at: where no record was acknowledged, there was nothing."""
        return not self.others and self.acknowledged > 0

    def sum(self, field: str) -> int:
        return sum(counts[field] for counts in self.by_tracker.values())

    def line(self) -> str:
        return (
            f"{self.kills} kills in {self.rounds} runs, {self.acknowledged} records acknowledged: lost {self.sum('lost')}, "
            f"twice {self.sum('twice')}, out of order {self.sum('out_of_order')}, otherwise wrong {self.sum('other')}"
        )

    def table(self) -> str:
        columns = ("runs", "records", "lost", "twice", "out_of_order", "other")
        lines = [f"{'':14}" + "".join(f"{column.replace('_', ' '):>14}" for column in columns)]
        for name, counts in self.by_tracker.items():
            lines.append(f"{name:14}" + "".join(f"{counts[column]:>14}" for column in columns))
        lines += ["", f"{'moment / victim':26}{'kills':>8}{'in runs with a miss':>22}"]
        for kind, count in sorted(self.by_kind.items()):
            lines.append(f"{kind:26}{count:>8}{self.bad_kinds[kind]:>22}")
        minutes = (time.monotonic() - self._started) / 60
        lines += ["", *self.others[:50], f"{self.line()} ({minutes:.0f} minutes; {self.missed} came too late to kill)"]
        return "\n".join(lines)

    def as_json(self, seed: int) -> dict[str, object]:
        return {
            "seed": seed, "kills": self.kills, "runs": self.rounds, "acknowledged": self.acknowledged,
            **{field: self.sum(field) for field in ("lost", "twice", "out_of_order", "other")},
            "by_tracker": self.by_tracker, "by_kind": self.by_kind, "told": self.others,
        }  # fmt: skip


def _line(number: int, trackers: Mapping[str, Served], outcome: Outcome, total: Total) -> str:
    deaths = ", ".join(
        f"{death.moment}{f' ({death.backend})' if death.backend and death.moment not in _BY_CHANCE else ''}/{death.victim}"
        for death in outcome.deaths
    )
    said = (
        "ok"
        if outcome.good
        else "MISS: " + "; ".join(f"{k}: {m.told[0][:300]}" for k, m in outcome.misses.items() if m)
    )
    return (
        f"round {number} ({', '.join(trackers)}): {deaths}; {outcome.acknowledged} records, {outcome.seconds:.0f} s: {said}"
        f" [{total.kills} kills]"
    )


_BY_CHANCE = ("opening", "batch", "ending")


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
    unknown = set(options.trackers.split(",")) - TRACKERS.keys()
    if unknown:
        parser.error(f"no such tracker: {', '.join(sorted(unknown))}; there are {', '.join(TRACKERS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
