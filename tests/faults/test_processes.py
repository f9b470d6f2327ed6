"""The process fails, or ends as no tutorial shows: forks, signals, exits, no descriptors left, couriers that die."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.delivery.lane import Lane
from multitrack.delivery.lane_state import read_state
from multitrack.recording.run import Run
from processes import but_progress, couriers, script, wait_until
from recording_backends import delivered, kept

pytestmark = pytest.mark.usefixtures("trusted")


def start(*backends: object, **config: Any) -> Run:
    return multitrack.start_run("p", backends=list(backends), config={"interval": 0.05, **config})


def steps(path: Path, name: str = "x") -> list[int]:
    records = [line["record"] for line in kept(path, "metric")]
    return [record["step"] for record in records if name in record["values"]]


# -- couriers that die ----------------------------------------------------------------------------------------


def kill_couriers() -> None:
    for pid in couriers():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: couriers() == [])


def test_a_dead_courier_is_noticed_while_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """By the next recording calls, not only at the end or a flush."""
    monkeypatch.setattr("multitrack.recording.run_journal._LOOK_EVERY", 50)
    run = start("recording_backends:file")
    run.log_metric("x", 1.0, step=0)
    run.flush(timeout=20)
    kill_couriers()
    step = 1
    while 1 not in steps(tmp_path / "delivered.jsonl"):
        run.log_metric("x", 1.0, step=step)
        step += 1
        time.sleep(0.01)
        assert step < 2000
    assert "the courier process died; starting it again" in caplog.text
    run.end()
    assert steps(tmp_path / "delivered.jsonl") == list(range(step))


def test_a_courier_that_dies_again_and_again_is_left_to_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("multitrack.recording.run_journal._LOOK_EVERY", 20)
    run = start("recording_backends:waiting")  # so that none delivers before it dies
    assert run.directory is not None
    for step in range(4):
        wait_until(lambda: bool(couriers()))
        kill_couriers()
        time.sleep(0.03)
        run.log_metric("x", 1.0, step=step)
    assert "died 4 times; run `multitrack sync` later" in caplog.text
    time.sleep(0.05)
    run.log_metric("x", 1.0, step=4)
    assert couriers() == []
    before = time.monotonic()
    report = run.end()
    assert time.monotonic() - before < 20  # nobody is there to be waited for
    assert report["waiting"].pending == 5
    assert "send the rest with: multitrack sync" in caplog.text
    (tmp_path / "go").touch()
    assert multitrack.sync()[run.id].complete
    assert steps(tmp_path / "delivered.jsonl") == list(range(5))


def test_a_training_that_dies_before_its_courier_has_read_of_the_run_is_delivered(tmp_path: Path) -> None:
    """Somebody else holds the pipe open, so that nothing but the death itself is seen."""
    run = start("recording_backends:file", delivery="off")
    run.log_metric("x", 1.0, step=0)
    run.end()
    courier = (
        "import os, pathlib, time\nimport multitrack.courier.__main__ as loop\n"
        "read, parent = loop._listen, os.getppid()\n"
        "def late(*arguments):\n"
        "    time.sleep(0.3)\n    pathlib.Path('listening').touch()\n"
        "    while os.getppid() == parent: time.sleep(0.01)\n"
        "    time.sleep(1.2)\n    read(*arguments)\n"  # by then the death has been seen
        "loop._listen = late\nloop.main(['.multitrack', '0'])\n"
    )
    (entry,) = run.manifest.backends
    order = json.dumps({"add": str(run.directory), "options": {entry.name: entry.options}})
    training = script(
        tmp_path,
        "import pathlib, subprocess\n"
        f"child = subprocess.Popen([sys.executable, '-c', {courier!r}], stdin=subprocess.PIPE)\n"
        f"child.stdin.write({order!r}.encode() + b'\\n')\nchild.stdin.flush()\n"
        "holder = subprocess.Popen(['sleep', '60'], pass_fds=[child.stdin.fileno()], stdout=subprocess.DEVNULL, "
        "stderr=subprocess.DEVNULL)\nprint(holder.pid, flush=True)\n"
        "while not pathlib.Path('listening').exists(): time.sleep(0.01)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n",
    )
    assert training.stdout is not None
    holder = int(training.stdout.readline())
    try:
        wait_until(lambda: bool(delivered(tmp_path / "delivered.jsonl", "close")))
    finally:
        os.kill(holder, signal.SIGKILL)
        training.communicate(timeout=60)
    assert steps(tmp_path / "delivered.jsonl") == [0]


@pytest.mark.slow
def test_a_hung_tracker_does_not_keep_the_courier_of_a_dead_training(tmp_path: Path) -> None:
    """It goes when nothing has moved for 30 s; the other tracker has everything by then."""
    training = script(
        tmp_path,
        "run = multitrack.start_run(backends=['recording_backends:hung', 'recording_backends:file'])\n"
        "run.log_metric('x', 1.0, step=0)\nrun.wait_open()\nos.kill(os.getpid(), signal.SIGKILL)\n",
    )
    training.communicate(timeout=60)
    wait_until(lambda: bool(delivered(tmp_path / "delivered.jsonl", "close")))
    wait_until(lambda: couriers() == [], seconds=90)
    (run,) = multitrack.open_journal().runs()
    assert read_state(run.directory, "hung").delivered == 0
    assert read_state(run.directory, "file").settled


def test_two_syncs_at_once_deliver_once(tmp_path: Path) -> None:
    run = start("recording_backends:file", delivery="off")
    for step in range(20_000):
        run.log_metric("x", 1.0, step=step)
    run.end()
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    syncs = [
        subprocess.Popen(
            [sys.executable, "-m", "multitrack", "sync"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    for sync in syncs:
        sync.communicate(timeout=120)
    assert [line["record"]["step"] for line in delivered(tmp_path / "delivered.jsonl", "metric")] == list(range(20_000))
    assert len(delivered(tmp_path / "delivered.jsonl", "close")) == 1


def test_the_lock_of_a_killed_sync_is_no_lock(tmp_path: Path) -> None:
    run = start("recording_backends:hung", delivery="off")
    run.log_metric("x", 1.0, step=0)
    run.end()
    assert run.directory is not None
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    holder = subprocess.Popen(
        [sys.executable, "-m", "multitrack", "sync"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}
    )
    wait_until(lambda: read_state(run.directory or Path(), "hung").id is not None)
    said: list[str] = []
    assert multitrack.sync(wait=False, notice=said.append)[run.id]["hung"].pending == 1  # somebody alive has it
    assert said == [f"hung: run {run.id} is left to process {holder.pid}, which is delivering it"]
    holder.kill()
    holder.wait()
    lane = Lane(run.directory, run.manifest.backends[0], options={}, notice=print)
    lane.step()
    assert lane.opened
    lane.release()


# -- forks ----------------------------------------------------------------------------------------------------


def test_a_pool_of_forked_workers_logs(tmp_path: Path) -> None:
    training = script(
        tmp_path,
        "import multiprocessing, threading\n"
        "run = multitrack.start_run(backends=['recording_backends:file'])\n"
        "def work(number):\n    run.log_metric(f'w{number}', 1.0, step=number)\n    return os.getpid()\n"
        "stop = threading.Event()\n"
        "def busy():\n"
        "    step = 0\n"
        "    while not stop.is_set():\n        run.log_metric('x', 1.0, step=step)\n        step += 1\n"
        "thread = threading.Thread(target=busy)\nthread.start()\n"  # so that forks meet held locks
        "for _ in range(5):\n"
        "    with multiprocessing.get_context('fork').Pool(4) as pool:\n"
        "        pool.map(work, range(8))\n        pool.close()\n        pool.join()\n"
        "stop.set()\nthread.join()\nrun.end()\n",
    )
    _, errors = training.communicate(timeout=120)
    assert (training.returncode, but_progress(errors)) == (0, []), errors
    names = [next(iter(line["record"]["values"])) for line in kept(tmp_path / "delivered.jsonl", "metric")]
    assert {name: names.count(name) for name in names if name != "x"} == {f"w{n}": 5 for n in range(8)}
    found = steps(tmp_path / "delivered.jsonl")
    assert found == list(range(len(found)))
    assert delivered(tmp_path / "delivered.jsonl", "close")[0]["status"] == "finished"
    wait_until(lambda: couriers() == [])


@pytest.mark.slow
def test_the_workers_of_tf_data_log(tmp_path: Path) -> None:
    """They are threads of TensorFlow's own, which Python has never seen before."""
    training = script(
        tmp_path,
        "import tensorflow as tf\n"
        "run = multitrack.start_run(backends=['recording_backends:file'])\n"
        "def look(i):\n    run.log_metric('x', 1.0, step=int(i))\n    return i\n"
        "data = tf.data.Dataset.range(200).map(lambda i: tf.py_function(look, [i], tf.int64), num_parallel_calls=4)\n"
        "print(sum(int(i) for i in data))\nrun.end()\n",
        TF_CPP_MIN_LOG_LEVEL="3",
    )
    out, errors = training.communicate(timeout=200)
    assert out == "19900\n", errors
    assert sorted(steps(tmp_path / "delivered.jsonl")) == list(range(200))


# -- ends -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("os._exit(0)", "killed"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "killed"),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(5)", "killed"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed"),
        ("signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\nwith run: os.kill(os.getpid(), signal.SIGTERM); time.sleep(5)", "killed"),
        ("raise MemoryError", "failed"),
        ("sys.exit()", "finished"),
    ],
)  # fmt: skip
def test_however_a_process_ends_everything_arrives(tmp_path: Path, body: str, status: str) -> None:
    training = script(
        tmp_path,
        "run = multitrack.start_run(backends=['recording_backends:file'])\nrun.wait_open()\n"
        f"for i in range(500): run.log_metric('x', 1.0, step=i)\n{body}\n",
    )
    training.communicate(timeout=60)
    wait_until(lambda: bool(delivered(tmp_path / "delivered.jsonl", "close")))
    assert steps(tmp_path / "delivered.jsonl") == list(range(500))
    assert [line["status"] for line in delivered(tmp_path / "delivered.jsonl", "close")] == [status]
    wait_until(lambda: couriers() == [])


def test_what_logs_while_the_interpreter_goes_does_not_break_it(tmp_path: Path) -> None:
    """Exit hooks from before and after, objects that log when they go, threads that never stop."""
    training = script(
        tmp_path,
        "import atexit, threading\n"
        "late = []\n"
        "def quiet(*args):\n"
        "    try: run.log_metric('late', 1.0, step=0)\n"
        "    except multitrack.RunClosedError: late.append(1)\n"
        "atexit.register(quiet)\n"
        "run = multitrack.start_run(backends=['recording_backends:file'])\n"
        "atexit.register(lambda: run.log_metric('early', 1.0, step=0))\n"
        "class Goes:\n    __del__ = quiet\n"
        "goes = Goes()\n"
        "def forever():\n"
        "    while True:\n        quiet()\n        time.sleep(0.001)\n"
        "threading.Thread(target=forever, daemon=True).start()\n"
        "for i in range(50): run.log_metric('x', 1.0, step=i)\n",
    )
    _, errors = training.communicate(timeout=60)
    assert (training.returncode, but_progress(errors)) == (0, [])
    assert steps(tmp_path / "delivered.jsonl") == list(range(50))
    assert steps(tmp_path / "delivered.jsonl", "early") == [0]
    assert delivered(tmp_path / "delivered.jsonl", "close")[0]["status"] == "finished"


def test_out_of_file_descriptors_the_open_run_goes_on(tmp_path: Path) -> None:
    """No courier can be started either; the end says what is pending instead of waiting for one."""
    training = script(
        tmp_path,
        "import resource\n"
        "run = multitrack.start_run(backends=['recording_backends:file'], config={'delivery': 'off'})\n"
        "held = []\n"
        "from multitrack.courier import process_host\nfrom multitrack.recording import lifecycle\nlifecycle.join_context(run)\n"  # which holds pipes while it asks git
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, 4096))\n"
        "try:\n    while True: held.append(os.open('/dev/null', os.O_RDONLY))\n"
        "except OSError: pass\n"
        "for i in range(50): run.log_metric('x', 1.0, step=i)\n"
        "try: multitrack.start_run(run_id='other')\n"
        "except multitrack.JournalError as error: print(error.errno)\n"
        "run._host = process_host.ProcessHost(run.directory.parent.parent)\n"
        "run._host.add(run.directory, run.delivery)\n"
        "run.end()\n"
        "for fd in held: os.close(fd)\n"
        "print(len(list(multitrack.open_journal().runs())))\n",
    )
    out, errors = training.communicate(timeout=60)
    assert out == "24\n1\n", errors
    assert "cannot start the courier" in errors
    assert "send the rest with: multitrack sync" in errors
    (report,) = multitrack.sync().values()
    assert report.complete
    assert steps(tmp_path / "delivered.jsonl") == list(range(50))


@pytest.mark.parametrize("many", [25, pytest.param(100, marks=pytest.mark.long)])
def test_64_threads_log_at_once(tmp_path: Path, many: int) -> None:
    import threading

    run = start("recording_backends:file")
    barrier = threading.Barrier(64)

    def work(number: int) -> None:
        barrier.wait()
        for step in range(many):
            run.log_metric(f"t{number}", float(step), step=step)
            run.log_list_metric("list", [number])
            run.log_lines(f"{number} {step}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = run.end()
    assert (report["file"].delivered, report.complete, report.lost) == (64 * 3 * many, True, 0)
    for number in range(64):
        assert steps(tmp_path / "delivered.jsonl", f"t{number}") == list(range(many))
    lists = [line["record"] for line in kept(tmp_path / "delivered.jsonl", "list")]
    assert sorted(value for record in lists for value in record["values"]) == sorted([*range(64)] * many)
    times = [line["time"] for line in kept(tmp_path / "delivered.jsonl", "metric")]
    assert times == sorted(times)


# -- clocks ---------------------------------------------------------------------------------------------------


def test_a_clock_that_is_set_back_changes_neither_order_nor_the_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an hour, in mid-run; a lane that gave up before is still known to have done so."""
    run = start("recording_backends:file", "recording_backends:closed", delivery="thread")
    run.log_metric("x", 1.0, step=0)
    assert run.directory is not None
    wait_until(lambda: read_state(run.directory or tmp_path, "closed").stopped)
    real = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: real() - 3_600_000_000_000)
    run.log_metric("x", 1.0, step=1)
    before = time.monotonic()
    report = run.end()
    assert time.monotonic() - before < 20
    assert (report["file"].complete, report["closed"].pending) == (True, 2)
    (recorded,) = multitrack.open_journal().runs()
    times = [record.time for record in recorded.records()]
    assert times == sorted(times)
    assert recorded.summary().ended >= recorded.manifest.created
    again = multitrack.start_run(run_id=run.id, backends=[], config={"delivery": "off"})
    again.log_metric("x", 1.0, step=2)
    again.end()
    times = [record.time for record in recorded.records()]
    assert times == sorted(times)
    assert multitrack.sync()[run.id]["file"].complete
    assert steps(tmp_path / "delivered.jsonl") == [0, 1, 2]
