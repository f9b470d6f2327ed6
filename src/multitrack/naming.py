"""Readable random names for runs that were given none."""

from __future__ import annotations

import random
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
    """Such as ``brisk-harbor-417``; training's random seed neither decides it nor is moved by it."""
    source = random.SystemRandom()
    return f"{source.choice(_ADJECTIVES)}-{source.choice(_NOUNS)}-{source.randrange(1000):03}"
