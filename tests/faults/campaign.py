"""Rounds of a kill harness, one after the other: the seed, the servers, a line a round, and the sum of them all."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from rounds import INSIDE, Outcome
from trackers import QUIET, TRACKERS, Served


class Playable(Protocol):
    """A round that is made, and not played yet."""

    def play(self) -> Outcome: ...


Plan = Callable[[random.Random, dict[str, Served], Path, int], tuple[Playable, list[str], str]]
"""Makes a round in the directory, with the seed: the round, the names of its trackers, and what else to say of it."""


def campaign(name: str, options: argparse.Namespace, plan: Plan, enough: Callable[[Total], bool]) -> int:
    """Play rounds until there are enough; return the exit status.

    Args:
        name: Of the harness; begins the name of its temporary directory.
        options: ``trackers`` and ``seed``.
        plan: Makes the next round.
        enough: Whether no further round is wanted.
    """
    names = options.trackers.split(",")
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    os.environ.update(QUIET)  # the trackers' readers are in this process
    root = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    print(f"seed {seed}, in {root}", flush=True)
    chance = random.Random(seed)
    total = Total(names)
    with contextlib.ExitStack() as servers:
        served = {each: servers.enter_context(TRACKERS[each].serve(root)) for each in names}
        while not enough(total):
            number = total.rounds + 1
            made, trackers, more = plan(chance, served, root / f"round-{number}", seed * 1000 + number)
            outcome = made.play()
            total.add(outcome, trackers)
            print(line(number, [*trackers, *filter(None, [more])], outcome, total), flush=True)
    print(total.table())
    total.put_away(root)
    return 0 if total.good else 1


def chosen_trackers(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse a tracker that there is not."""
    unknown = set(options.trackers.split(",")) - TRACKERS.keys()
    if unknown:
        parser.error(f"no such tracker: {', '.join(sorted(unknown))}; there are {', '.join(TRACKERS)}")


class Total:
    """What all rounds came to."""

    def __init__(self, trackers: Iterable[str]) -> None:
        self.kills = self.rounds = self.acknowledged = self.missed = 0
        self.by_kind: Counter[str] = Counter()
        self.bad_kinds: Counter[str] = Counter()
        self.by_tracker = {name: Counter[str]() for name in ("journal", *trackers)}
        self.others: list[str] = []
        self.stopped = False
        self._started = time.monotonic()

    def add(self, outcome: Outcome, trackers: Iterable[str]) -> None:
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

    def put_away(self, root: Path, say: Callable[[str], None] = print) -> None:
        """Remove the directory of the rounds, or say where those with a miss are."""
        if self.good:
            shutil.rmtree(root, ignore_errors=True)
        else:
            say(f"the rounds with a miss are kept in {root}")

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


def line(number: int, about: Iterable[str], outcome: Outcome, total: Total) -> str:
    """The line of a round: its deaths, its records, and what is wrong."""
    deaths = ", ".join(
        f"{death.moment}{f' ({death.backend})' if death.backend and death.moment in INSIDE else ''}/{death.victim}"
        for death in outcome.deaths
    )
    said = (
        "ok"
        if outcome.good
        else "MISS: " + "; ".join(f"{k}: {m.told[0][:300]}" for k, m in outcome.misses.items() if m)
    )
    return (
        f"round {number} ({', '.join(about)}): {deaths}; {outcome.acknowledged} records, {outcome.seconds:.0f} s: {said}"
        f" [{total.kills} kills]"
    )
