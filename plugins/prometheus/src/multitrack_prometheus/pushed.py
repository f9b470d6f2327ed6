"""The mode ``push``: the values of a run at a Pushgateway, from the run's end until Prometheus had time to see them."""

from __future__ import annotations

import time
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError

from multitrack.errors import BackendError, DeniedError, PermanentError, RetryableError
from multitrack_prometheus.exposition import families, registry_of
from multitrack_prometheus.values import RunValues

#: The label ``job`` of all pushed runs. Each run is a group of its own.
JOB: Final = "multitrack"
_TIMEOUT: Final = 10.0


class Pushed:
    """Pushes ended runs to one Pushgateway.

    A group is deleted by the same call that pushed it. If its process is killed in between, the run is not yet closed:
    the next courier pushes the same group again, and deletes it.

    Args:
        url: The gateway's URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def show(self, values: RunValues) -> list[str]:  # noqa: ARG002 - of the protocol
        """Do nothing: a Pushgateway would show the values of a killed run for ever."""
        return []

    def close(self, values: RunValues) -> list[str]:
        """Push a run's group, wait until Prometheus had time to scrape it, and delete it.

        Raises:
            BackendError: The gateway cannot be reached, or refuses the group.
        """
        from prometheus_client import delete_from_gateway, push_to_gateway  # noqa: PLC0415 - only in the courier

        group = dict(zip(("run", "journal"), values.identity, strict=True))
        registry = registry_of(lambda: families([values]))
        try:
            push_to_gateway(self.url, JOB, registry, grouping_key=group, timeout=_TIMEOUT)
            time.sleep(values.run.options.hold)
            delete_from_gateway(self.url, JOB, grouping_key=group, timeout=_TIMEOUT)
        except (OSError, HTTPException) as error:
            raise _error(self.url, error) from error
        return []

    def stop(self) -> None:
        """Do nothing."""


def _error(url: str, error: Exception) -> BackendError:
    if not isinstance(error, HTTPError):
        return RetryableError(f"cannot reach the Pushgateway {url}: {error}")
    with error:
        text = error.read(500).decode("utf-8", "replace").strip()
    message = f"the Pushgateway {url} answered {error.code}: {text or error.reason}"
    if error.code in (401, 403):
        return DeniedError(message)
    return RetryableError(message) if error.code >= 500 or error.code in (408, 429) else PermanentError(message)
