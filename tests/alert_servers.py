"""Servers of this machine that alerts are sent to: HTTP, and mail with or without TLS."""

from __future__ import annotations

import base64
import datetime
import http.server
import ipaddress
import json
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar


class Posted:
    """An HTTP server that notes what is posted.

    Attributes:
        requests: The path, the headers and the JSON of each request.
        answers: The status of the next answers; afterwards 200.
        location: Where a redirect leads to.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], Any]] = []
        self.answers: list[int] = []
        self.location = ""
        self.url = ""


@contextmanager
def http_server() -> Iterator[Posted]:
    posted = Posted()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.requests.append((self.path, dict(self.headers), json.loads(body)))
            self.send_response(posted.answers.pop(0) if posted.answers else 200)
            self.send_header("Location", posted.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with _serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        posted.url = f"http://127.0.0.1:{port}"
        yield posted


class Mailbox:
    """A mail server.

    Attributes:
        mails: The sender, the recipients and the text of each mail.
        logins: Who logged in, as ``user:password``.
    """

    def __init__(self) -> None:
        self.mails: list[tuple[str, list[str], str]] = []
        self.logins: list[str] = []
        self.port = 0


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None) -> Iterator[Mailbox]:
    """Serve mail; with a context, STARTTLS is offered, and a login after it."""
    mailbox = Mailbox()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

        def handle(self) -> None:
            self.say("220 ready")
            secure, sender, recipients = False, "", list[str]()
            while line := self.rfile.readline().decode().strip():
                word = line.partition(" ")[0].upper()
                if word == "EHLO":
                    offers = ["here", *(["AUTH PLAIN"] if secure else ["STARTTLS"] if tls else [])]
                    for number, offer in enumerate(offers, 1):
                        self.say(f"250{' ' if number == len(offers) else '-'}{offer}")
                elif word == "STARTTLS" and tls is not None:
                    self.say("220 go ahead")
                    try:
                        self.connection = tls.wrap_socket(self.connection, server_side=True)
                    except OSError:  # the client does not trust this server
                        return
                    self.server.secured.append(self.connection)
                    self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
                    secure = True
                elif word == "AUTH":
                    mailbox.logins.append(base64.b64decode(line.split()[2]).decode().strip("\0").replace("\0", ":"))
                    self.say("235 welcome")
                elif word == "MAIL":
                    sender, recipients = line.partition("<")[2].partition(">")[0], []
                    self.say("250 ok")
                elif word == "RCPT":
                    recipients.append(line.partition("<")[2].partition(">")[0])
                    self.say("250 ok")
                elif word == "DATA":
                    self.say("354 go ahead")
                    text = ""
                    while (part := self.rfile.readline().decode()) != ".\r\n":
                        text += part
                    mailbox.mails.append((sender, recipients, text))
                    self.say("250 ok")
                elif word == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("502 what?")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        secured: ClassVar[list[ssl.SSLSocket]] = []

    with _serving(Server(("127.0.0.1", 0), Handler)) as port:
        mailbox.port = port
        yield mailbox
    for connection in Server.secured:
        connection.close()


@contextmanager
def _serving(server: socketserver.TCPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for 127.0.0.1, and the file that makes a client trust it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public
