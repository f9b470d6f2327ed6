"""For authors of backends: the contract that every backend must pass, and the memory backend as its reference."""

from multitrack.testing.contract import BackendContract
from multitrack.testing.memory import MemoryBackend
from multitrack.testing.native import Capabilities, NativePoint, NativeRun

__all__ = ["BackendContract", "Capabilities", "MemoryBackend", "NativePoint", "NativeRun"]
