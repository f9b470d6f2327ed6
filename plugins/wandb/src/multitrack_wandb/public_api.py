"""W&B's public API, with the SDK that is installed: limited retries, and errors that name what was read."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from multitrack.errors import SourceError
from multitrack.security.terminal import excerpt, safe
from multitrack_wandb import held, sdk
from multitrack_wandb.errors import CREDENTIAL, is_denied, plain
from multitrack_wandb.internals import helper, isolation, lookup, paging
from multitrack_wandb.options import has_credentials, key_for, server_url

if TYPE_CHECKING:
    import wandb

#: Seconds for an answer with all retries. The SDK's helper process would go on for a quarter of an hour.
TIMEOUT: Final = 60
RETRIES: Final = {"x_graphql_retry_max": 4, "x_graphql_retry_wait_min_seconds": 1.0}
_LONGEST_CAUSE: Final = 300
_END: Final = object()


class PublicApi:
    """The public API of one server.

    It does not read the variables and settings files that change runs, and changes no settings of the process.

    Args:
        base_url: URL of the server; None for the SDK's default.

    Raises:
        SourceError: If there are no credentials, or the server cannot be reached or refuses them.
    """

    def __init__(self, base_url: str | None) -> None:
        self.server = server_url(base_url)
        if not has_credentials(base_url):
            host = "" if base_url is None else f" --host {self.server}"
            raise SourceError(f"no W&B credentials for {self.server}: run `wandb login{host}`, or set WANDB_API_KEY")
        module = sdk.imported()
        self._library = isolation.prepare(module, base_url, "")
        if self._library is not None:
            limits = helper.known_settings(module, RETRIES)
            self._library.settings = self._library.settings.model_copy(update=limits)
        given: dict[str, Any] = {"timeout": TIMEOUT}
        if base_url is not None:
            given["overrides"] = {"base_url": base_url}
        if key := key_for(base_url):
            given["api_key"] = key  # else the SDK might ask for it
        if lookup.find(lookup.LONG_LOGIN) is not None:
            self.ask(f"{self.server} cannot be read", held.check_there, base_url)
        self.api: wandb.Api = self.ask(f"{self.server} cannot be read", module.Api, **given)

    def ask(self, failure: str, call: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Call the API.

        Args:
            failure: The beginning of an error's message: what cannot be read.
            call: What to call.
            arguments: Its arguments.
            more: Its keyword arguments, of which those are left out that the installed release does not know.

        Raises:
            SourceError: If it fails.
        """
        known = inspect.signature(call).parameters if more else {}
        try:
            with isolation.apart(self._library), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # some releases warn of their own code
                return call(*arguments, **{key: value for key, value in more.items() if key in known})
        except Exception as error:
            cause = excerpt(safe(plain(error).strip()), _LONGEST_CAUSE) or type(error).__name__
            hint = f"; {CREDENTIAL}" if is_denied(error) else ""
            raise SourceError(f"{failure}: {cause}{hint}") from error

    def pages(self, failure: str, call: Callable[..., Any], *arguments: Any, **more: Any) -> Iterator[Any]:
        """Yield the items of a paginator that a call returns; those before the current one are freed."""
        pages = iter(self.ask(failure, call, *arguments, **more))
        while (item := self.ask(failure, next, pages, _END)) is not _END:
            paging.forget(pages)
            yield item
