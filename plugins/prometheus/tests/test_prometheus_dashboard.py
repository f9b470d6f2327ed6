"""The shipped dashboard: each of its queries is run against a Prometheus that scrapes runs of every kind."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_runs import training
from prometheus_server import Prometheus, free_port, get, program, prometheus, until

import multitrack
from multitrack.testing.kills import MortalLane
from multitrack_prometheus import DASHBOARD, PrometheusBackend
from multitrack_prometheus.exposition import HELP

BOARD = json.loads(DASHBOARD.read_text(encoding="utf-8"))
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
QUERIES = [(panel["title"], target["expr"]) for panel in BOARD["panels"] for target in panel["targets"]]
VARIABLES = {
    variable["name"]: variable["query"]["query"]
    for variable in BOARD["templating"]["list"]
    if variable["type"] == "query"
}  # fmt: skip


def substituted(expression: str) -> str:
    """An expression as Grafana sends it with "All" chosen."""
    return re.sub(r"\$(project|run|metric)\b", ".*", expression).replace("$__rate_interval", "1m")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scrapes a training whose second backend refuses everything and a third that is stopped, and a run without room."""
    place = tmp_path_factory.mktemp("dashboard")
    port = free_port()
    rules = re.search(r"```yaml\n(groups:.*?)```", README, re.DOTALL)
    assert rules is not None
    with prometheus(
        place / "prometheus", port, port + 1, rules=rules[1].replace("10m", "0s").replace("600", "0.01")
    ) as up:
        options = {"port": port, "hold": 0.0, "max_metrics": 1}
        with training(place, options, others=["recording_backends:raising", "recording_backends:closed"]):
            config = {"journal": str(place / "second"), "delivery": "off",
                      "prometheus": {"port": port + 1, "hold": 0.0, "max_runs": 1}}  # fmt: skip
            runs = [multitrack.start_run("digits", config=config, backends=["prometheus"]) for _ in range(2)]
            plugin = PrometheusBackend()  # each test stops the one of this process
            for run in runs:
                run.log_metric("loss", 1.0, step=0)
                MortalLane(run.directory, plugin, (2000,)).deliver(None)
            until(lambda: up.query("multitrack_metric offset 2s"), "history to take rates of")
            up.scrape()
            yield up
            for run in runs:
                run.end()
            plugin.stop()


@pytest.mark.parametrize(("title", "expression"), QUERIES)
def test_every_query_gives_something(server: Prometheus, title: str, expression: str) -> None:
    assert until(lambda: server.query(substituted(expression)), f"value of {title}: {expression}", 10)


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_has_values(server: Prometheus, name: str) -> None:
    match = re.fullmatch(r"label_values\((.*), (\w+)\)", VARIABLES[name])
    assert match is not None
    values = get(f"{server.url}/api/v1/label/{match[2]}/values", **{"match[]": substituted(match[1])})["data"]
    expected = {"project": {"digits"}, "metric": {"loss"}}
    assert set(values) == expected[name] if name in expected else len(values) == 2


def test_the_queries_use_what_there_is() -> None:
    used = {name for _, query in QUERIES for name in re.findall(r"multitrack_\w+", query)}
    there_is = {name if name != "multitrack_records" else "multitrack_records_total" for name in HELP}
    assert used <= there_is
    times = {"multitrack_run_start_timestamp_seconds", "multitrack_run_end_timestamp_seconds"}
    assert there_is - used == times


def test_the_alert_of_the_readme_fires(server: Prometheus) -> None:
    """Its limit is a hundredth of a second here, so that it fires for a training that moves."""

    def alerts() -> Any:
        found = get(f"{server.url}/api/v1/alerts")["data"]["alerts"]
        return {(alert["labels"]["alertname"], alert["labels"]["run"], alert["state"]) for alert in found}

    until(lambda: ("TrainingIsStuck", "nightly", "firing") in alerts(), "alert")


def test_the_rules_and_the_config_of_the_readme_are_valid(tmp_path: Path) -> None:
    for i, block in enumerate(re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)):
        path = tmp_path / f"{i}.yml"
        path.write_text(block)
        kind = "rules" if block.startswith("groups:") else "config"
        done = subprocess.run([program("promtool"), "check", kind, path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_can_be_printed() -> None:
    done = subprocess.run([sys.executable, "-m", "multitrack_prometheus"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == BOARD


def test_it_names_no_data_source_of_its_own() -> None:
    """So that it can be imported anywhere: each panel uses the one that is chosen at the top."""
    uids = {panel["datasource"]["uid"] for panel in BOARD["panels"]}
    uids |= {target["datasource"]["uid"] for panel in BOARD["panels"] for target in panel["targets"]}
    assert uids == {"${datasource}"}
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
