"""`examples/slurm_search.sh` as an array job of Slurm itself, and by hand with the variables that Slurm sets."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import multitrack
from placed_search import EXAMPLES, check_trackers, environment, killed, prepare, trials_in, workers
from processes import free_ports, wait_until

SCRIPT = EXAMPLES / "slurm_search.sh"
BACKENDS = ["mlflow", "wandb", "neptune"]
CONFIG = """\
ClusterName=tests
SlurmctldHost=localhost
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
SlurmctldPort={0}
SlurmdPort={1}
StateSaveLocation={2}/state
SlurmdSpoolDir={2}/spool
SlurmctldPidFile={2}/slurmctld.pid
SlurmdPidFile={2}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
NodeName=localhost NodeAddr=127.0.0.1 CPUs=8 RealMemory=1000
PartitionName=main Nodes=localhost Default=YES State=UP
"""


def test_the_script_is_a_shell_script() -> None:
    subprocess.run(["bash", "-n", SCRIPT], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", SCRIPT], check=True)


@contextlib.contextmanager
def array(root: Path, job: str, *arguments: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The tasks of an array job in ``root/shared``, by hand; all are killed at the end."""
    shared = {**environment(root), "SEARCH": str(EXAMPLES / "distributed_search.py"), "CHIEF_HOST": "127.0.0.1"}
    tasks = [
        subprocess.Popen(
            [SCRIPT, *arguments],
            cwd=root / "shared",
            env={**shared, "SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_ID": str(task)},
        )
        for task in (2, 1, 0)
    ]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.kill()
            task.wait()


@pytest.mark.timeout(300)
def test_the_tasks_by_hand(tmp_path: Path) -> None:
    prepare(tmp_path / "shared", BACKENDS)
    with array(tmp_path, "7", "--trials", "3") as tasks:
        assert [task.wait(240) for task in tasks] == [0, 0, 0]
    attempts = check_trackers(tmp_path / "shared", 3)
    assert workers(attempts) <= {"worker-1", "worker-2"}


def ended(out: Path) -> list[str]:
    """The trials that KerasTuner's chief has saved as ended."""
    with contextlib.suppress(OSError, ValueError):  # not there yet, or half written
        return list(json.loads((out / "tuner/sine/oracle.json").read_text())["end_order"])
    return []


@pytest.mark.timeout(300)
def test_an_array_that_is_cancelled_goes_on_in_the_next_one(tmp_path: Path) -> None:
    out = tmp_path / "shared"
    prepare(out, BACKENDS)
    with array(tmp_path, "7", "--trials", "4", "--pause", "1"):
        wait_until(lambda: ended(out) and any(run.summary().status == "running" for run in trials_in(out)), 120)
    done = ended(out)
    with array(tmp_path, "8", "--trials", "4") as tasks:
        assert [task.wait(240) for task in tasks] == [0, 0, 0]
    assert (out / ".chief-7").read_text() != (out / ".chief-8").read_text()
    multitrack.sync(out / ".multitrack")
    attempts = check_trackers(out, 4)  # and one parent
    assert {trial for trial, tried in attempts.items() if len(tried) > 1}.isdisjoint(done)
    assert killed(attempts)


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Slurm's daemons on loopback, and the variables of a process that submits to them."""
    missing = [name for name in ("slurmctld", "slurmd", "sbatch", "munged") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and Debian's slurmctld, slurmd, slurm-client and munge; missing: {missing}")
    if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode:
        Path("/run/munge").mkdir(exist_ok=True)
        shutil.chown("/run/munge", "munge", "munge")
        subprocess.run(["su", "munge", "-s", "/bin/sh", "-c", "munged"], check=True)
    home = tmp_path / "slurm"
    for name in ("state", "spool"):
        (home / name).mkdir(parents=True)
    (home / "slurm.conf").write_text(CONFIG.format(*free_ports(2), home))
    variables = {**environment(tmp_path), "SLURM_CONF": str(home / "slurm.conf")}
    daemons = [subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
               for command in (["slurmctld", "-D"], ["slurmd", "-D", "-N", "localhost"])]  # fmt: skip
    try:
        yield variables
    finally:
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)


@pytest.mark.timeout(300)
def test_an_array_job_of_slurm(tmp_path: Path, slurm: dict[str, str]) -> None:
    out = tmp_path / "shared"
    prepare(out, BACKENDS)

    def command(*arguments: str) -> str:
        done = subprocess.run(arguments, cwd=out, env=slurm, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    wait_until(lambda: "idle" in command("sinfo", "-h", "-o", "%T"), 60)
    given = {"SEARCH": str(EXAMPLES / "distributed_search.py"), "CHIEF_HOST": "127.0.0.1"}
    slurm.update(given, MULTITRACK_WORKER_TIMEOUT="8")
    job = command("sbatch", "--parsable", "--array=0-3", str(SCRIPT), "--trials", "8", "--pause", "2").strip()
    assert job.isdigit()

    def has_a_trial() -> bool:
        try:
            runs = list(multitrack.open_journal(out / ".multitrack").runs())
        except multitrack.JournalError:
            return False
        return any(run.summary().tags.get("keras_tuner/tuner_id") == "worker-2" for run in runs)

    logs = lambda: {path.name: path.read_text() for path in out.glob("search-*.log")}  # noqa: E731
    wait_until(has_a_trial, 120)
    command("scancel", "--signal=KILL", f"{job}_2")  # for good: this is no failure of the node
    wait_until(lambda: not command("squeue", "-h").strip(), 240)
    multitrack.sync(out / ".multitrack")
    attempts = check_trackers(out, 8)
    assert workers(attempts) == {"worker-1", "worker-2", "worker-3"}, logs()
    assert "worker worker-2 gives no sign of life" in logs()["search-0.log"]
