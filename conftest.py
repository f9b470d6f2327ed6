"""Long forms of tests: ``pytest --hypothesis-profile=long`` has more examples, ``pytest --long`` all tests."""

import pytest
from hypothesis import HealthCheck, settings

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
    if config.getoption("--long"):
        return
    left_out = [item for item in items if (mark := item.get_closest_marker("long")) and _name(item) not in mark.args]
    if left_out:
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def _name(item: pytest.Item) -> str:
    return item.originalname if isinstance(item, pytest.Function) else item.name
