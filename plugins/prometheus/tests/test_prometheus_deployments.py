"""A served model, seen by a real Prometheus: its workers are killed and replaced, and its scores drop.

Each worker has a courier of its own. The sums of a deployment in Prometheus are those of the journal.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from grafana_board import Board
from prometheus_server import Prometheus, free_ports, get, node_exporter, prometheus, until
from prometheus_service import Service, service

from multitrack_prometheus import DEPLOYMENTS, RULES
from multitrack_prometheus.options import BOUNDS
from multitrack_prometheus.served import PORTS

BOARD = Board(DEPLOYMENTS)
#: The second one has a character that patterns have to escape.
NAMES = ("eu", "us.1")
README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
#: Shorter ranges than those of the shipped rules, for scrapes that are 0.2 s apart.
RULES_HERE = RULES.read_text(encoding="utf-8").replace("[15m]", "[2s]").replace("for: 5m", "for: 0s")


class Watched(NamedTuple):
    server: Prometheus
    service: Service
    last: str  # the last value of each series; a courier's port is closed when its run has ended


@pytest.fixture(params=["textfile", pytest.param("serve", marks=pytest.mark.long)])
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Watched]:
    options: dict[str, Any]
    if request.param == "textfile":
        (tmp_path / "node").mkdir()
        options = {"mode": "textfile", "directory": str(tmp_path / "node")}
        with (
            node_exporter(tmp_path / "exporter", tmp_path / "node") as port,
            prometheus(tmp_path / "prometheus", port, rules=RULES_HERE) as server,
            service(tmp_path / "service", options) as started,
        ):
            yield Watched(server, started, "{}")
    else:
        ports = free_ports(PORTS)
        options = {"port": ports[0], "hold": 5.0}
        with (
            prometheus(tmp_path / "prometheus", *ports, rules=RULES_HERE) as server,
            service(tmp_path / "service", options) as started,
        ):
            yield Watched(server, started, "max by (run, tag_deployment, metric, le) (last_over_time({}[5m]))")


def test_a_service(watched: Watched) -> None:
    server, service, last = watched
    workers = {"w1": "eu", "w2": "eu", "w3": "us.1", "w4": "us.1"}
    for name, deployment in workers.items():
        service.start(deployment, name)
    until(lambda: runs(server) == workers, "runs of all workers", 60)
    service.kill("w1")
    service.kill_courier("w4")
    service.start("eu", "w5")
    until(lambda: "w5" in runs(server), "run of the new worker")

    chosen = {"project": ["digits"], "deployment": NAMES}
    assert BOARD.values(server, "project", {}) == {"digits"}
    assert BOARD.values(server, "deployment", chosen) == set(NAMES)
    assert BOARD.values(server, "score", chosen) == {"score", "latency", "class"}
    assert BOARD.values(server, "latency", chosen) == {"latency"}
    for title, expression in BOARD.queries(chosen):
        assert {found.labels["tag_deployment"] for found in server.query(expression)} == set(NAMES), title
    for deployment in NAMES:
        for title, expression in BOARD.queries({**chosen, "deployment": [deployment]}, row=True):
            found = until(lambda expression=expression: server.query(expression), f"{title} of {deployment}")  # type: ignore[misc]
            assert [sample.value >= 0 for sample in found] == [True], (title, found)

    told = re.findall(
        r"^\| .* \| `(.*\(.*)` \|$", README.partition("| of a deployment |")[2].partition("\n\n")[0], re.MULTILINE
    )
    for expression in told:
        answer = server.query(expression.replace("[5m]", "[2s]"))
        assert {found.labels.get("tag_deployment") for found in answer} == set(NAMES), expression
    assert len(told) == 4

    assert "DeploymentScoreIsLow" not in {name for name, _ in alerts(server)}
    service.drop("us.1")
    until(lambda: ("DeploymentScoreIsLow", "us.1") in alerts(server), "alert")
    assert ("DeploymentScoreIsLow", "eu") not in alerts(server)
    (mark,) = BOARD.json["annotations"]["list"]
    marks = until(lambda: server.query(BOARD.substituted(mark["expr"], chosen)), "mark of the alert")
    assert {found.labels["tag_deployment"] for found in marks} == {"us.1"}

    service.end()
    server.scrape()
    for deployment in NAMES:
        counts, sums, latencies = service.recorded(deployment)
        assert counts["score"] == counts["latency"] == counts["class"] > 100
        assert total(server, last, deployment, "count", "metric") == counts
        assert total(server, last, deployment, "sum", "metric") == sums
        buckets = total(server, last, deployment, "bucket", "le", 'metric="latency"')
        assert {float(bound): number for bound, number in buckets.items()} == {  # node_exporter writes 1 for 1.0
            bound: sum(n for value, n in latencies.items() if value <= bound) for bound in (*BOUNDS, math.inf)
        }
    assert server.query("resets(multitrack_metric_values_count[5m]) > 0") == [], "a counter went back"


def runs(server: Prometheus) -> dict[str, str]:
    """The deployment of each run with some predictions."""
    found = server.query('multitrack_metric_values_count{metric="latency"} > 20')
    return {sample.labels["run"]: sample.labels["tag_deployment"] for sample in found}


def alerts(server: Prometheus) -> set[tuple[str, str | None]]:
    found = get(f"{server.url}/api/v1/alerts")["data"]["alerts"]
    return {
        (one["labels"]["alertname"], one["labels"].get("tag_deployment")) for one in found if one["state"] == "firing"
    }


def total(server: Prometheus, last: str, deployment: str, what: str, by: str, more: str = "") -> dict[str, float]:
    """The sum over all workers of a deployment."""
    series = f'multitrack_metric_values_{what}{{tag_deployment="{deployment}",{more}}}'
    return {found.labels[by]: found.value for found in server.query(f"sum by ({by}) ({last.format(series)})")}
