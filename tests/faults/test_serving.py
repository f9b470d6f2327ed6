"""A service in each kind of server: every request that was answered is recorded once, and each run has its status."""

import os
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from processes import wait_until
from services import SERVERS, compared, load, loaded, requests_in, runs_of, service
from serving import Chaos

#: Coroutines of one loop, at once, instead of threads.
ASYNC = """
import asyncio

import service


async def predict(image: service.Image, request: service.Request) -> dict[str, int]:
    await asyncio.sleep(0.005)
    return service.predict(image, request)


app = service.FastAPI(lifespan=service.lifespan)
app.post("/predict")(predict)
"""


def pids(home: Path) -> list[int]:
    """The processes that write a run now."""
    return [run.context.pid for run in runs_of(home / ".multitrack", "eu") if run.summary().status == "running"]


#: The suite runs this one; the chaos below has ``gunicorn --preload``.
KEPT = "uvicorn --workers"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("server", "app"),
    [
        *(pytest.param(server, "service:app", marks=() if server == KEPT else pytest.mark.long) for server in SERVERS),
        pytest.param("uvicorn", "tasks:app", marks=pytest.mark.long),
    ],
)
def test_a_server_whose_worker_is_killed(tmp_path: Path, server: str, app: str) -> None:
    (tmp_path / "tasks.py").write_text(ASYNC)
    workers = 1 if server == "uvicorn" else 2
    with service("eu", server, tmp_path, app) as served:
        journal = tmp_path / ".multitrack"
        wait_until(lambda: journal.exists() and len(pids(tmp_path)) >= workers, 120)
        sending = load([served], tmp_path, "--seconds", "4", "--rate", "40")
        wait_until(lambda: requests_in(runs_of(journal, "eu")), 120)
        killed = workers > 1 and "--max-requests" not in server  # which ends workers all the time
        if killed:
            os.kill(pids(tmp_path)[0], signal.SIGKILL)
        sent = loaded(sending, tmp_path)["eu"]
        status = served.stop()
    assert status in (0, -signal.SIGTERM), served.log.read_text()
    runs = runs_of(journal, "eu")
    found = compared(sent, requests_in(runs))
    assert found["answered"] > 20, (found, served.log.read_text())
    assert (found["lost"], found["twice"], found["of nobody"]) == (0, 0, 0), found
    statuses = Counter(run.summary().status for run in runs)
    assert statuses["killed"] == killed, served.log.read_text()
    assert statuses["finished"] == len(runs) - killed
    if "--max-requests" in server:
        assert len(runs) >= found["answered"] // 20 - 1


@pytest.mark.slow
def test_workers_and_couriers_that_are_killed_under_load(tmp_path: Path) -> None:
    """A short form of ``python tests/faults/serving.py``."""
    chaos = Chaos(tmp_path, 15, random.SystemRandom().randrange(10**6), rate=25)
    assert chaos.wrong == []
    assert chaos.seen["workers killed"] > 0
