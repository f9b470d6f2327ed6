"""Notify by a message in the JSON of Slack's incoming webhooks, which Mattermost, Discord and others take as well."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from multitrack.alerts.options import check_url, variable
from multitrack.hookspecs import Alert
from multitrack.markers import hookimpl


class SlackOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options of ``[notify.slack]``.

    Attributes:
        url_variable: Name of the environment variable with the webhook's URL, which is a secret.
        timeout: Maximum seconds of a request.
    """

    url_variable: str = "SLACK_WEBHOOK_URL"
    timeout: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0


class Slack:
    """Posts a message for each change."""

    name = "slack"

    @hookimpl
    def notifier_options(self) -> type[SlackOptions]:
        """The options' type."""
        return SlackOptions

    @hookimpl
    def notify(self, alert: Alert, options: Any) -> None:
        """Post the message."""
        from multitrack.alerts.requests import post  # noqa: PLC0415 - 30 ms that the start of a training does not need

        url = variable(options.url_variable)
        check_url(url)
        # Slack reads <…> as links and mentions, <!channel> among them: names from a journal must not be any.
        text = alert.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        mark = ":rotating_light:" if alert.state == "firing" else ":white_check_mark:"
        post(url, msgspec.json.encode({"text": f"{mark} {text}"}), options.timeout)


plugin = Slack()
