r"""Names of metrics, params and the like as paths of Neptune's fields, without collisions and without loss.

In Neptune a path is a field or a namespace, never both, and empty parts vanish (``a//b`` is ``a/b``). Almost every
name is its own path. In the others, ``~`` escapes:

====================  ===========================================================================================
in a path             stands for
====================  ===========================================================================================
``~0``                a ``~`` of the name
``~1``                a ``/`` of the name beside another one, at its start or at its end
``~`` ending a part   nothing: the part without it is a namespace where this is a field, or the other way round
``~word`` at the end  a companion: a field that says more about the one before the ``~``
====================  ===========================================================================================
"""

from __future__ import annotations

import re

_ODD_SLASH = re.compile(r"(?<![^/])/|/(?![^/])")
_ESCAPES = {"~0": "~", "~1": "/", "~": ""}


class Names:
    """The paths of one namespace's names.

    Where one name is the beginning of another (``val`` and ``val/loss``), the one that came first has the plain
    path. So the names must come in the journal's order; what is decided then stays.

    Args:
        namespace: Path that all of them begin with.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        self._is_field: dict[str, bool] = {}  # by path without the last part's mark
        self._paths: dict[str, str] = {}

    def path(self, name: str) -> str:
        """The field that ``name`` has in Neptune."""
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
    """``name`` with everything that a path would lose escaped; different names stay different."""
    return _ODD_SLASH.sub("~1", name.replace("~", "~0"))


def name_of(path: str) -> str:
    """The name behind a path that :class:`Names` made, without its namespace and without a companion's word."""
    return re.sub("~[01]?", lambda escape: _ESCAPES[escape[0]], path)
