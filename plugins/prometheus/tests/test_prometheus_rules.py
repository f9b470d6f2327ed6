"""The shipped alerts, checked by Prometheus' own tool: at which values they fire, in rules_test.yml."""

import shutil
import subprocess
from pathlib import Path

from prometheus_server import program

from multitrack_prometheus import RULES

TESTS = Path(__file__).with_name("rules_test.yml")


def test_the_rules_are_valid() -> None:
    command = [program("promtool"), "check", "rules", "--lint=all", "--lint-fatal", RULES]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout.count("6 rules found")) == (0, 1), done.stdout + done.stderr


def test_the_alerts_fire_when_they_should(tmp_path: Path) -> None:
    for path in (RULES, TESTS):
        shutil.copy(path, tmp_path)
    command = [program("promtool"), "test", "rules", TESTS.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested() -> None:
    names = {line.split()[-1] for line in RULES.read_text().splitlines() if "- alert:" in line}
    assert {name for name in names if TESTS.read_text().count(f"alertname: {name}") >= 1} == names
