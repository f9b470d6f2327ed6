"""A search on Ray: KerasTuner's chief and four workers are actors; one worker is killed, and another one joins.

    python examples/ray_search.py [--trials 12] [--out ray-run] [--backends mlflow,wandb,neptune] [--address auto]

Ray places the processes, and KerasTuner's chief hands out the trials. Without --address, Ray runs on this machine only.
On a cluster, --out is a new directory on a file system that all of its machines share, and --tracking-uri is a server.
"""

import argparse
import os
import socket
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray's telemetry

import ray

import multitrack
from distributed_search import add_options, prepare, print_runs, search, trials_in

WORKERS = ("worker-1", "worker-2", "worker-3", "worker-4")
KILLED, JOINS = "worker-2", "worker-5"


@ray.remote(num_cpus=1, max_restarts=0)
class Member:
    """A process of the search."""

    def address(self) -> dict[str, str]:
        """KerasTuner's variables with the address of a chief on this machine."""
        host = ray.util.get_node_ip_address()
        with socket.socket() as probe:
            probe.bind((host, 0))
            return {"KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": str(probe.getsockname()[1])}

    def run(self, name: str, address: dict[str, str], out: Path, trials: int, pause: float) -> None:
        """The whole search, as chief or as worker."""
        os.environ.update(address, KERASTUNER_TUNER_ID=name)
        os.chdir(out)
        search(trials, pause)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, trials=12, pause=2.0, out="ray-run")
    parser.add_argument("--address", help="of a running Ray cluster; default: Ray on this machine alone")
    arguments = parser.parse_args()
    out, backends = arguments.out.absolute(), arguments.backends
    prepare(out, backends, arguments.tracking_uri)
    if arguments.address:
        ray.init(arguments.address)
    else:
        ray.init(num_cpus=len(WORKERS) + 2, include_dashboard=False, _node_ip_address="127.0.0.1")
    try:
        run_all(out, arguments.trials, arguments.pause)
    finally:
        ray.shutdown()
    # Ray kills the processes that a killed one has started, and so its courier: its run is not delivered yet.
    multitrack.sync(out / ".multitrack")
    print_runs(out, backends)


def run_all(out: Path, trials: int, pause: float) -> None:
    """All members, to the end: one of them is killed as soon as it has a trial, and another one joins."""
    # How long the chief waits for the killed worker. For real trainings, leave the 10 minutes that are the default.
    # The processes of a running cluster do not have this process's environment, so Ray is told.
    timeout = {"MULTITRACK_WORKER_TIMEOUT": os.environ.get("MULTITRACK_WORKER_TIMEOUT", "8")}
    placed = Member.options(runtime_env={"env_vars": timeout})
    members: dict[str, Any] = {}
    running: dict[Any, str] = {}

    def start(name: str) -> None:
        members[name] = placed.remote()
        address = ray.get(members["chief"].address.remote()) if name == "chief" else shared
        running[members[name].run.remote(name, address, out, trials, pause)] = name
        shared.update(address)

    shared: dict[str, str] = {}
    for name in ("chief", *WORKERS):
        start(name)
    while not any(run.summary().tags.get("keras_tuner/tuner_id") == KILLED for run in trials_in(out)):
        ended, _ = ray.wait(list(running), timeout=0.2)
        ray.get(ended)  # raises if one has failed
    ray.kill(members[KILLED], no_restart=True)
    print(f"killed {KILLED}; {JOINS} joins", flush=True)
    start(JOINS)
    while running:
        (ended, *_), _ = ray.wait(list(running))
        name = running.pop(ended)
        try:
            ray.get(ended)
        except ray.exceptions.RayActorError:
            if name != KILLED:
                raise
        print(f"{name} ended", flush=True)


if __name__ == "__main__":
    main()
