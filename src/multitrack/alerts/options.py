"""Check the options of notifiers, and read the environment variables that they name."""

from __future__ import annotations

import os
import re
import urllib.parse
from typing import Final

_ADDRESS: Final = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+")


def check_url(url: str) -> None:
    """Check the form of a URL.

    Raises:
        ValueError: If it is no http or https URL with a host.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("url is not of the form https://host/path")


def variable(name: str) -> str:
    """The value of an environment variable that the config names.

    Raises:
        RuntimeError: If it is not set.
    """
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f"the environment variable {name} is not set")
    return value


def check_address(address: str) -> None:
    """Check the form of a mail address.

    Raises:
        ValueError: If it is not of the form ``name@host``.
    """
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"{address!r} is not an address, such as name@example.org")
