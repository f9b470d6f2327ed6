"""Makes ``docs/hooks.md`` out of the hook specifications: ``python tests/hooks_page.py > docs/hooks.md``."""

import inspect
import re
import sys
from typing import Any

from multitrack import hookspecs

HEAD = """\
# Hooks

A hook is a method of a plugin that multitrack calls. Read this page if you write a backend for a tracker, or a plugin
that adds tags or redacts secrets. It lists every hook with its arguments and the time of its call.

Hooks use pluggy for three reasons: it finds plugins of other distributions by entry point, it checks their signatures
when they are loaded, and a hook can get a new argument without breaking plugins that do not take it. pluggy's own
fan-out is not used, because one plugin that raises would stop the others. Instead, each plugin has its own manager,
and only the typed façade in `multitrack/plugins/facade.py` calls hooks.
"""


def page() -> str:
    parts = [HEAD, _markdown(str(hookspecs.__doc__).split("\n", 2)[2])]
    for name, hook in vars(hookspecs.Hooks).items():
        if not name.startswith("_"):
            parts.append(f"## {name}\n\n```python\n{signature(name, hook)}\n```\n\n{_markdown(hook.__doc__)}")
    structs = (
        hookspecs.RunInfo,
        hookspecs.Opened,
        hookspecs.Alert,
        hookspecs.SourceRun,
        hookspecs.EmbeddedFile,
        hookspecs.Gap,
        hookspecs.Point,
    )
    for struct in structs:
        head, attributes = inspect.cleandoc(str(struct.__doc__)).split("Attributes:\n")
        parts.append(f"## The struct `{struct.__name__}`\n\n{_markdown(head)}\n\n{_items(attributes)}")
    head, attributes = inspect.cleandoc(str(hookspecs.Source.__doc__)).split("Attributes:\n")
    parts.append(f"## The protocol `Source`\n\n{_markdown(head)}\n\n{_items(attributes)}")
    for name in ("runs", "records", "close"):
        method = getattr(hookspecs.Source, name)
        parts.append(f"### Source.{name}\n\n```python\n{signature(name, method)}\n```\n\n{_markdown(method.__doc__)}")
    merge = hookspecs.merge_points
    parts.append(
        "## The function `merge_points`\n\n"
        f"```python\n{signature('merge_points', merge)}\n```\n\n{_markdown(str(merge.__doc__))}"
    )
    return "\n\n".join(part.strip() for part in parts) + "\n"


def signature(name: str, hook: Any) -> str:
    text = str(inspect.signature(hook)).replace("(self, ", "(").replace("(self)", "()").replace("'", "")
    return name + text


def _markdown(doc: str) -> str:
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"``\1``", inspect.cleandoc(doc))
    text = re.sub(r"Args:\n((?:    .*\n)+)", lambda match: _items(match[1]) + "\n", text)
    text = re.sub(r"Returns:\n((?:    .*\n?)+)", lambda match: "Returns: " + inspect.cleandoc(match[1]), text)
    return text.replace("``", "`")


def _items(block: str) -> str:
    """A Google-style section as a list."""
    lines = inspect.cleandoc(block).splitlines()
    items: list[str] = []
    for line in lines:
        if line.startswith(" ") and items:
            items[-1] += " " + line.strip()
        else:
            items.append(re.sub(r"^(\w+): ", r"- ``\1``: ", line))
    return "\n".join(items).replace("``", "`")


if __name__ == "__main__":
    sys.stdout.write(page())
