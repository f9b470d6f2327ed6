"""The time limits of courier processes."""

from __future__ import annotations

from typing import Final

#: Maximum seconds for the SDKs' exit hooks, and for steps in progress when another courier takes over.
EXIT_LIMIT: Final = 10.0
#: Maximum seconds for caching the summaries and curves of ended runs.
CACHE_LIMIT: Final = 30.0
#: Maximum seconds for reading the last orders of a dead training process, if the stream does not close.
LISTEN_LIMIT: Final = 2.0
#: Maximum seconds that a courier goes on after its training process died.
DEAD_LIMIT: Final = 300.0
