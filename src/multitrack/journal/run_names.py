"""Make readable random names for runs without a name."""

from __future__ import annotations

import os
from typing import Final

_ADJECTIVES: Final = [
    "amber",
    "brisk",
    "calm",
    "deft",
    "eager",
    "fair",
    "glad",
    "hardy",
    "keen",
    "light",
    "mild",
    "nimble",
    "open",
    "plain",
    "quick",
    "rapid",
    "sharp",
    "still",
    "tidy",
    "vivid",
    "warm",
    "young",
]
_NOUNS: Final = [
    "acorn",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "harbor",
    "island",
    "juniper",
    "knoll",
    "lagoon",
    "meadow",
    "north",
    "orchard",
    "pine",
    "quartz",
    "river",
    "stone",
    "tide",
    "valley",
    "willow",
]


def random_name() -> str:
    """Make a random name such as ``brisk-harbor-417``; neither uses nor changes the training's random state."""
    rest = int.from_bytes(os.urandom(8), "big")
    rest, adjective = divmod(rest, len(_ADJECTIVES))
    rest, noun = divmod(rest, len(_NOUNS))
    return f"{_ADJECTIVES[adjective]}-{_NOUNS[noun]}-{rest % 1000:03}"
