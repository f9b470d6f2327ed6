"""Searches placed by engines that `make engines` installs; elsewhere they are skipped."""

import importlib.util

import pytest


@pytest.fixture(autouse=True)
def engines() -> None:
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs Ray and Dask, which `make engines` installs")
