"""The exceptions of W&B's SDK by name, for code that catches them."""

from __future__ import annotations

from multitrack.errors import MultitrackError

__all__ = ["AuthenticationError", "CommError", "Error", "UnsupportedError", "UsageError"]


class Error(MultitrackError):
    """Base class of the exceptions of this module."""


class UsageError(Error):
    """A call at the wrong time, such as after the end of the run."""


class CommError(Error):
    """Never raised: nothing is sent."""


class AuthenticationError(CommError):
    """Never raised: nobody logs in."""


class UnsupportedError(Error):
    """Never raised."""
