"""The address of an online project: ``wandb://ENTITY/PROJECT``, or the URL of its page."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from multitrack.errors import SourceError
from multitrack.security.secrets import without_credentials
from multitrack_wandb.options import SAAS, default_base_url, from_settings_file

#: Hosts of pages of W&B's own service, and of dedicated servers that W&B runs.
_SAAS_PAGES: Final = re.compile(r"(?:www\.|app\.|api\.)?wandb\.ai|(?:api\.)?forge\.coreweave\.com")
_DEDICATED: Final = re.compile(r"[\w-]+(?:\.[\w-]+)*\.wandb\.(?:io|ai)")


class ProjectAddress(NamedTuple):
    """Where a project is.

    Attributes:
        base_url: URL of the server's API; None for the SDK's default.
        entity: The user or team.
        project: The project.
        run: The id of the only run to read; None for all.
    """

    base_url: str | None
    entity: str
    project: str
    run: str | None = None

    @property
    def path(self) -> str:
        """The project as W&B writes it: ``ENTITY/PROJECT``."""
        return f"{self.entity}/{self.project}"

    def __str__(self) -> str:
        """The address without credentials."""
        place = self.path if self.run is None else f"{self.path}/runs/{self.run}"
        return f"wandb://{place}" if self.base_url in (None, SAAS) else f"{without_credentials(self.base_url)}/{place}"


def parse_address(address: str, *, is_named: bool) -> ProjectAddress | None:
    """Parse the address of a project, or of a run in it; None if it is not W&B's.

    Args:
        address: ``wandb://ENTITY/PROJECT``, at the configured server, or the URL of a page: ``https://HOST/ENTITY/PROJECT``.
        is_named: True if the user said that it is W&B's. Otherwise, only hosts that are known to be W&B's are.

    Raises:
        SourceError: If it is W&B's, and names no project.
    """
    parts = urlsplit(address)
    configured = default_base_url() or from_settings_file().get("base_url")
    if parts.scheme == "wandb":
        base_url, names = configured, [parts.netloc, *parts.path.split("/")]
    elif parts.scheme in ("http", "https") and parts.hostname:
        base_url = _api_url(address, configured, is_named=is_named)
        if base_url is None:
            return None
        names = parts.path.split("/")
    else:
        return None
    names = [unquote(name) for name in names if name]
    if parts.hostname and parts.hostname.endswith("forge.coreweave.com") and names[:1] == ["wandb"]:
        del names[0]
    if len(names) < 2:
        raise SourceError(
            f"{without_credentials(address)} names no project of W&B: wandb://ENTITY/PROJECT, or the URL of its page"
        )
    run = names[3] if names[2:3] == ["runs"] and len(names) > 3 else None
    return ProjectAddress(base_url, names[0], names[1], run)


def _api_url(address: str, configured: str | None, *, is_named: bool) -> str | None:
    """Return the URL of the API of a page's server; None if the host is not known to be W&B's."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    place = host if parts.port is None else f"{host}:{parts.port}"
    if _SAAS_PAGES.fullmatch(host):
        return SAAS
    # A server whose API is at api.HOST has its pages at app.HOST; any other has both at one host.
    if configured is not None and place in {urlsplit(_page_url(configured)).netloc, urlsplit(configured).netloc}:
        return configured
    if not is_named and not _DEDICATED.fullmatch(host):
        return None
    return f"{parts.scheme}://" + re.sub(r"^app\.", "api.", place)


def _page_url(base_url: str) -> str:
    return base_url.replace("://api.", "://app.", 1)
