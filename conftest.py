"""Long forms of tests: ``pytest --hypothesis-profile=long`` has more examples, ``pytest --long`` all tests.

In parallel, the tests that wait are spread over the run.
"""

import itertools
import sys

import pytest
from hypothesis import HealthCheck, settings

# Even where the environment keeps Python from writing bytecode: every process would compile and rewrite all test
# modules anew, for a quarter of a minute. The programs that the tests run obey the environment.
_WRITES_NONE = sys.dont_write_bytecode
sys.dont_write_bytecode = False

# How long an example takes, or is in the making, is up to the machine. (The rest is as Hypothesis has it, also its own
# profile where ``CI`` is set.)
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("patient", **PATIENT)
settings.load_profile("patient")

# Each test's examples are counted per hundred of the profile's.
settings.register_profile("long", max_examples=1000, print_blob=True, **PATIENT)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--long``."""
    parser.addoption("--long", action="store_true", help="run all tests, also those marked long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without ``--long``, leave out the tests that are marked long, but for those that their mark names."""
    sys.dont_write_bytecode = _WRITES_NONE
    marked = [(item, mark) for item in items if (mark := item.get_closest_marker("long"))]
    left_out = [item for item, mark in marked if not _names(item) & {*mark.args}]
    if [*config.args] == config.getini("testpaths"):  # all are collected
        kept = {name for _, mark in marked for name in mark.args}
        if unknown := kept - {name for item, _ in marked for name in _names(item)}:
            raise pytest.UsageError(f"no test and no row of one has this name in its mark long: {sorted(unknown)}")
    if left_out and not config.getoption("--long"):
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    if hasattr(config, "workerinput"):  # one of several processes, each of which takes the next class or module
        items[:] = spread(items)


def spread(items: list[pytest.Item]) -> list[pytest.Item]:
    """Put classes that wait between the modules of the first half, so that the others have the cores meanwhile.

    Side by side, as they are collected, they would keep all processes waiting; at the end, one process.
    """
    waiting = [list(group) for _, group in itertools.groupby(filter(_waits, items), lambda item: item.parent)]
    modules = [
        list(group) for _, group in itertools.groupby(itertools.filterfalse(_waits, items), lambda item: item.path)
    ]
    distance = max(1, len(modules) // (2 * len(waiting) or 1))
    for place, group in enumerate(waiting):
        modules.insert(place * (distance + 1), group)
    return [item for group in modules for item in group]


def _waits(item: pytest.Item) -> bool:
    return item.get_closest_marker("waits") is not None


def _names(item: pytest.Item) -> set[str]:
    """The test's name, and that of its row."""
    if not isinstance(item, pytest.Function):
        return {item.name}
    return {item.originalname, item.callspec.id} if hasattr(item, "callspec") else {item.originalname}
