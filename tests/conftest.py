"""Every test: a directory of its own as the current one, no settings from outside, no run left open."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from multitrack.environment.ranks import LAUNCHERS

pytest.register_assert_rewrite("recorded")

#: What says that a process is one of several.
LAUNCHED = {"LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID", "KERASTUNER_TUNER_ID", "TF_CONFIG"}
LAUNCHED.update(name for launcher in LAUNCHERS for name in (launcher.rank, launcher.size, *launcher.needs))


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith("MULTITRACK_") or name in LAUNCHED:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    yield
    from multitrack.recording import lifecycle

    while (run := lifecycle.last_open()) is not None:
        run.end()
    lifecycle.stop_couriers()


@pytest.fixture
def trusted(isolated: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A config that names the backends of ``recording_backends``, which ``multitrack sync`` then may import."""
    names = ("file", "raising", "closed", "picky", "flaky", "losing", "hung")
    monkeypatch.setenv("MULTITRACK_BACKENDS", ",".join(f"recording_backends:{name}" for name in names))
