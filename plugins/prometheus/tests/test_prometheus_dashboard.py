"""The shipped dashboards and alerts: the queries of the first are run against a Prometheus that scrapes all kinds of runs.

Those of the second are in test_prometheus_deployments.py.
"""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_board import Board
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_runs import training
from prometheus_server import Prometheus, free_port, get, program, prometheus, until

import multitrack
from multitrack.testing.kills import MortalLane
from multitrack_prometheus import DASHBOARD, DEPLOYMENTS, RULES, PrometheusBackend
from multitrack_prometheus.exposition import HELP, KINDS

BOARD = Board(DASHBOARD)
BOARDS = [BOARD, Board(DEPLOYMENTS)]
QUERIES = list(BOARD.queries({}))
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Scrapes a training whose second backend refuses everything and a third that is stopped, and a run without room."""
    place = tmp_path_factory.mktemp("dashboard")
    port = free_port()
    rules = re.sub(r"for: \d+m", "for: 0s", RULES.read_text(encoding="utf-8")).replace("> 600", "> 0.01")
    with prometheus(place / "prometheus", port, port + 1, rules=rules) as up:
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
    assert until(lambda: server.query(expression), f"value of {title}: {expression}", 10)


@pytest.mark.parametrize("name", BOARD.variables)
def test_every_variable_has_values(server: Prometheus, name: str) -> None:
    values = BOARD.values(server, name, {})
    expected = {"project": {"digits"}, "metric": {"loss"}}
    assert values == expected[name] if name in expected else len(values) == 2


def test_the_queries_use_what_there_is() -> None:
    text = DASHBOARD.read_text() + DEPLOYMENTS.read_text() + RULES.read_text()
    used = set(re.findall(r"multitrack_\w+", text))
    there_is = {sample for family in HELP for sample in samples(family)}
    assert used <= there_is
    unused = {"multitrack_run_start_timestamp_seconds", "multitrack_run_end_timestamp_seconds",
              "multitrack_metric_not_finite_total"}  # fmt: skip
    assert there_is - used == unused


def samples(family: str) -> list[str]:
    """The names of a family's samples."""
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}
    return [f"{family}{suffix}" for suffix in suffixes[KINDS.get(family, "gauge")]]


@pytest.mark.parametrize("alert", ["TrainingIsStuck", "DeliveryHasStopped"])
def test_an_alert_on_a_training_fires(server: Prometheus, alert: str) -> None:
    """The limit of a stuck one is a hundredth of a second here, so that it fires for a training that moves."""

    def alerts() -> Any:
        found = get(f"{server.url}/api/v1/alerts")["data"]["alerts"]
        return {(alert["labels"]["alertname"], alert["labels"]["run"], alert["state"]) for alert in found}

    until(lambda: (alert, "nightly", "firing") in alerts(), "alert")


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", README, re.DOTALL))
def test_the_configs_of_the_readme_are_valid(tmp_path: Path, block: str) -> None:
    (tmp_path / "multitrack-rules.yml").write_text(RULES.read_text())
    (tmp_path / "prometheus.yml").write_text(block)
    command = [program("promtool"), "check", "config", tmp_path / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "path"),
    [([], DASHBOARD), (["runs"], DASHBOARD), (["deployments"], DEPLOYMENTS), (["rules"], RULES)],
)
def test_each_file_can_be_printed(arguments: list[str], path: Path) -> None:
    command = [sys.executable, "-m", "multitrack_prometheus", *arguments]
    assert subprocess.run(command, capture_output=True, check=True).stdout == path.read_bytes()


@pytest.mark.parametrize("board", BOARDS)
def test_a_dashboard_names_no_data_source_of_its_own(board: Board) -> None:
    """So that it can be imported anywhere: each panel uses the one that is chosen at the top."""
    panels = [panel for panel in board.json["panels"] if panel["type"] != "row"]
    uids = {target["datasource"]["uid"] for panel in panels for target in [panel, *panel["targets"]]}
    uids |= {variable["datasource"]["uid"] for variable in board.variables.values()}
    uids |= {mark["datasource"]["uid"] for mark in board.json.get("annotations", {}).get("list", [])}
    assert uids == {"${datasource}"}
    assert len({panel["id"] for panel in board.json["panels"]}) == len(board.json["panels"])


@pytest.mark.parametrize("board", BOARDS)
def test_grafana_knows_every_field(board: Board) -> None:
    """Its published schema is older than the field ``definition``, and has none of the fields of a data source."""
    read = Dashboard.from_json(copy.deepcopy(board.json))
    written = json.loads(JSONEncoder().encode(read))
    unknown = {path.rpartition("/")[2] for path in differences(board.json, written, "")}
    assert unknown <= {"definition", "titleFormat", "textFormat"}


@pytest.mark.parametrize("board", BOARDS)
def test_panels_do_not_overlap(board: Board) -> None:
    places = [panel["gridPos"] for panel in board.json["panels"]]
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(set(cells)) == len(cells)
    assert {x for x, _ in cells} == set(range(24))


def differences(a: Any, b: Any, path: str) -> list[str]:
    """The paths at which two JSON values differ; what only the second one has are defaults."""
    if isinstance(a, dict) and isinstance(b, dict):
        return [found for key in a for found in differences(a[key], b.get(key), f"{path}/{key}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return [found for i, pair in enumerate(zip(a, b, strict=True)) for found in differences(*pair, f"{path}/{i}")]
    return [path] if a != b else []
