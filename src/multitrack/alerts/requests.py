"""Send an alert to a server of the config by HTTP."""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Final

#: Maximum bytes of an answer that are read.
_ANSWER: Final = 1 << 16


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: a token of the config is for the server that the config names."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


def post(url: str, body: bytes, timeout: float, headers: dict[str, str] | None = None) -> None:
    """Post JSON.

    Raises:
        RuntimeError: If the server cannot be reached, or its answer is no success; the message does not have the URL,
            whose path may be a secret.
    """
    request = urllib.request.Request(url, body, {  # noqa: S310 - checked by options.check_url
        "Content-Type": "application/json", "User-Agent": "multitrack", **(headers or {}),
    })  # fmt: skip
    host = urllib.parse.urlsplit(url).hostname
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=timeout) as answer:
            answer.read(_ANSWER)
    except urllib.error.HTTPError as error:
        with error:
            raise RuntimeError(f"{host} answered {error.code}") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise RuntimeError(f"{host} cannot be reached: {reason}") from None
