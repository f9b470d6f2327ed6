r"""Convert names of metrics, params and so on to paths of Neptune's fields, lossless and without collisions.

In Neptune a path is a field or a namespace, never both, and empty parts are dropped (``a//b`` is ``a/b``). Almost every
name is its own path. In the others, ``~`` is the escape character:

====================  ===========================================================================================
in a path             meaning
====================  ===========================================================================================
``~0``                a ``~`` in the name
``~1``                a ``/`` in the name beside another one, at its start or at its end
``~`` ending a part   a marker: the part without it is already a namespace and this is a field, or the reverse
``~word`` at the end  a companion: a field with details about the one before the ``~``
====================  ===========================================================================================
"""

from __future__ import annotations

import re

_ODD_SLASH = re.compile(r"(?<![^/])/|/(?![^/])")
_ESCAPES = {"~0": "~", "~1": "/", "~": ""}


class Names:
    """The paths of one namespace's names.

    If one name is a prefix of another (``val`` and ``val/loss``), the first one gets the plain path. So the names must
    be given in journal order. A path never changes afterwards.

    Args:
        namespace: Prefix of all paths.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._is_field: dict[str, bool] = {}  # by path without the last part's mark
        self._paths: dict[str, str] = {}

    def path(self, name: str) -> str:
        """Return the path of the field for ``name``."""
        path = self._paths.get(name)
        if path is None:
            path = self._paths[name] = self._placed(escaped(name))
        return path

    def _placed(self, escaped_name: str) -> str:
        path = self._namespace
        *spaces, field = escaped_name.split("/")
        for part, is_field in [*((space, False) for space in spaces), (field, True)]:
            path = f"{path}/{part}"
            if self._is_field.setdefault(path, is_field) is not is_field:
                path += "~"
        return path


def escaped(name: str) -> str:
    """Escape everything in ``name`` that a path would lose; different names stay different."""
    return _ODD_SLASH.sub("~1", name.replace("~", "~0"))


def name_of(path: str) -> str:
    """Return the name for a path of :class:`Names`, given without its namespace and a companion's word."""
    return re.sub("~[01]?", lambda escape: _ESCAPES[escape[0]], path)
