"""One session of ``multitrack.mirror()`` at a time, whoever calls it: threads, forks, repeated calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from observed import Done, recorded, run
from small import PYTHON, losses, under, variables, write

#: ``log(name)`` logs a run of one point.
BEGIN = """
import os, sys, threading
import multitrack
from multitrack.errors import ConfigError

def log(name):
    from tensorboardX import SummaryWriter
    with SummaryWriter(f"logs/{name}") as writer:
        writer.add_scalar("loss", 1.0, 0)

"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "place"


def ran(place: Path, text: str, **environment: str) -> Done:
    """Run a script; its errors are told."""
    program = write(place, BEGIN + text)
    done = run(place, PYTHON, program, **variables(), MULTITRACK_JOURNAL=str(place.parent / "journal"), **environment)
    assert (done.status, done.err) == (0, ""), done.err
    return done


def test_threads_share_one_session(place: Path) -> None:
    text = """
barrier, sessions = threading.Barrier(6), []

def work(number):
    barrier.wait()
    sessions.append(multitrack.mirror())
    log(number)

threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
outcomes = []
threads = [threading.Thread(target=lambda: outcomes.append(sessions[0].finish(60))) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(len(sessions), len({id(each) for each in sessions}), len({id(each) for each in outcomes}))
print(sorted(outcomes[0].runs), outcomes[0].failures)
"""
    assert ran(place, text).out == f"6 1 1\n{[str(each) for each in range(6)]} []\n"
    assert losses(place) == {str(each): [1.0] for each in range(6)}
    assert len(list((place.parent / "journal" / "mirror").glob("*.log"))) == 1, "one follower"


def test_a_second_call_joins_the_session_that_runs(place: Path) -> None:
    text = """
session = multitrack.mirror("wandb")
log("unseen")
assert multitrack.mirror("tensorboard") is session
assert multitrack.mirror("tensorboard", "wandb") is session
print(session.trackers)
try:
    multitrack.mirror(backends=["files"])
except ConfigError as error:
    print(error)
log("seen")
print(session.finish(60).runs)
"""
    told = "this process is mirrored to other backends (those of the config): call finish() of that session first"
    assert ran(place, text).out == f"['wandb', 'tensorboard']\n{told}\n['seen']\n"
    assert losses(place) == {"seen": [1.0]}
    assert recorded(place.parent / "journal")[0].lanes() == {}


def test_finish_can_be_called_again(place: Path) -> None:
    text = """
session = multitrack.mirror("tensorboard")
log("one")
print(session.finish(0))
first = session.finish(60)
print(first.runs, session.finish(60) is first, session.finish(0) is first)
"""
    assert ran(place, text).out == "None\n['one'] True True\n"


def test_the_next_session_after_finish(place: Path) -> None:
    """It has the runs that begin in it, and no call is observed twice."""
    text = """
first = multitrack.mirror("tensorboard")
log("one")
print(first.finish(60).runs)
log("between")
second = multitrack.mirror(backends=["files"])
log("two")
print(second is not first, second.finish(60).runs, first.finish(0).runs)
from tensorboardX.writer import FileWriter
print(hasattr(FileWriter.__init__, "__wrapped__"), hasattr(FileWriter.__init__.__wrapped__, "__wrapped__"))
"""
    assert ran(place, text).out == "['one']\nTrue ['two'] ['one']\nTrue False\n"
    assert losses(place) == {"one": [1.0], "two": [1.0]}
    assert {each.id: {*each.lanes()} for each in recorded(place.parent / "journal")} == {"one": set(), "two": {"files"}}


def test_a_forked_process_belongs_to_the_session(place: Path) -> None:
    """Its runs are followed with the others; only the process that began the session ends it."""
    text = """
session = multitrack.mirror("tensorboard")
child = os.fork()
if not child:
    log("child")
    status = 0 if session.finish(60) is None and multitrack.mirror("tensorboard") is session else 9
    os._exit(status)
log("parent")
print(os.waitpid(child, 0)[1])
log("later")
print(sorted(session.finish(60).runs))
"""
    assert ran(place, text).out == "0\n['child', 'later', 'parent']\n"
    assert losses(place) == {name: [1.0] for name in ("child", "parent", "later")}


def test_a_forked_process_that_writes_nothing_is_not_waited_for(place: Path) -> None:
    """Such as the workers of a loader of data, which may live as long as the program."""
    text = """
session = multitrack.mirror("tensorboard")
read, write = os.pipe()
child = os.fork()
if not child:
    os.close(write)
    os.read(read, 1)  # until the parent closes its end
    os._exit(0)
log("one")
print(session.finish(60).runs)
os.close(write)
print(os.waitpid(child, 0)[1])
"""
    assert ran(place, text).out == "['one']\n0\n"


def test_a_forked_process_that_writes_is_waited_for(place: Path) -> None:
    text = """
session = multitrack.mirror("tensorboard")
read, write = os.pipe()
ready, begun = os.pipe()
child = os.fork()
if not child:
    os.close(write)
    from tensorboardX import SummaryWriter
    writer = SummaryWriter("logs/child")
    os.write(begun, b"x")
    os.read(read, 1)
    writer.add_scalar("loss", 1.0, 0)
    writer.close()  # its own thread writes
    os._exit(0)
os.read(ready, 1)
print(session.finish(1))
os.close(write)
print(session.finish(60).runs)
"""
    assert ran(place, text).out == "None\n['child']\n"
    assert losses(place) == {"child": [1.0]}


def test_a_session_of_a_forked_process_alone(place: Path) -> None:
    text = """
first = multitrack.mirror("tensorboard")
log("parent")
print(first.finish(60).runs, flush=True)
child = os.fork()
second = multitrack.mirror("tensorboard")
log("child" if not child else "again")
print(second.finish(60).runs, flush=True)
if not child:
    os._exit(0)
os.waitpid(child, 0)
"""
    assert sorted(ran(place, text).out.splitlines()) == ["['again']", "['child']", "['parent']"]
    assert losses(place) == {name: [1.0] for name in ("parent", "child", "again")}


def test_under_exec_the_command_records(place: Path) -> None:
    """Further trackers are observed; the session in the code has nothing to wait for."""
    text = """
session = multitrack.mirror("tensorboard")
log("one")
print(session.finish(60))
"""
    done = under(place, PYTHON, write(place, BEGIN + text), options=("--tracker", "wandb"))
    assert (done.status, done.out, done.err) == (
        0,
        "Outcome(runs=[], failures=[], has_process=True, has_use=True)\n",
        "",
    )
    assert losses(place) == {"one": [1.0]}
    assert len(list((place.parent / "journal" / "mirror").glob("*.log"))) == 1, "one follower"
    text = text.replace('"tensorboard")', '"tensorboard", backends=["files"])')
    done = under(place, PYTHON, write(place, BEGIN + text))
    assert done.err == "multitrack: mirror(backends=…) does nothing under `multitrack exec`: use its option --to\n"


def test_nothing_is_waited_for_where_nothing_is_mirrored(place: Path) -> None:
    text = "session = multitrack.mirror()\nlog('one')\nprint(session.finish(60))\n"
    assert (
        ran(place, text, MULTITRACK_DISABLED="1").out
        == "Outcome(runs=[], failures=[], has_process=True, has_use=True)\n"
    )
    assert not (place.parent / "journal" / "runs").exists()


@pytest.mark.parametrize(
    ("config", "journal", "message"),
    [
        ("", "/proc/nowhere", "/proc/nowhere"),
        ('backends = ["flies"]', "journal", "did you mean 'files'?"),
        ("backends = 3", "journal", "backends"),
    ],
)
def test_a_trouble_that_is_known_before_is_said(place: Path, config: str, journal: str, message: str) -> None:
    program = write(place, "import multitrack\nmultitrack.mirror('tensorboard')\nprint('fine')\n")
    (place / "multitrack.toml").write_text(config)
    done = run(place, PYTHON, program, **variables(), MULTITRACK_JOURNAL=journal)
    assert (done.status, done.out) == (0, "fine\n")
    assert done.err.startswith("multitrack: not everything will be mirrored: ")
    assert message in done.err
