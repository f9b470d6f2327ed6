"""multitrack's backend for acme."""

from multitrack_acme.backend import AcmeBackend
from multitrack_acme.options import AcmeOptions

__all__ = ["AcmeBackend", "AcmeOptions", "backend"]

#: The object that the entry point names.
backend = AcmeBackend()
