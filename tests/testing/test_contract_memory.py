"""The memory backend is the contract's reference."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import multitrack
from multitrack.testing import BackendContract, MemoryBackend, NativeRun

memory = MemoryBackend()


class TestMemory(BackendContract):
    backend = "memory"
    examples = 100

    @pytest.fixture(autouse=True)
    def registered(self) -> Iterator[None]:
        multitrack.register(memory)
        yield
        multitrack.unregister("memory")

    def new_plugin(self) -> object:
        return memory  # it is the tracker, too

    def read(self, tmp_path: Path, run_id: str, backend_id: str) -> NativeRun:
        return memory.runs[backend_id]
