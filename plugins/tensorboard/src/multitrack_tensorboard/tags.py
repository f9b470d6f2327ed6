"""Convert names to TensorBoard's tags and back.

A series or list metric has its own name as its tag. The tags below a few prefixes are used for everything else, so a
series whose name begins like one of them gets a ``~`` in front; so does a name of that form.
"""

from __future__ import annotations

import re
from typing import Final

#: Prefix of simple metrics.
SUMMARY: Final = "summary/"
#: Prefix of figures.
FIGURES: Final = "figures/"
#: Prefix of texts.
OWN: Final = "multitrack/"
#: Prefix of the exact text of numbers that TensorBoard cannot draw.
EXACT: Final = f"{OWN}exact/"

RUN: Final = f"{OWN}run"
END: Final = f"{OWN}end"
PARAMS: Final = f"{OWN}params"
WHOLE: Final = f"{OWN}whole params"
TAGS: Final = f"{OWN}tags"
ARTIFACTS: Final = f"{OWN}artifacts"
LINES: Final = f"{OWN}lines/"

# `_hparams_/` is the HParams plugin's own.
_RESERVED: Final = re.compile("~*(?:summary/|figures/|multitrack/|_hparams_/)")


def series_tag(name: str) -> str:
    """Return the tag of a series or list metric."""
    return f"~{name}" if _RESERVED.match(name) else name


def name_of(tag: str) -> str | None:
    """Return the name of the series, list or simple metric that a tag shows; None for any other tag."""
    if tag.startswith(SUMMARY):
        return tag.removeprefix(SUMMARY)
    if tag.startswith("~") and _RESERVED.match(tag):
        return tag[1:]
    return None if _RESERVED.match(tag) else tag
