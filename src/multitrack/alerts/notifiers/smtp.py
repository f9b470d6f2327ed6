"""Notify by e-mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from multitrack.alerts.options import check_address, variable
from multitrack.alerts.payload import payload
from multitrack.hookspecs import Alert
from multitrack.markers import hookimpl
from multitrack.security.terminal import excerpt

if TYPE_CHECKING:
    from email.message import EmailMessage


class SmtpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"sender": "from"}):
    """The options of ``[notify.smtp]``.

    Attributes:
        host: The mail server.
        port: Its port; default: that of ``security``.
        security: ``starttls`` (port 587), ``tls`` (465), or ``none`` (25), for a server on this machine.
        sender: The address of the sender; ``from`` in the config.
        to: The addresses of the recipients.
        user: The user to log in as; default: no login.
        password_variable: Name of the environment variable with the password.
        timeout: Maximum seconds of each step.
    """

    host: str
    sender: str
    to: Annotated[list[str], msgspec.Meta(min_length=1)]
    port: Annotated[int, msgspec.Meta(gt=0, lt=65536)] | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str | None = None
    password_variable: str = "SMTP_PASSWORD"  # noqa: S105 - the name of a variable
    timeout: Annotated[float, msgspec.Meta(gt=0, le=60)] = 10.0

    def __post_init__(self) -> None:
        for address in (self.sender, *self.to):
            check_address(address)
        if self.user is not None and self.security == "none":
            raise ValueError('would send the password in the clear: set security = "starttls" or "tls"')


class Smtp:
    """Sends a mail for each change; those of one alert are one thread in a mail program."""

    name = "smtp"

    @hookimpl
    def notifier_options(self) -> type[SmtpOptions]:
        """The options' type."""
        return SmtpOptions

    @hookimpl
    def notify(self, alert: Alert, options: Any) -> None:
        """Send the mail."""
        import smtplib  # noqa: PLC0415 - not needed at the start of a training
        import ssl  # noqa: PLC0415

        message = _message(alert, options)
        port = options.port or {"starttls": 587, "tls": 465, "none": 25}[options.security]
        context = ssl.create_default_context()
        if options.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(options.host, port, timeout=options.timeout, context=context)
        else:
            server = smtplib.SMTP(options.host, port, timeout=options.timeout)
        with server:
            if options.security == "starttls":
                server.starttls(context=context)
            if options.user is not None:
                server.login(options.user, variable(options.password_variable))
            server.send_message(message)


def _message(alert: Alert, options: SmtpOptions) -> EmailMessage:
    from email.message import EmailMessage  # noqa: PLC0415 - as above

    message = EmailMessage()
    message["Subject"] = excerpt(alert.text, 200)
    message["From"] = options.sender
    message["To"] = ", ".join(options.to)
    domain = options.sender.rpartition("@")[2]
    message["Message-ID"] = f"<{alert.id}.{alert.state}@{domain}>"  # a repetition has the same one
    if alert.state == "resolved":
        message["In-Reply-To"] = message["References"] = f"<{alert.id}.firing@{domain}>"
    message.set_content(f"{alert.text}\n\n{msgspec.json.format(payload(alert), indent=2).decode()}\n")
    return message


plugin = Smtp()
