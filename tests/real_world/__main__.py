"""Run every case and print how each of the numbered ones went: ``python tests/real_world [pytest's arguments]``.

Exit status 0: each case has a test, and all tests passed.
"""

import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

#: How many cases there are.
CASES = 35


class Tally:
    """Counts the tests of each case by outcome."""

    def __init__(self) -> None:
        self.outcomes: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._cases: dict[str, list[int]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            self._cases[item.nodeid] = [number for mark in item.iter_markers("case") for number in mark.args]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            for number in self._cases[report.nodeid]:
                self.outcomes[number][report.outcome] += 1


def main(arguments: list[str]) -> int:
    root = Path(__file__).parent.parent.parent
    tally = Tally()
    status = pytest.main(
        [
            "-q",
            f"--rootdir={root}",
            "--long",
            "-m",
            "case",
            *(arguments or [str(root / "tests"), str(root / "plugins")]),
        ],
        plugins=[tally],
    )
    missing = []
    for number in range(1, CASES + 1):
        outcomes = tally.outcomes[number]
        print(f"case {number:2}  {', '.join(f'{count} {name}' for name, count in outcomes.items()) or 'NO TEST'}")
        if not outcomes["passed"] or outcomes["skipped"]:
            missing.append(number)
    if missing and not arguments:
        print(f"without a passing test, or skipped: {', '.join(map(str, missing))}")
        return status or 1
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
