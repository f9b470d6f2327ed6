"""The config: the settings of a run, the origin of each value, and the types of backend options."""

from multitrack.config.conversion import absolute_uri, current_directory
from multitrack.config.loading import Config, load_config
from multitrack.config.settings import FIGURE_LIMIT, FilesOption, PathOption, Settings, UriOption
from multitrack.config.variables import REPRODUCE, reproduced_run, switched_off

__all__ = [
    "FIGURE_LIMIT",
    "REPRODUCE",
    "Config",
    "FilesOption",
    "PathOption",
    "Settings",
    "UriOption",
    "absolute_uri",
    "current_directory",
    "load_config",
    "reproduced_run",
    "switched_off",
]
