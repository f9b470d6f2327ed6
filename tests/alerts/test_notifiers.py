"""The notifiers, each with a real server or program; retries; and names that come from anybody."""

import email
import json
import sys
import time
from email import policy
from pathlib import Path
from typing import Any

import msgspec
import pytest

import multitrack
from alert_servers import certificate, http_server, mail_server
from alerting import BEGIN, WrittenRun, plan, told
from multitrack import ConfigError, plugins
from multitrack.alerts import sending
from multitrack.alerts.monitor import Monitor
from multitrack.alerts.state import State, read_state
from processes import free_ports
from three_runs import EVIL


def raised(tmp_path: Path, name: str, said: list[str] | None = None, *, group: str = "eu", **options: Any) -> Monitor:
    """A monitor that has told one notifier that an alert fires."""
    if not (tmp_path / "runs").exists():
        run = WrittenRun(tmp_path, "a", deployment=group)
        run.log(1, score=0.5)
    planned = plan({"when": "score < 0.9 by deployment", "name": "too low"}, **{name: options})
    monitor = Monitor(
        tmp_path, msgspec.structs.replace(planned, start=BEGIN), (said if said is not None else []).append
    )
    assert monitor.look()
    return monitor


def resolve(tmp_path: Path, monitor: Monitor) -> None:
    """Resume the run, whose process is dead, with a value that resolves the alert."""
    from multitrack.journal.encoding import encode
    from multitrack.records import Metric, Segment

    now = time.time_ns() // 1_000_000
    records = (Segment(time=now, segment=2, pid=1, host="h"), Metric(time=now, values={"score": 1.0}))
    (tmp_path / "runs" / "a" / "000002.jsonl").write_bytes(b"".join(map(encode, records)))
    assert monitor.look(last=True)


def test_log_writes_a_line_and_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    monitor = raised(tmp_path, "log", file=str(tmp_path / "alerts.log"))
    resolve(tmp_path, monitor)
    first, second = (tmp_path / "alerts.log").read_text().splitlines()
    assert first.startswith(
        "FIRING: too low (score < 0.9 by deployment): tags.deployment = eu, run name of a (a), value 0.5, at "
    )
    assert second.startswith("resolved: too low")
    assert ", was firing since 20" in second
    assert caplog.messages == [f"multitrack: alert: {first}", f"multitrack: alert: {second}"]
    assert (tmp_path / "alerts.log").stat().st_mode & 0o777 == 0o600


def test_a_command_gets_the_alert_as_json(tmp_path: Path) -> None:
    program = tmp_path / "page.sh"
    program.write_text('#!/bin/sh\ncat > "$1"\n')
    program.chmod(0o755)
    raised(tmp_path, "command", program=str(program), arguments=[str(tmp_path / "got.json")])
    got = json.loads((tmp_path / "got.json").read_text())
    assert {key: got[key] for key in ("state", "name", "rule", "by", "group", "value", "run", "run_name")} == {
        "state": "firing", "name": "too low", "rule": "score < 0.9 by deployment", "by": "tags.deployment",
        "group": "eu", "value": 0.5, "run": "a", "run_name": "name of a",
    }  # fmt: skip
    assert got["since"] == got["time"] == BEGIN + 60_000


def test_a_command_that_fails_or_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "page.sh"
    program.write_text("#!/bin/sh\necho no modem >&2\nexit 3\n")
    program.chmod(0o755)
    said: list[str] = []
    raised(tmp_path, "command", said, program=str(program)).lock.release()
    assert said == [f"alerts: notifier command failed and will be tried again: {program} ended with status 3: no modem"]
    program.write_text('#!/bin/sh\n(sleep 1; touch "$0.late") &\ntouch "$0.begun"\nsleep 60\n')
    began = time.monotonic()
    raised(tmp_path, "command", said, program=str(program), timeout=0.3)
    assert time.monotonic() - began < 10
    assert [one.tries for one in (read_state(tmp_path) or State(0)).unsent] == [2]
    time.sleep(1.2)
    assert (tmp_path / "page.sh.begun").exists()
    assert not (tmp_path / "page.sh.late").exists()  # nor does what it has started go on


def test_a_webhook_gets_the_alert_with_a_token_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "hunter2hunter2")
    with http_server() as posted:
        monitor = raised(tmp_path, "webhook", url=f"{posted.url}/hook?x=1", token_variable="HOOK_TOKEN")  # noqa: S106 - a variable's name
        resolve(tmp_path, monitor)
    (path, headers, first), (_, later, second) = posted.requests
    assert (path, headers["Authorization"]) == ("/hook?x=1", "Bearer hunter2hunter2")
    assert (first["state"], first["value"], second["state"], second["value"]) == ("firing", 0.5, "resolved", 1.0)
    assert first["id"] == second["id"]
    assert [headers["Idempotency-Key"], later["Idempotency-Key"]] == [
        f"{first['id']}-firing",
        f"{first['id']}-resolved",
    ]
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"hunter2" not in kept


def test_a_webhook_follows_no_redirect_and_names_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with http_server() as elsewhere, http_server() as posted:
        monkeypatch.setenv("HOOK", f"{posted.url}/secret-path")
        posted.answers, posted.location = [302], elsewhere.url
        said: list[str] = []
        raised(tmp_path, "webhook", said, url_variable="HOOK")
        assert elsewhere.requests == []
    assert said == ["alerts: notifier webhook failed and will be tried again: 127.0.0.1 answered 302"]


def test_slack_gets_a_text_without_mentions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with http_server() as posted:
        monkeypatch.setenv("SLACK_WEBHOOK_URL", f"{posted.url}/services/T0")
        raised(tmp_path, "slack", group=f"<!channel> & {EVIL}")
    ((path, _, body),) = posted.requests
    assert (path, list(body)) == ("/services/T0", ["text"])
    assert body["text"].startswith(":rotating_light: FIRING: too low (score &lt; 0.9 by deployment)")
    assert "&lt;!channel&gt; &amp; " in body["text"]
    assert not set(body["text"]) & set("<>\x1b\x07\r\n\u202e")


def test_a_mail(tmp_path: Path) -> None:
    with mail_server() as mailbox:
        options = {"host": "127.0.0.1", "port": mailbox.port, "security": "none", "from": "m@example.org"}
        monitor = raised(tmp_path, "smtp", group=EVIL, to=["a@example.org", "b@example.org"], **options)
        resolve(tmp_path, monitor)
    (sender, recipients, text), (_, _, later) = mailbox.mails
    assert (sender, recipients) == ("m@example.org", ["a@example.org", "b@example.org"])
    first, second = (email.message_from_string(one, policy=policy.default) for one in (text, later))
    assert first["Subject"].startswith("FIRING: too low (score < 0.9 by deployment)")
    assert first["Message-ID"] == second["In-Reply-To"]
    sent = first.get_content()
    assert json.loads(sent[sent.index("{") :])["group"] == EVIL
    assert {"\x1b", "\x07"}.isdisjoint(first["Subject"] + sent)


def test_a_mail_with_tls_and_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, public = certificate(tmp_path)
    monkeypatch.setenv("SMTP_PASSWORD", "hunter2hunter2")
    with mail_server(context) as mailbox:
        options = {
            "host": "127.0.0.1",
            "port": mailbox.port,
            "from": "m@example.org",
            "to": ["a@example.org"],
            "user": "me",
        }
        said: list[str] = []
        raised(tmp_path, "smtp", said, **options).lock.release()
        assert "certificate verify failed" in said[0]  # nobody has said that this server is the right one
        assert mailbox.logins == []
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
        raised(tmp_path, "smtp", said, **options)
    assert mailbox.logins == ["me:hunter2hunter2"]
    assert len(mailbox.mails) == 1


def test_a_mail_is_not_sent_in_the_clear_unless_the_config_says_so(tmp_path: Path) -> None:
    with mail_server() as mailbox:
        said: list[str] = []
        raised(tmp_path, "smtp", said, host="127.0.0.1", port=mailbox.port, **{"from": "m@x.org"}, to=["a@x.org"])
    assert "STARTTLS" in said[0]
    assert mailbox.mails == []


def test_a_notifier_that_fails_is_tried_again_in_order_and_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(sending, "FIRST_PAUSE", 0.0)
    with told() as notifier:
        notifier.refuses = sending.TRIES + 1
        monitor = raised(tmp_path, "told", said)
        resolve(tmp_path, monitor)  # the second try of the first, before which the other waits
        assert [(one.firing, one.tries) for one in (read_state(tmp_path) or State(0)).unsent] == [(True, 2), (False, 0)]
        for _ in range(5):
            assert monitor.look()
        assert [alert.state for alert in notifier.alerts] == ["resolved"]
    assert said == [
        "alerts: notifier told failed and will be tried again: not now",
        "alerts: notifier told failed 5 times, the message is dropped: not now",
        "alerts: notifier told failed and will be tried again: not now",
    ]


def test_a_server_that_is_gone_holds_up_no_other_notifier(tmp_path: Path) -> None:
    said: list[str] = []
    with told() as notifier:
        WrittenRun(tmp_path, "a").log(1, x=float("nan"))
        planned = plan("nan", webhook={"url": f"http://127.0.0.1:{free_ports(1)[0]}"}, told={})
        monitor = Monitor(tmp_path, msgspec.structs.replace(planned, start=BEGIN), said.append)
        assert monitor.look()
        assert [alert.state for alert in notifier.alerts] == ["firing", "resolved"]
    assert said == [
        "alerts: notifier webhook failed and will be tried again: 127.0.0.1 cannot be reached: [Errno 111] Connection refused"
    ]
    (waiting,) = {one.notifier for one in (read_state(tmp_path) or State(0)).unsent}
    assert waiting == "webhook"


def test_notify_and_notifier_options_of_a_plugin_named_by_its_import_path(tmp_path: Path) -> None:
    """The hooks ``notify`` and ``notifier_options``."""
    (tmp_path / "pager.py").write_text(
        "import msgspec, multitrack\n"
        "class Options(msgspec.Struct):\n    to: str\n    key_variable: str = 'PAGER_KEY'\n"
        "class Pager:\n    got = []\n"
        "    @multitrack.hookimpl\n    def notifier_options(self): return Options\n"
        "    @multitrack.hookimpl\n    def notify(self, alert, options): self.got.append((alert.state, options.to))\n"
        "plugin = Pager()\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        planned = plan("score < 0.9", oncall={"plugin": "pager:plugin", "to": "me"})
        assert planned.variables == ["PAGER_KEY"]
        raised(tmp_path, "oncall", plugin="pager:plugin", to="you")
        assert sys.modules["pager"].Pager.got == [("firing", "you")]
    finally:
        sys.path.remove(str(tmp_path))
        del sys.modules["pager"]


def test_a_plugin_that_is_no_notifier_is_refused() -> None:
    class Redacts:
        @multitrack.hookimpl
        def redact(self, text: str, name: str) -> str:
            return text

    plugins.register(Redacts(), "redacts")
    try:
        with pytest.raises(ConfigError, match=r"\[notify.redacts\]: .* is not a notifier: it has no notify hook"):
            plan("nan", redacts={})
    finally:
        plugins.unregister("redacts")
