"""multitrack's backend for Neptune: runs in Neptune's offline format.

The SDK is imported when the first run is opened, never by importing this module.
"""

from multitrack_neptune.backend import NeptuneBackend
from multitrack_neptune.names import name_of
from multitrack_neptune.options import NeptuneOptions

__all__ = ["NeptuneBackend", "NeptuneOptions", "backend", "name_of"]

backend = NeptuneBackend()
