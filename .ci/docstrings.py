"""Extension of griffe, which reads the docstrings for the site: habits of ours that it does not know.

A role such as ``:class:`~multitrack.run.Run``` becomes a link where the site has that object, else it is code. The
``::`` that announces a literal block goes. The comment ``#: …`` before an attribute becomes its docstring.
"""

import re
from typing import Any

import griffe

LITERAL = re.compile(r"^ *::$|(?<=:):$", re.MULTILINE)
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data|exc|obj):`(~?)([\w.]+)`")


class Docstrings(griffe.Extension):
    """Rewrites docstrings as they are read."""

    def on_instance(self, *, obj: griffe.Object, agent: griffe.Visitor, **_: Any) -> None:
        """Take an attribute's comment for its docstring; turn roles into links."""
        if obj.is_attribute and obj.docstring is None and (text := _comment(obj, agent.code)):
            obj.docstring = griffe.Docstring(text, parent=obj)
        if obj.docstring:
            obj.docstring.value = ROLE.sub(_link, LITERAL.sub("", obj.docstring.value))


def _comment(attribute: griffe.Object, code: str) -> str:
    """The lines that begin with ``#:`` right before an attribute."""
    found: list[str] = []
    for line in reversed(code.splitlines()[: (attribute.lineno or 1) - 1]):
        if not line.strip().startswith("#:"):
            break
        found.insert(0, line.strip()[2:].strip())
    return "\n".join(found)


def _link(role: re.Match[str]) -> str:
    """A reference that is no mistake where the object is not public, and so not on the site."""
    name = role[2].rpartition(".")[2] if role[1] else role[2]
    return f'<autoref identifier="{role[2]}" optional><code>{name}</code></autoref>'
