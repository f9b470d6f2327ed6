"""Every test of this backend: no proxy, and no port or thread left behind."""

from collections.abc import Iterator

import pytest

from multitrack_prometheus import backend


@pytest.fixture(autouse=True)
def stopped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in ("http_proxy", "HTTP_PROXY", "PROMETHEUS_MULTIPROC_DIR"):
        monkeypatch.delenv(variable, raising=False)
    yield
    backend.stop()
