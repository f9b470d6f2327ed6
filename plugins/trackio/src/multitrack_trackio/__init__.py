"""multitrack's backend for Trackio: runs in Trackio's local database.

The SDK is imported when the first run is opened, never by importing this module.
"""

from multitrack_trackio.backend import TrackioBackend
from multitrack_trackio.names import name_of
from multitrack_trackio.options import TrackioOptions

__all__ = ["TrackioBackend", "TrackioOptions", "backend", "name_of"]

backend = TrackioBackend()
