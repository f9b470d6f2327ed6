"""The ``multitrack`` command."""

from multitrack.cli.app import main

__all__ = ["main"]
