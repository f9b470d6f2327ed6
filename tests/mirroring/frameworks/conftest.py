"""Tests with training frameworks that `make frameworks` installs; elsewhere they are skipped."""

import importlib.util

import pytest

#: The others are installed with it: a test that lacks one fails.
IS_INSTALLED = importlib.util.find_spec("lightning") is not None


@pytest.fixture(autouse=True)
def frameworks() -> None:
    if not IS_INSTALLED:
        pytest.skip("needs PyTorch, Lightning, XGBoost and others, which `make frameworks` installs")
