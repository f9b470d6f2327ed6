"""The two markers of the hook system: all that a plugin has to import from multitrack.

    from multitrack.markers import hookimpl

Kept alone in a module so that a plugin pays for pluggy and these lines only.
"""

from typing import Final

import pluggy

#: The pluggy project name and the entry-point group that plugins register under.
PROJECT: Final = "multitrack"

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)
