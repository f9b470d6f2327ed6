"""Test tools for authors of backends: the contract that every backend must pass, and a reference backend in memory."""

from multitrack._hints import to_install

try:
    import pytest
except ImportError as error:
    raise ImportError(f"multitrack.testing needs pytest: {to_install('testing')}", name="pytest") from error

# so that failed asserts show the compared values
_CONTRACT = ("contract_delivery", "contract_hooks", "contract_reading", "contract_runs", "contract_values")
for _module in (*_CONTRACT, "gaps", "histories", "kills", "subject"):
    pytest.register_assert_rewrite(f"{__name__}.{_module}")

from multitrack.testing.capabilities import Capabilities  # noqa: E402 - see above
from multitrack.testing.contract import BackendContract  # noqa: E402
from multitrack.testing.memory import MemoryBackend  # noqa: E402
from multitrack.testing.model import Model  # noqa: E402
from multitrack.testing.native import NativePoint, NativeReference, NativeRun  # noqa: E402

__all__ = ["BackendContract", "Capabilities", "MemoryBackend", "Model", "NativePoint", "NativeReference", "NativeRun"]
