"""Notify a server by an HTTP request with the alert as JSON."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from multitrack.alerts.options import check_url, variable
from multitrack.alerts.payload import payload
from multitrack.hookspecs import Alert
from multitrack.markers import hookimpl


class WebhookOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options of ``[notify.webhook]``.

    Attributes:
        url: Where to post.
        url_variable: Name of the environment variable with the URL, if it is a secret; instead of ``url``.
        token_variable: Name of the environment variable with a token, sent as ``Authorization: Bearer``.
        timeout: Maximum seconds of a request.
    """

    url: str | None = None
    url_variable: str | None = None
    token_variable: str | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0

    def __post_init__(self) -> None:
        if (self.url is None) == (self.url_variable is None):
            raise ValueError("needs url or url_variable, one of them")
        if self.url is not None:
            check_url(self.url)


class Webhook:
    """Posts each change."""

    name = "webhook"

    @hookimpl
    def notifier_options(self) -> type[WebhookOptions]:
        """The options' type."""
        return WebhookOptions

    @hookimpl
    def notify(self, alert: Alert, options: Any) -> None:
        """Post the alert."""
        from multitrack.alerts.requests import post  # noqa: PLC0415 - 30 ms that the start of a training does not need

        url = options.url or variable(options.url_variable)
        token = {} if options.token_variable is None else {
            "Authorization": f"Bearer {variable(options.token_variable)}"
        }  # fmt: skip
        check_url(url)
        post(url, payload(alert), options.timeout, {"Idempotency-Key": f"{alert.id}-{alert.state}", **token})


plugin = Webhook()
