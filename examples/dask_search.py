"""A search on Dask: KerasTuner's chief and four workers are tasks; one process is killed, and Dask runs its task again.

    python examples/dask_search.py [--trials 12] [--out dask-run] [--backends mlflow,wandb,neptune] [--address tcp://…]

Dask places the processes, and KerasTuner's chief hands out the trials. Without --address, a LocalCluster is started on
this machine. On a cluster, --out is a new directory on a file system that all of its machines share, and
--tracking-uri is a server.
"""

import argparse
import os
import signal
import socket
import time
from pathlib import Path

from distributed import Client, LocalCluster, as_completed, get_worker

import multitrack
from distributed_search import add_options, prepare, print_runs, search, trials_in

WORKERS = ("worker-1", "worker-2", "worker-3", "worker-4")
KILLED = "worker-2"


def address() -> dict[str, str]:
    """KerasTuner's variables with the address of a chief on this machine."""
    host = get_worker().address.rpartition("/")[2].rpartition(":")[0]
    with socket.socket() as probe:
        probe.bind((host, 0))
        return {"KERASTUNER_ORACLE_IP": host, "KERASTUNER_ORACLE_PORT": str(probe.getsockname()[1])}


def run(name: str, chief: dict[str, str], out: Path, trials: int, pause: float) -> None:
    """The whole search, as chief or as worker. Run again after a death, it has the same name, and repeats its trial."""
    os.environ.update(chief, KERASTUNER_TUNER_ID=name)
    os.chdir(out)
    search(trials, pause)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, trials=12, pause=0.5, out="dask-run")
    parser.add_argument("--address", help="of a running scheduler; default: a cluster on this machine alone")
    arguments = parser.parse_args()
    out, backends = arguments.out.absolute(), arguments.backends
    prepare(out, backends, arguments.tracking_uri)
    if arguments.address:
        with Client(arguments.address) as client:
            run_all(client, out, arguments.trials, arguments.pause)
    else:
        # One thread each: a process is the chief or one worker of KerasTuner.
        local = {"n_workers": len(WORKERS) + 1, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
        with LocalCluster(processes=True, **local) as cluster, Client(cluster) as client:
            run_all(client, out, arguments.trials, arguments.pause, kill=True)
    multitrack.sync(out / ".multitrack")  # the run of the killed process, whose courier may be killed as well
    print_runs(out, backends)


def run_all(client: Client, out: Path, trials: int, pause: float, *, kill: bool = False) -> None:
    """All members, to the end; on this machine, one of them is killed as soon as it has a trial."""
    place, *_ = client.scheduler_info()["workers"]
    chief = client.submit(address, workers=[place]).result()
    members = {
        client.submit(
            run, name, chief, out, trials, pause, key=name, workers=[place] if name == "chief" else None
        ): name
        for name in ("chief", *WORKERS)
    }
    while kill:
        time.sleep(0.2)
        for ended in (member for member in members if member.status == "error"):
            ended.result()  # raises its error
        for recorded in trials_in(out):
            if recorded.summary().tags.get("keras_tuner/tuner_id") == KILLED:
                os.kill(recorded.context.pid, signal.SIGKILL)
                print(f"killed {KILLED}; Dask starts it again", flush=True)
                kill = False
                break
    for ended in as_completed(members):
        ended.result()  # raises if it has failed
        print(f"{members[ended]} ended", flush=True)


if __name__ == "__main__":
    main()
