"""All benchmarks, and the tables in docs/performance.md.

    make bench                                       sets everything up, measures all (about an hour), writes the page
    python tests/benchmarks --only call,start        some groups; --list says which there are
    python tests/benchmarks --only call --rounds 3 --no-write
    python tests/benchmarks --quick --no-write       only that it runs: a few points each, one round

Each case runs in a process of its own, by turns with its limit and its peers; tables hold medians, with the least and
the most of all rounds. Leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import threading
from pathlib import Path

import bench
import page

GROUPS = (
    "call",
    "predictions",
    "start",
    "delivery",
    "training",
    "batches",
    "growth",
    "fsync",
    "locking",
    "reading",
    "scale",
    "report",
    "importing",
    "mirror",
    "long_run",
    "nodes",
)
#: Groups that are measured only if named, with the machine that they need.
NAMED_ONLY = ("accelerator",)
#: Of the full length, with --quick.
QUICK = 0.01


def main() -> None:
    given = _parsed()
    if given.case:
        group = _group(given.case[0])
        (case,) = (case for case in group.cases if case.name == given.case[1])
        Path(given.into).write_text(json.dumps(case.run(given.scale)))
        # Its figures are there; the SDK of W&B was seen to wait at exit for its own process for ever.
        guard = threading.Timer(30.0, os._exit, (0,))
        guard.daemon = True
        guard.start()
        return
    names = GROUPS if given.only is None else [name.strip() for name in given.only.split(",")]
    for name in names:
        if name not in (*GROUPS, *NAMED_ONLY):
            raise SystemExit(f"--only: no group {name!r}; there are {', '.join((*GROUPS, *NAMED_ONLY))}")
    if given.list:
        for name in names if given.only else (*GROUPS, *NAMED_ONLY):
            group = _group(name)
            print(f"{name}: {group.rounds} rounds of")
            print("".join(f"    {case.name}\n" for case in group.cases), end="")
        return
    raw = {}
    if given.json:
        Path(given.json).touch()
    for name in names:
        group = _group(name)
        wanted = group.cases if not given.quick or group.short is None else group.short
        cases = [case for case in wanted if bench.installed(case)]
        for case in wanted:
            if case not in cases:
                missing = f"{case.package} is missing in {case.python}" if case.package else f"{case.python} is missing"
                bench.tell(f"{name}: left out, as {missing} (make bench makes it): {case.name}")
        rounds = 1 if given.quick else given.rounds or group.rounds
        results = bench.by_turns(group, cases, rounds, QUICK if given.quick else 1.0)
        raw[name] = results.rounds
        text = group.page(results)
        print(text)
        if given.write and not given.quick:
            page.write(name, text, rounds)
        if given.json:
            Path(given.json).write_text(json.dumps(raw, indent=1))


def _group(name: str) -> bench.Group:
    group: bench.Group = importlib.import_module(name).GROUP
    return group


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"at least 1, got {number}")
    return number


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python tests/benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help=f"groups, separated by commas, of: {', '.join((*GROUPS, *NAMED_ONLY))}")
    parser.add_argument("--list", action="store_true", help="say what would be measured")
    parser.add_argument("--rounds", type=_positive, help="how often each case runs; default: as --list says")
    parser.add_argument("--quick", action="store_true", help="only see that it runs, most of it; writes no page")
    parser.add_argument("--no-write", dest="write", action="store_false", help="leave docs/performance.md as it is")
    parser.add_argument("--json", metavar="FILE", help="keep the figures of every round")
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--scale", type=float, default=1.0, help=argparse.SUPPRESS)
    parser.add_argument("--into", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
