"""One courier for several training processes."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import multitrack
from multitrack.courier import group, place
from multitrack.courier.group import group_of
from multitrack.courier.hosts import Delivery
from multitrack.courier.node import Node
from multitrack.security.redaction import Redactor
from processes import but_progress, couriers, script, wait_until
from recording_backends import delivered, kept

pytestmark = [pytest.mark.usefixtures("trusted"), pytest.mark.skipif(sys.platform != "linux", reason="Linux only")]

#: A training that says when its run is open, records a point for each line on its standard input, and ends with it.
BODY = """
config = {"courier": "node", "interval": 0.05, **eval(os.environ.get("CONFIG", "{}"))}
backend = "recording_backends:" + os.environ.get("BACKEND", "keyed")
with multitrack.start_run(name=os.environ["NAME"], backends=[backend], config=config) as run:
    run.wait_open()
    print("open", flush=True)
    for step, line in enumerate(sys.stdin):
        if line.strip() == "hurry":
            from multitrack.courier import node_link
            node_link.PATIENCE = 600.0
            node_link.Starvation.look = lambda self: True
            print(run._host.hurry(), run._host.hurry(), flush=True)
            continue
        run.log_metric("x", 1.0, step=step)
        if line.strip() == "flush":
            # However busy the machine is: a flush ends earlier where nothing moves for a while.
            print(any(run.flush(timeout=60).complete for _ in range(9)), flush=True)
print(run.end().complete)
"""


class Training:
    """A training process of :data:`BODY`, in the current directory."""

    def __init__(self, name: str, **environment: str) -> None:
        self.process = script(Path.cwd(), BODY, NAME=name, **environment)

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def opened(self) -> "Training":
        assert self.says() == "open", self.process.communicate()
        return self

    def log(self, line: str = "") -> None:
        """Record a point."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def flush(self) -> bool:
        """Record a point and wait until everything is delivered."""
        self.log("flush")
        return self.says() == "True"

    def end(self) -> tuple[str, list[str]]:
        """End it; return the last line on stdout, and stderr."""
        out, errors = self.process.communicate(timeout=120)
        return out.strip(), but_progress(errors)


@contextlib.contextmanager
def trainings(*names: str, **environment: str) -> Iterator[list[Training]]:
    """Trainings whose runs are open."""
    started = [Training(name, **environment) for name in names]
    try:
        yield [training.opened() for training in started]
    finally:
        for training in started:
            training.process.kill()
            training.process.communicate()


def steps(run: str) -> list[int]:
    return [line["record"]["step"] for line in kept(Path("delivered.jsonl"), "metric") if line["name"] == run]


def opened_by() -> list[int]:
    """The process that opened each run, each time."""
    return [line["pid"] for line in delivered(Path("delivered.jsonl"), "open")]


def test_two_trainings_share_a_courier_that_ends_with_the_second() -> None:
    with trainings("a", "b") as (a, b):
        (courier,) = couriers()
        assert opened_by() == [courier, courier]
        for training in (a, b):
            assert training.flush()
        assert a.end() == ("True", [])
        assert couriers() == [courier]
        assert b.flush()
        assert b.end() == ("True", [])
    assert (steps("a"), steps("b")) == ([0], [0, 1])
    assert len(delivered(Path("delivered.jsonl"), "close")) == 2
    wait_until(lambda: couriers() == [])


@pytest.mark.long
def test_it_is_the_child_of_no_training() -> None:
    with trainings("a") as (a,):
        (courier,) = couriers()
        children = Path(f"/proc/{a.process.pid}/task/{a.process.pid}/children").read_text().split()
        assert children == []
        fields = Path(f"/proc/{courier}/stat").read_text().rpartition(")")[2].split()
        assert int(fields[1]) != a.process.pid
        assert a.end() == ("True", [])


def test_every_thread_but_the_one_that_lets_processes_in_has_the_lowest_priority() -> None:
    with trainings("a") as (a,):
        assert a.flush()
        (courier,) = couriers()
        threads = [int(entry.name) for entry in Path(f"/proc/{courier}/task").iterdir()]
        niceness = {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}
        assert niceness.pop(courier) == os.getpriority(os.PRIO_PROCESS, 0)
        assert len(niceness) > 2
        assert set(niceness.values()) == {19}
        assert a.end() == ("True", [])


def test_another_courier_takes_over_when_it_is_killed() -> None:
    with trainings("a", "b") as both:
        assert all(training.flush() for training in both)
        (first,) = couriers()
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: first not in couriers())
        assert all(training.flush() for training in both)
        (second,) = couriers()
        told = [training.end() for training in both]
    said = ["multitrack: the shared courier died; going on with another one"]
    assert told == [("True", said), ("True", said)]
    assert sorted(opened_by()) == sorted([first, first, second, second])
    assert (steps("a"), steps("b")) == ([0, 1], [0, 1])


@pytest.mark.long
def test_each_has_a_courier_of_its_own_if_the_shared_one_dies_again_and_again() -> None:
    with trainings("a") as (a,):
        for _ in range(4):
            assert a.flush()
            (courier,) = couriers()
            os.kill(courier, signal.SIGKILL)
            wait_until(lambda pid=courier: pid not in couriers())
        assert a.flush()
        (own,) = couriers()
        assert Path(f"/proc/{own}/stat").read_text().rpartition(")")[2].split()[1] == str(a.process.pid)
        out, errors = a.end()
    assert out == "True"
    assert errors == [*["multitrack: the shared courier died; going on with another one"] * 3,
                      "multitrack: no shared courier (it died 4 times within 300 s); this process starts its own"]  # fmt: skip
    assert steps("a") == list(range(5))


@pytest.mark.long("credentials", "options")
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"KEYED_API_KEY": "one"}, {"KEYED_API_KEY": "two"}),
        ({"HTTPS_PROXY": "http://user:one@proxy"}, {}),
        ({"CONFIG": "{'keyed': {'secret': 'one'}}"}, {"CONFIG": "{'keyed': {'secret': 'two'}}"}),
        ({"BACKEND": "keyed"}, {"BACKEND": "file"}),
        ({"CONFIG": "{'journal': 'one'}"}, {"CONFIG": "{'journal': 'two'}"}),
        ({"PYTHONPATH": f"{Path(__file__).parents[1]}:/elsewhere"}, {}),
    ],
    ids=["credentials", "environment", "options", "backends", "journal", "module path"],
)
def test_processes_that_differ_share_no_courier(first: dict[str, str], second: dict[str, str]) -> None:
    with trainings("a", **first) as (a,), trainings("b", **second) as (b,):
        assert len(couriers()) == 2
        assert [training.flush() for training in (a, b)] == [True, True]
        opened = delivered(Path("delivered.jsonl"), "open")
        assert len({line["pid"] for line in opened}) == 2
        keys = {line["name"]: line.get("key") for line in opened}
        assert (keys["a"], keys["b"]) == (first.get("KEYED_API_KEY"), second.get("KEYED_API_KEY"))
        assert [training.end() for training in (a, b)] == [("True", []), ("True", [])]


def test_no_secret_is_in_a_file_or_a_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with trainings("a", KEYED_API_KEY="hunter2", CONFIG="{'keyed': {'secret': 'hunter3'}}") as (a,):
        (courier,) = couriers()
        (socket,) = (tmp_path / "multitrack").glob("*.sock")
        assert socket.name in Path("/proc/net/unix").read_text()
        assert b"hunter" not in Path(f"/proc/{courier}/cmdline").read_bytes()
        assert (tmp_path / "multitrack").stat().st_mode & 0o777 == 0o700
        assert a.flush()
        assert a.end() == ("True", [])
    wait_until(lambda: couriers() == [])
    files = [
        path for path in tmp_path.rglob("*") if path.is_file() and path.name not in ("delivered.jsonl", "train.py")
    ]
    assert len(files) > 3
    assert [path for path in files if b"hunter" in path.read_bytes()] == []
    assert [path.name for path in (tmp_path / "multitrack").iterdir()] == ["salt"]


def test_a_name_tells_nothing_without_the_salt(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = []
    for each in ("one", "two"):
        (tmp_path / each).mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / each))
        names += [place.place_of(b"password").name, place.place_of(b"password").name]
    assert names[0] == names[1] != names[2] == names[3]


def test_a_courier_whose_files_were_cleaned_up_removes_none_of_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = place.place_of(b"facts")
    first = found.lock()
    assert first is not None
    assert found.lock() is None
    path = tmp_path / "multitrack" / f"{found.name}.lock"
    path.unlink()
    second = found.lock()
    assert second is not None
    found.leave(first)
    assert path.exists()
    found.leave(second)
    assert not path.exists()
    os.close(first)
    os.close(second)


def test_hosts_and_containers_that_share_a_directory_have_couriers_of_their_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = group_of(tmp_path / "journal" / "runs" / "a", Delivery())
    names = {place.place_of(run.facts()).name for _ in range(2)}
    assert len(names) == 1
    for facts in (["other", "boot", "pid:[1]"], ["host", "other", "pid:[1]"], ["host", "boot", "pid:[2]"]):
        monkeypatch.setattr(group, "_host", lambda facts=facts: facts)
        names.add(place.place_of(run.facts()).name)
    assert len(names) == 4


def test_a_call_that_hangs_holds_no_other_process_up() -> None:
    patience = {"KEYED_PATIENCE": "2"}
    with trainings("hung", CONFIG="{'exit': 'detach'}", **patience) as (hung,), trainings("b", **patience) as (b,):
        (courier,) = couriers()
        hung.log()
        assert b.flush()
        _, errors = hung.end()
        assert "0 delivered, 1 pending; the courier goes on" in errors[0]
        # Nothing but the courier's end ends the call: its lanes are free for others then, and not before.
        wait_until(lambda: courier not in couriers(), 60)
        assert b.flush()
        assert b.end()[0] == "True"
        (second,) = set(opened_by()) - {courier}
    assert steps("b") == [0, 1]
    wait_until(lambda: second not in couriers())


def test_a_killed_training_is_ended_while_another_goes_on() -> None:
    with trainings("a", "b") as (a, b):
        assert a.flush()
        a.process.kill()
        a.process.communicate()
        wait_until(lambda: delivered(Path("delivered.jsonl"), "close"))
        (closed,) = delivered(Path("delivered.jsonl"), "close")
        assert (closed["name"], closed["status"]) == ("a", "killed")
        assert b.flush()
        assert b.end() == ("True", [])
    assert len(set(opened_by())) == 1


@pytest.mark.long
def test_death_is_seen_though_another_process_holds_the_connection() -> None:
    """As one does that C code forked."""
    held = (
        "import subprocess\nfrom multitrack.recording import couriers\n"
        "run = multitrack.start_run(backends=['recording_backends:keyed'], config={'courier': 'node'})\nrun.wait_open()\n"
        "orders = couriers._hosts['node']._links[0]._ours\n"
        "holder = subprocess.Popen(['sleep', '60'], pass_fds=[orders.fileno()])\nprint(holder.pid, flush=True)\n"
        "run.log_metric('x', 1.0, step=0)\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    training = script(Path.cwd(), held)
    assert training.stdout is not None
    holder = int(training.stdout.readline())
    try:
        wait_until(lambda: delivered(Path("delivered.jsonl"), "close"))
        wait_until(lambda: couriers() == [])
    finally:
        os.kill(holder, signal.SIGKILL)
        training.communicate()
    assert delivered(Path("delivered.jsonl"), "close")[0]["status"] == "killed"


def test_what_a_tracker_says_goes_to_the_process_that_it_concerns() -> None:
    with trainings("a", BACKEND="raising") as (a,), trainings("b", BACKEND="raising") as (b,):
        assert len(couriers()) == 1
        a.log()
        wait_until(lambda: "no metric today" in "".join(path.read_text() for path in Path(".multitrack").glob("*.log")))
        assert a.end()[1] != []
        assert [line for line in b.end()[1] if "no metric today" in line] == []


@pytest.mark.long
def test_a_training_that_has_ended_leaves_nobody_waiting_for_its_stderr() -> None:
    with trainings("a", "b") as (a, b):
        assert a.flush()
        out, _ = a.process.communicate(timeout=20)  # returns once nobody has its stderr any more
        assert out == "True\n"
        assert len(couriers()) == 1
        assert b.end() == ("True", [])


def test_a_starved_courier_gives_way_unless_another_process_needs_it() -> None:
    with trainings("a", "b") as (a, b):
        (courier,) = couriers()
        a.log("hurry")
        assert a.says() == "True True"
        assert [training.flush() for training in (a, b)] == [True, True]
        assert couriers() == [courier]
        assert b.end() == ("True", [])
        while courier in couriers() or not couriers():  # a process that waits for delivery asks again and again
            a.log("hurry")
            assert a.says() == "True True"
        (own,) = couriers()
        fields = Path(f"/proc/{own}/stat").read_text().rpartition(")")[2].split()
        assert fields[1] == str(a.process.pid)
        assert int(fields[16]) == os.getpriority(os.PRIO_PROCESS, 0)
        assert a.flush()
        assert a.end() == ("True", [])
    assert len(steps("a")) == 2


def test_it_ends_when_asked_to_and_another_goes_on() -> None:
    with trainings("a") as (a,):
        assert a.flush()
        (first,) = couriers()
        os.kill(first, signal.SIGTERM)
        wait_until(lambda: first not in couriers())
        assert a.flush()
        assert a.end() == ("True", [])  # it was told, so this was no death
    assert steps("a") == [0, 1]


def test_processes_that_it_keeps_waiting_join_another_when_it_is_asked_to_end() -> None:
    with trainings("a", "b") as both:
        (first,) = couriers()
        os.kill(first, signal.SIGSTOP)  # so that it reads all of this at once, in whatever order
        for training in both:
            training.log("hurry")
            assert training.says() == "True True"
        os.kill(first, signal.SIGTERM)
        os.kill(first, signal.SIGCONT)
        wait_until(lambda: first not in couriers())
        assert all(training.flush() for training in both)
        (second,) = couriers()
        assert [training.end() for training in both] == [("True", []), ("True", [])]
    assert sorted(opened_by()) == sorted([first, first, second, second])
    assert (steps("a"), steps("b")) == ([1], [1])


def test_the_first_process_at_the_next_courier_does_not_take_it_from_the_others() -> None:
    with trainings("a", "b") as (a, b):
        (first,) = couriers()
        a.log("hurry")
        assert a.says() == "True True"
        os.kill(b.process.pid, signal.SIGSTOP)
        os.kill(first, signal.SIGTERM)
        wait_until(lambda: first not in couriers())
        for _ in range(3):
            assert a.flush()
            a.log("hurry")
            assert a.says() == "True True"
        os.kill(b.process.pid, signal.SIGCONT)
        assert [training.flush() for training in (a, b)] == [True, True]
        (second,) = couriers()
        assert [training.end() for training in (a, b)] == [("True", []), ("True", [])]
    assert sorted(opened_by()) == sorted([first, first, second, second])


def test_a_courier_that_ends_anyway_gives_way_to_nobody(tmp_path: Path) -> None:
    """Its last session is alone only because those of the other processes have ended before."""
    found = place.Place(tmp_path, "group")
    lock = found.lock()
    assert lock is not None
    with found.listen() as listener:
        asked, told = (Node(found, listener, lock, Redactor()) for _ in range(2))
        told.terminate()
        assert (asked._give_way(), told._give_way()) == (True, False)
    signal.set_wakeup_fd(-1)
    os.close(lock)


def test_the_rest_of_a_training_that_has_ended_goes_to_the_next_courier() -> None:
    with trainings("a", BACKEND="down", CONFIG="{'exit': 'detach'}") as (a,):
        a.log()
        assert a.process.stdin is not None
        a.process.stdin.close()
        a.process.stdin = None
        assert a.process.wait(20) == 0
        (first,) = couriers()
        os.kill(first, signal.SIGTERM)
        wait_until(lambda: first not in couriers(), 40)
        (second,) = couriers()
        assert second != first
        Path("go").touch()
        wait_until(lambda: couriers() == [])
    assert steps("a") == [0]
    assert delivered(Path("delivered.jsonl"), "close")[0]["status"] == "finished"


@pytest.mark.long
def test_files_that_were_left_do_no_harm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with trainings("a") as (a,):
        (courier,) = couriers()
        os.kill(courier, signal.SIGKILL)
        a.process.kill()
    left = {path.name for path in (tmp_path / "multitrack").iterdir()}
    assert len(left) == 3
    (tmp_path / "multitrack" / f"{'0' * 32}.lock").touch()  # another group's
    with trainings("b") as (b,):
        assert {path.name for path in (tmp_path / "multitrack").iterdir()} == left
        assert b.flush()
        assert b.end() == ("True", [])


def test_a_directory_that_others_may_use_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    private = tmp_path / f"multitrack-{os.geteuid()}"
    private.mkdir()
    private.chmod(0o770)
    with trainings("a") as (a,):
        assert a.flush()
        out, errors = a.end()
    assert out == "True"
    assert errors == [f"multitrack: no shared courier ({private} is not a directory of this user alone: "
                      "remove it); this process starts its own"]  # fmt: skip
    assert list(private.iterdir()) == []


@pytest.mark.long
def test_forked_and_spawned_processes_share_it() -> None:
    training = script(
        Path.cwd(),
        "import multiprocessing\n"
        "def work(n):\n"
        "    config = {'courier': 'node'}\n"
        "    with multitrack.start_run(name=str(n), backends=['recording_backends:keyed'], config=config) as run:\n"
        "        run.log_metric('x', 1.0, step=n)\n"
        "    return run.end().complete\n"
        "if __name__ == '__main__':\n"
        "    for kind in ('fork', 'spawn'):\n"
        "        with multiprocessing.get_context(kind).Pool(2) as pool:\n"
        "            print(pool.map(work, range(3), chunksize=1), flush=True)\n"
        "            pool.close(); pool.join()\n",
    )
    out, errors = training.communicate(timeout=120)
    assert (out, but_progress(errors)) == ("[True, True, True]\n[True, True, True]\n", [])
    assert len(delivered(Path("delivered.jsonl"), "close")) == 6
    wait_until(lambda: couriers() == [])


@pytest.mark.long
def test_one_process_with_runs_of_several_groups_keeps_them_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = []
    for n in range(6):  # more than one process may share couriers for
        monkeypatch.setenv("KEYED_API_KEY", str(n))
        runs.append(multitrack.start_run(backends=["recording_backends:keyed"], config={"courier": "node"}))
        runs[-1].wait_open()
    assert all(run.end().complete for run in runs)
    opened = delivered(Path("delivered.jsonl"), "open")
    assert [line["key"] for line in opened] == list("012345")
    assert len({line["pid"] for line in opened}) == 5
