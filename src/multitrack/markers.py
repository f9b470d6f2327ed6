"""The two markers of the hook system: all that a plugin has to import from multitrack.

    from multitrack.markers import hookimpl

A separate module, so that a plugin imports only pluggy and these lines.
"""

from typing import Final

import pluggy

__all__ = ["PROJECT", "hookimpl", "hookspec"]

#: The pluggy project name and the entry-point group that plugins register under.
PROJECT: Final = "multitrack"

#: Marks a method as the specification of a hook.
hookspec: Final = pluggy.HookspecMarker(PROJECT)
#: Marks a plugin's function or method as its implementation of the hook of the same name.
hookimpl: Final = pluggy.HookimplMarker(PROJECT)
