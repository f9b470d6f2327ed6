"""Trackers that fail in every way: training never notices, the user is told once, and nothing is lost or there twice.

A real training process with its real courier delivers through a proxy that spoils what passes; then the tracker is
well again, ``multitrack sync`` delivers the rest, and what the tracker holds is compared with the journal.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import multitrack
import proxy
from job import HALF, train
from multitrack.reading.delivery import report_of
from multitrack.reading.recorded_run import RecordedRun
from proxy import Fault
from sites import MlflowServer, MlflowSite, WandbSite, recorded

pytestmark = [pytest.mark.slow, pytest.mark.waits]

HERE = Path(__file__).parent
#: Seconds that a run's end may take, with much to spare for a busy machine.
BOUND = 60.0

Site = MlflowSite | WandbSite

#: Faults that last, and what the user is told of them: for MLflow, and for W&B.
LASTING: list[tuple[Fault | None, str, str]] = [
    (None, "refused", "refused"),
    (proxy.reset, "reset|aborted", "broken|EOF|reset"),
    (proxy.truncated, "Incomplete", "EOF"),
    (proxy.hung, "timed out|timeout", "not answered|deadline"),
    (proxy.html, "web page", "invalid character"),
    (proxy.garbage, "invalid JSON", "invalid character"),
]


def name_of(value: object) -> str | None:
    return "refused" if value is None else value.__name__ if callable(value) else "-"


class Job:
    """A training process that has come to its middle.

    Args:
        site: The tracker.
        directory: Where it runs.
        healthy: Whether it waits in the middle until the tracker has everything so far.
        patience: Seconds that its end waits for a tracker in which nothing moves; outside of tests, 30 and more.
    """

    def __init__(self, site: Site, directory: Path, *, healthy: bool = True, patience: float | None = None) -> None:
        self.id = f"{site.name}-{uuid.uuid4().hex[:8]}"
        self.directory = directory
        self.told: dict[str, Any] = {}
        given = {"backend": site.name, "options": site.options, "id": self.id, "healthy": healthy,
                 "patience": patience or site.patience}  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "job.py"), json.dumps(given)],
            cwd=directory, env={**os.environ, **site.environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        assert json.loads(self.process.stdout.readline()) == {"middle": healthy}
        wait_until(lambda: not self.is_gone())  # or its going would be no news

    def finish(self, bound: float = BOUND) -> list[str]:
        """Let it train to its end: its result is what it is without any tracker. Gives what it said beside progress."""
        out, errors = self.process.communicate("go\n", timeout=240)
        assert self.process.returncode == 0, errors
        for line in out.splitlines():
            self.told |= json.loads(line)
        assert self.told["result"] == expected_result()
        assert self.told["end"] < bound
        return [line for line in errors.splitlines() if not line.startswith("multitrack: delivering ")]

    def run(self) -> RecordedRun:
        return multitrack.open_journal(self.directory / "journal").run(self.id)

    def is_gone(self) -> bool:
        """Whether the courier and the helper processes that it started have gone."""
        return not any(_works_in(entry, self.directory) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _works_in(entry: Path, directory: Path) -> bool:
    try:
        command = (entry / "cmdline").read_bytes()
        helper = b"multitrack.courier" in command or b"wandb-core" in command
        return helper and (entry / "cwd").readlink() == directory
    except OSError:
        return False


def expected_result() -> float:
    class Nothing:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *args, **more: None

    return train(Nothing(), HALF, HALF, train(Nothing(), 0, HALF, 1.0, pause=0.0), pause=0.0)  # type: ignore[arg-type]


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


def sync_and_compare(site: Site, job: Job) -> None:
    """Nothing may be missing, there twice, in another order, or at another time."""
    multitrack.sync(job.directory / "journal")
    run = job.run()
    assert report_of(run).complete, report_of(run)
    assert site.held(run) == recorded(run)


def told_once(said: list[str], backend: str, words: str) -> list[str]:
    """Check what was said: one line when the trouble began, one at the end with what is pending and what to do.

    On a busy machine the courier is replaced by one of the training's priority, which says its own trouble, if it
    meets one before the wait, short here, is over.
    """
    replaced = [line for line in said if line.endswith("it continues at normal priority")]
    troubles = [line for line in said if "multitrack sync --journal" not in line and line not in replaced]
    (statement,) = [line for line in said if "multitrack sync --journal" in line]
    assert (0 if replaced else 1) <= len(troubles) <= 1 + len(replaced), said
    assert not troubles or any(re.search(words, trouble) for trouble in troubles), said
    assert all(trouble.startswith(f"multitrack: {backend}: ") for trouble in troubles), said
    assert re.search(r"\d+ pending|not ended there yet", statement), said
    return troubles


# Each class runs beside the others: most of its time is waits.


class Lasting:
    """A fault that lasts from the middle of the training on."""

    @pytest.mark.long("refused----")
    @pytest.mark.parametrize(("fault", "mlflow", "wandb"), LASTING, ids=name_of)
    def test_a_fault_from_the_middle_on(
        self, site: Site, tmp_path: Path, fault: Fault | None, mlflow: str, wandb: str
    ) -> None:
        is_silent = site.name == "wandb" and fault is proxy.hung  # a silence is one only after some time
        job = Job(site, tmp_path, patience=25.0 if is_silent else None)
        site.proxy.fail(fault)
        said = job.finish()
        told_once(said, site.name, mlflow if site.name == "mlflow" else wandb)
        wait_until(job.is_gone)
        site.proxy.lift()
        sync_and_compare(site, job)


class Refusing:
    """A tracker that refuses, or was never there."""

    def test_a_refused_credential_stops_the_lane_until_sync(self, site: Site, tmp_path: Path) -> None:
        job = Job(site, tmp_path)
        site.proxy.fail(proxy.denied)
        said = job.finish()
        assert all("fix the cause" in trouble for trouble in told_once(said, site.name, site.credential))
        wait_until(job.is_gone)
        seen = len(site.proxy.seen)
        assert job.run().lanes()[site.name].stopped
        site.proxy.lift()
        sync_and_compare(site, job)
        assert seen < 200  # nobody went on asking

    @pytest.mark.long("refused")
    @pytest.mark.parametrize("fault", [None, proxy.hung, proxy.denied], ids=name_of)
    def test_a_tracker_that_was_never_there(self, site: Site, tmp_path: Path, fault: Fault | None) -> None:
        site.proxy.fail(fault)
        job = Job(site, tmp_path, healthy=False, patience=5.0)
        said = " ".join(job.finish())
        assert job.told["pending"] == job.run().summary().records
        assert f"{site.name}: 0 delivered, {job.told['pending']} pending" in said
        wait_until(job.is_gone)
        site.proxy.lift()
        sync_and_compare(site, job)

    def test_retry_after_is_obeyed(self, site: Site, tmp_path: Path) -> None:
        job = Job(site, tmp_path, patience=11.0)
        site.proxy.fail(proxy.too_many(4))
        told_once(job.finish(), site.name, "429")
        wait_until(job.is_gone)
        asked = [seen for seen in site.proxy.seen if seen.fault == "too_many"]
        site.proxy.lift()
        sync_and_compare(site, job)
        # A lane of MLflow's asks for one thing at a time; the SDK of W&B for several, each of them again and again.
        times: dict[object, list[float]] = {}
        for seen in asked:
            times.setdefault((seen.path, seen.body) if site.name == "wandb" else None, []).append(seen.time)
        assert max(len(some) for some in times.values()) > 1
        for some in times.values():
            assert all(later - earlier > 3.9 for earlier, later in itertools.pairwise(some)), times


class Passing:
    """A trouble that passes."""

    def test_bursts_of_errors(self, site: Site, tmp_path: Path) -> None:
        job = Job(site, tmp_path, patience=8.0)
        site.proxy.fail(proxy.bursts(7, 4))
        job.finish()
        wait_until(job.is_gone)
        site.proxy.lift()
        sync_and_compare(site, job)

    def test_a_server_killed_and_started_again_in_mid_run(self, site: Site, tmp_path: Path) -> None:
        job = Job(site, tmp_path, patience=30.0)
        site.kill_server()
        threading.Timer(3.0, site.restart_server).start()
        job.finish()
        wait_until(job.is_gone)
        sync_and_compare(site, job)

    @pytest.mark.long
    def test_a_server_that_takes_10_seconds_for_each_answer(self, patient: Site, tmp_path: Path) -> None:
        """The end waits as long as something moves, so all may be there by then; if not, `sync` sends the rest."""
        job = Job(patient, tmp_path, patience=30.0)
        patient.proxy.fail(proxy.slow(10))
        job.finish(bound=230.0)
        wait_until(job.is_gone)
        patient.proxy.lift()
        wait_until(patient.proxy.is_idle)  # or an old summary would come after the one that `sync` sends
        sync_and_compare(patient, job)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """One real MLflow server for all."""
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    yield server
    server.kill()


class OfMlflow:
    @pytest.fixture
    def site(self, server: MlflowServer) -> Iterator[MlflowSite]:
        with MlflowSite(server, timeout=2) as site:
            yield site

    @pytest.fixture
    def patient(self, server: MlflowServer) -> Iterator[MlflowSite]:
        """With the timeout that is the default."""
        with MlflowSite(server, timeout=30) as site:
            yield site


class OfWandb:
    @pytest.fixture
    def site(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbSite]:
        with WandbSite(tmp_path) as site:
            monkeypatch.setenv("WANDB_API_KEY", site.environment["WANDB_API_KEY"])
            yield site

    @pytest.fixture
    def patient(self, site: WandbSite) -> WandbSite:
        return site


class TestMlflowLasting(OfMlflow, Lasting):
    pass


class TestWandbLasting(OfWandb, Lasting):
    pass


class TestMlflowRefusing(OfMlflow, Refusing):
    pass


class TestWandbRefusing(OfWandb, Refusing):
    pass


class TestMlflowPassing(OfMlflow, Passing):
    pass


class TestWandbPassing(OfWandb, Passing):
    pass


class TestMlflowAlone(OfMlflow):
    """Faults of MLflow's own ways."""

    @pytest.mark.long("reset")
    @pytest.mark.parametrize("fault", [proxy.reset, proxy.slow(5)], ids=name_of)
    def test_a_run_whose_creation_was_not_answered_is_there_once(
        self, site: MlflowSite, tmp_path: Path, fault: Fault
    ) -> None:
        """The server created it at once, or long after it was given up and another one was created."""
        site.proxy.fail(proxy.only("runs/create", fault, times=1))
        job = Job(site, tmp_path)
        if fault is not proxy.reset:
            wait_until(lambda: site.runs(job.id) == 2)
        job.finish()
        wait_until(job.is_gone)
        sync_and_compare(site, job)  # on a busy machine the end may not wait long enough

    def test_an_uploaded_file_that_was_answered_by_a_login_page_is_uploaded_again(
        self, site: MlflowSite, tmp_path: Path
    ) -> None:
        """MLflow's client takes any answer with status 200 for a success there."""
        job = Job(site, tmp_path)
        site.proxy.fail(proxy.only(".txt", proxy.html))
        told_once(job.finish(), site.name, "web page")
        wait_until(job.is_gone)
        site.proxy.lift()
        sync_and_compare(site, job)
