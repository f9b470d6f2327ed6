"""Alerts in the config: errors that name the file, the table and the key; and what the start of a run does with them."""

from pathlib import Path
from typing import Any

import pytest

import multitrack
from alerting import plan
from multitrack import ConfigError
from multitrack.alerts.configured import plan_alerts
from multitrack.config import load_config
from multitrack.errors import RuleError
from multitrack.recording.backends import choose


def of(text: str) -> Any:
    Path("multitrack.toml").write_text(text)
    return plan_alerts(load_config())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[alerts]]\nwhne = "nan"', r"\[\[alerts\]\] 1 whne: there is no key 'whne'; did you mean 'when'\?"),
        ('[[alerts]]\nname = "x"', r"\[\[alerts\]\] 1 when: an alert needs a rule: when = \"nan loss\""),
        ('[[alerts]]\nwhen = 3', r"invalid value for \[\[alerts\]\] 1 when: 3 \(expected `str`"),
        ('alerts = ["nan"]', r'alerts: alerts are tables in the config file, each with a rule: \[\[alerts\]\] when'),
        ('[alerts]\nwhen = "nan"', r"alerts: alerts are tables"),
        ('[[alerts]]\nwhen = "nan"\n[[alerts]]\nwhen = "los >"',
         r"\[\[alerts\]\] 2 when: expected a number\n  los >\n       \^"),
        ('[[alerts]]\nwhen = "nan"\nwhere = "status = failed"',
         r"\[\[alerts\]\] 1 where: runs of an alert cannot be selected by status; there are run, name"),
        ('[[alerts]]\nwhen = "nan"\nwhere = "tags.a ="', r"\[\[alerts\]\] 1 where: expected a value"),
        ('[[alerts]]\nwhen = "nan"\n[[alerts]]\nwhen = "nan"\nname = "x"', r"\[\[alerts\]\] 2 is the same rule as \[\[alerts\]\] 1"),
        ('[[alerts]]\nwhen = "nan"\nnotify = ["slak"]', r"\[notify.slak\]: unknown notifier 'slak'; did you mean 'slack'\?"),
        ('[[alerts]]\nwhen = "nan"\nnotify = ["mlflow"]', r"\[notify.mlflow\]: .* is not a notifier"),
        ('[[alerts]]\nwhen = "nan"\n[notify.webhook]', r"\[notify.webhook\] needs url or url_variable, one of them"),
        ('[[alerts]]\nwhen = "nan"\n[notify.webhook]\nurl = "ftp://x"', r"\[notify.webhook\] url is not of the form"),
        ('[[alerts]]\nwhen = "nan"\n[notify.webhook]\nurl = "http://x"\ntoken = "t"',
         r"\[notify.webhook\] has no option 'token'; did you mean 'token_variable'\?"),
        ('[[alerts]]\nwhen = "nan"\n[notify.command]', r"\[notify.command\] Object missing required field `program`"),
        ('[[alerts]]\nwhen = "nan"\n[notify.smtp]\nhost = "h"\nfrom = "a@b"\nto = ["c@d"]\nsecurity = "none"\nuser = "u"',
         r"\[notify.smtp\] would send the password in the clear: set security"),
        ('[[alerts]]\nwhen = "nan"\n[notify.smtp]\nhost = "h"\nfrom = "a@b"\nto = ["c@d\\nBcc: e@f"]',
         r"\[notify.smtp\] 'c@d\\nBcc: e@f' is not an address"),
        ('[[alerts]]\nwhen = "nan"\n[notify.smtp]\nport = "x"', r"invalid value for \[notify.smtp\] port: 'x'"),
        ('[[alerts]]\nwhen = "nan"\n[notify.x]\nplugin = 3', r'\[notify.x\] plugin: expected a name, such as "webhook"'),
        ('notify = ["slack"]', r"notify: notifiers are tables, such as \[notify.webhook\]"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"{tmp_path}/multitrack.toml: {message}"):
        of(text)


def test_a_variable_cannot_hold_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTITRACK_ALERTS", "nan")
    with pytest.raises(ConfigError, match="environment variable MULTITRACK_ALERTS: alerts: alerts are tables"):
        load_config()


def test_notifiers_of_a_rule_are_those_it_names_or_all_or_the_log(tmp_path: Path) -> None:
    assert [rule.notify for rule in plan("nan").rules] == [["log"]]
    found = of(
        '[[alerts]]\nwhen = "nan"\n[[alerts]]\nwhen = "x > 1"\nnotify = ["log", "b"]\n'
        '[notify.b]\nplugin = "slack"\nurl_variable = "B"\n[notify.command]\nprogram = "page.sh"\n'
    )
    assert [rule.notify for rule in found.rules] == [["b", "command"], ["log", "b"]]
    assert found.notifiers["command"][1]["program"] == str(tmp_path / "page.sh")  # relative to the file
    assert found.notifiers["b"] == ("slack", {"url_variable": "B", "timeout": 10.0})
    assert found.variables == ["B"]


def test_a_mistake_raises_at_the_start_of_a_run_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"argument config: \[\[alerts\]\] 1 when: expected a metric"):
        multitrack.start_run(config={"delivery": "off", "alerts": [{"when": "> 3"}]})
    assert not (tmp_path / ".multitrack").exists()


def test_an_object_of_this_process_needs_the_thread() -> None:
    from alerting import told

    with told():
        config = load_config({"alerts": [{"when": "nan"}], "notify": {"told": {}}})
        with pytest.raises(ConfigError, match=r"notifier 'told' is an object of this process.*delivery = \"thread\""):
            choose(config, [], config.settings)


def test_the_courier_gets_the_variables_that_the_notifiers_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK_URL", "http://127.0.0.1/secret")
    monkeypatch.setenv("OTHER", "x")
    config = load_config({"alerts": [{"when": "nan"}], "notify": {"slack": {}}})
    delivery = choose(config, [], config.settings)
    assert delivery.environment["SLACK_WEBHOOK_URL"] == "http://127.0.0.1/secret"
    assert "OTHER" not in delivery.environment
    assert "secret" not in str(delivery.alerts)
