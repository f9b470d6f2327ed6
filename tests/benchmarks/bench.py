"""Measuring: cases in processes of their own, by turns, and what came out of them.

Nothing but the standard library is imported here, as cases also run in environments of other trackers.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(1, str(HERE.parent))
from quiet import environment  # noqa: E402

#: Readers of what each tracker wrote, by its own means, and long trainings.
HELPERS = (*sorted(ROOT.glob("plugins/*/tests")), ROOT / "tests" / "faults", ROOT / "tests" / "pages")

#: The environment of trackers that cannot be installed beside the others; ``make bench`` makes it.
PEERS = ROOT / ".venv-peers" / "bin" / "python"
#: That of PyTorch, which has no TensorFlow; ``make bench`` adds MLflow to it.
TORCH = ROOT / ".venv-torch" / "bin" / "python"

Figures = dict[str, float]
"""What one process measured, by name; seconds, unless the name says another unit."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One thing that is measured.

    Attributes:
        name: What tables call it.
        run: Measures, in a process of its own whose current directory is empty. Its argument is 1, or less where it
            only has to show that it runs; loops are to be shortened by it.
        python: The interpreter.
        environment: Variables beside the quiet ones.
        prefix: A command in front of the interpreter, such as ``taskset -c 0``.
        package: One that the interpreter's environment must have, where that may be there without it.
    """

    name: str
    run: Callable[[float], Figures]
    python: Path = Path(sys.executable)
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    prefix: Sequence[str] = ()
    package: str | None = None


@dataclasses.dataclass(frozen=True)
class Group:
    """Cases that are measured by turns, and their table.

    Attributes:
        name: What the command calls it; also the name of its module.
        cases: The cases, limits and peers among them.
        page: The Markdown that is written into docs/performance.md.
        rounds: How often each case runs.
        short: The cases that do to see that it runs; default: all.
    """

    name: str
    cases: Sequence[Case]
    page: Callable[[Results], str]
    rounds: int = 7
    short: Sequence[Case] | None = None


class Results:
    """All rounds of a group's cases."""

    def __init__(self) -> None:
        self.rounds: dict[str, list[Figures]] = {}

    def __contains__(self, case: str) -> bool:
        return case in self.rounds

    def values(self, case: str, figure: str) -> list[float]:
        """A figure in each round."""
        return [figures[figure] for figures in self.rounds[case]]

    def median(self, case: str, figure: str) -> float:
        """A figure's median."""
        return statistics.median(self.values(case, figure))

    def spread(self, case: str, figure: str, factor: float = 1.0, form: str = ".1f") -> str:
        """A figure's median with its least and most, each times ``factor``."""
        values = [value * factor for value in self.values(case, figure)]
        return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"

    def ratios(self, case: str, figure: str, other: str, of: str | None = None) -> list[float]:
        """In each round, a figure over one of another case."""
        others = self.values(other, of or figure)
        return [value / base for value, base in zip(self.values(case, figure), others, strict=True)]

    def ratio(self, case: str, figure: str, other: str, of: str | None = None, form: str = ".2f") -> str:
        """The median of :meth:`ratios`, with the least and the most."""
        ratios = self.ratios(case, figure, other, of)
        return f"{statistics.median(ratios):{form}} ({min(ratios):{form}} to {max(ratios):{form}})"


def measure(group: Group, case: Case, scale: float) -> Figures:
    """One case, in a fresh process in an empty directory."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as root:
        work = Path(root) / "work"
        work.mkdir()
        found = Path(root) / "figures.json"
        command = [*case.prefix, case.python, "-P", HERE, "--case", group.name, case.name,
                   "--scale", str(scale), "--into", found]  # fmt: skip
        variables = {**environment(Path(root), HERE, *HELPERS), **case.environment}
        done = subprocess.run(
            [*map(str, command)], cwd=work, env=variables, capture_output=True, text=True, errors="replace"
        )
        if done.returncode or not found.exists():
            raise SystemExit(f"{group.name}: {case.name!r} exited with {done.returncode}:\n{done.stdout}{done.stderr}")
        figures: Figures = json.loads(found.read_bytes())
        return figures


def by_turns(group: Group, cases: Sequence[Case], rounds: int, scale: float) -> Results:
    """Every case once a round, each round in the other direction, so that a machine that drifts favours none."""
    results = Results()
    begun = time.monotonic()
    for i in range(rounds):
        for case in cases if i % 2 == 0 else reversed(cases):
            passed = time.monotonic() - begun
            tell(f"{group.name}: round {i + 1} of {rounds}: {case.name} ({passed:.0f} s so far)")
            results.rounds.setdefault(case.name, []).append(measure(group, case, scale))
    return results


def installed(case: Case) -> bool:
    """Whether the case's environment is there, with the package that it needs."""
    packages = case.python.parents[1].glob(f"lib/*/site-packages/{case.package or ''}")
    return case.python.exists() and any(packages)


def tell(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def percentile(ordered: Sequence[int], share: float) -> int:
    """The value below which ``share`` of all lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def quiet_courier() -> dict[str, object]:
    """Config for a run whose calls alone are measured: nothing is delivered."""
    return {"delivery": "off", "journal": os.path.abspath("journal")}  # noqa: PTH100 - stdlib only, and quick
