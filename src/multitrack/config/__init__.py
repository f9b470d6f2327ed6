"""The config: what holds for a run, where each value came from, and the types of backends' options."""

from multitrack.config.conversion import absolute_uri, current_directory
from multitrack.config.loading import Config, load_config
from multitrack.config.settings import FilesOption, PathOption, Settings, UriOption

__all__ = [
    "Config",
    "FilesOption",
    "PathOption",
    "Settings",
    "UriOption",
    "absolute_uri",
    "current_directory",
    "load_config",
]
