"""Every test of the files backend: its parts are written by this process only."""

import pytest

from multitrack_files import backend


@pytest.fixture(autouse=True)
def forgotten() -> object:
    """No run is left in memory once it has ended, nor one of another test."""
    backend._open.clear()
    return backend
