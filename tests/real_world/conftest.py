"""Cases that people met, as written, each with neighbours of its own; ``python tests/real_world`` runs all of them."""

import os
from collections.abc import Iterator

import pytest

from browser import Page, chromium

# Some of the cases train models; on the CPU, and without TensorFlow's messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("chromium")) as page:
        yield page
