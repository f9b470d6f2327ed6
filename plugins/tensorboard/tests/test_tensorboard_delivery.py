"""Whole and once, whatever dies: the saved position, the torn file, and a TensorBoard that reads meanwhile."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tensorboard_file import accumulated, find_place, hparams_of, read_run

import multitrack
from multitrack.errors import BackendNotInstalledError
from multitrack_tensorboard import event_file, files, internals
from multitrack_tensorboard.note import Note, note_of, save_note

RECORDS = files.RECORDS_FILE


def start(tmp_path: Path, journal: str = "journal", **arguments: Any) -> multitrack.Run:
    config = {
        "journal": str(tmp_path / journal), "delivery": "off", "tensorboard": {"directory": str(tmp_path / "logs")}
    }  # fmt: skip
    return multitrack.start_run(
        **{"project": "p", "name": "n", "config": config, "backends": ["tensorboard"], **arguments}
    )


def lane(run: multitrack.Run) -> Path:
    assert run.directory is not None
    return run.directory / "lanes" / "tensorboard"


def forget(run: multitrack.Run) -> None:
    """As if the courier had been killed before it saved the lane's position."""
    lane(run).with_suffix(".json").unlink()


def note(run: multitrack.Run) -> Note:
    found = note_of(lane(run))
    assert found is not None
    return found


def steps(place: Path, name: str = "loss") -> list[int]:
    return [point.step for point in read_run(place).series[name]]


def log(run: multitrack.Run, first: int, count: int = 10) -> None:
    for step in range(first, first + count):
        run.log_metric("loss", step / 3, step=step)
        run.log_lines(f"step {step}")


@pytest.mark.parametrize("behind", [b"\x00" * 7, "whole", "torn", "more"])
def test_what_a_killed_courier_wrote_behind_its_position_is_dropped(tmp_path: Path, behind: Any) -> None:
    run = start(tmp_path)
    log(run, 0)
    multitrack.sync(tmp_path / "journal")
    place = find_place(tmp_path / "logs", run.id)
    before, saved = (place / RECORDS).read_bytes(), note(run)
    log(run, 10)
    multitrack.sync(tmp_path / "journal")
    after = (place / RECORDS).read_bytes()
    added = after[len(before) :]
    # Back to before the second batch, with all or a part of it behind the noted size.
    save_note(lane(run), saved)
    forget(run)
    # "more": what the journal lost in a power cut
    tail = {"whole": added, "torn": added[: len(added) // 2 + 3], "more": added + added}.get(behind, behind)
    (place / RECORDS).write_bytes(before + tail)
    run.end()
    multitrack.sync(tmp_path / "journal")
    assert (place / RECORDS).read_bytes() == after
    assert steps(place) == list(range(20))


def test_the_file_does_not_depend_on_the_batches(tmp_path: Path) -> None:
    """Kinds that are mixed within a batch are written in the order of the journal."""
    run = start(tmp_path)
    sizes = []
    for step in range(0, 30, 10):
        log(run, step)
        multitrack.sync(tmp_path / "journal")
        sizes.append(note(run).offset)
    place = find_place(tmp_path / "logs", run.id)
    piecemeal = (place / RECORDS).read_bytes()
    assert len(piecemeal) == sizes[-1]
    save_note(lane(run), Note())
    forget(run)
    run.end()
    multitrack.sync(tmp_path / "journal")
    assert (find_place(tmp_path / "logs", run.id) / RECORDS).read_bytes() == piecemeal


def test_a_reader_that_is_open_sees_each_point_once(tmp_path: Path) -> None:
    """It has read more than the position says, and a torn record, when the file is cut and written again."""
    run = start(tmp_path)
    log(run, 0)
    multitrack.sync(tmp_path / "journal")
    saved = note(run)
    log(run, 10)
    multitrack.sync(tmp_path / "journal")
    place = find_place(tmp_path / "logs", run.id)
    whole = (place / RECORDS).read_bytes()
    (place / RECORDS).write_bytes(whole[:-11])
    reader = accumulated(place)
    assert len(reader.Tensors("loss")) == 20
    save_note(lane(run), saved)
    forget(run)
    log(run, 20)
    run.end()
    multitrack.sync(tmp_path / "journal")
    reader.Reload()
    assert [event.step for event in reader.Tensors("loss")] == list(range(30))
    assert [event.step for event in reader.Tensors("multitrack/lines/log")] == list(range(30))


def test_what_is_behind_is_dropped_even_if_nothing_follows(tmp_path: Path) -> None:
    run = start(tmp_path)
    log(run, 0)
    multitrack.sync(tmp_path / "journal")
    place = find_place(tmp_path / "logs", run.id)
    whole = (place / RECORDS).read_bytes()
    (place / RECORDS).write_bytes(whole + whole)
    run.end()
    multitrack.sync(tmp_path / "journal")
    assert (place / RECORDS).read_bytes() == whole


@pytest.mark.parametrize("lost", ["note", "damaged note", "records", "directory", "claim"])
def test_whatever_is_lost_is_written_again(tmp_path: Path, lost: str) -> None:
    run = start(tmp_path, params={"lr": 0.5})
    log(run, 0)
    multitrack.sync(tmp_path / "journal")
    place = find_place(tmp_path / "logs", run.id)
    if lost == "note":
        (lane(run) / "note.json").unlink()
    elif lost == "damaged note":
        (lane(run) / "note.json").write_bytes(b'{"offset": 3')
    elif lost == "records":
        (place / RECORDS).unlink()
    elif lost == "directory":
        shutil.rmtree(place)
    else:
        (place / ".multitrack.json").unlink()
    log(run, 10)
    run.end()
    multitrack.sync(tmp_path / "journal")
    assert find_place(tmp_path / "logs", run.id) == place
    assert steps(place) == list(range(20))
    assert read_run(place).params == hparams_of(place) == {"lr": 0.5}


def test_a_resumed_run_has_one_end(tmp_path: Path) -> None:
    run = start(tmp_path, params={"lr": 0.5})
    log(run, 0)
    run.end("failed")
    multitrack.sync(tmp_path / "journal")
    place = find_place(tmp_path / "logs", run.id)
    assert read_run(place).status == "failed"
    again = start(tmp_path, run_id=run.id, name="another")
    log(again, 10)
    again.log_params({"units": 3})
    multitrack.sync(tmp_path / "journal")
    assert (read_run(place).status, read_run(place).name) == ("running", "another"), "the directory keeps its name"
    again.end()
    multitrack.sync(tmp_path / "journal")
    assert find_place(tmp_path / "logs", run.id) == place
    assert read_run(place).status == "finished"
    assert steps(place) == list(range(20))
    assert hparams_of(place) == {"lr": 0.5, "units": 3.0}


def test_a_journal_that_lost_its_last_lines_in_a_power_cut(tmp_path: Path) -> None:
    """Records of the resumed run have the ordinals of those that are gone; they are not passed over."""
    run = start(tmp_path)
    log(run, 0)
    run.end()
    multitrack.sync(tmp_path / "journal")
    assert run.directory is not None
    (segment,) = run.directory.glob("*.jsonl")
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:11]))
    again = start(tmp_path, run_id=run.id)
    log(again, 100)
    again.end()
    multitrack.sync(tmp_path / "journal")
    assert steps(find_place(tmp_path / "logs", run.id)) == [0, 1, 2, 3, 4, *range(100, 110)]


def test_a_full_disk_is_waited_for_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on file size stands for the disk: writes beyond it fail with the same kind of error."""
    run = start(tmp_path)
    log(run, 0, 2000)
    run.end()
    script = """
import resource, multitrack
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
multitrack.sync("journal")
"""
    state = lane(run).with_suffix(".json")
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path)
    try:
        wait_for(lambda: state.exists() and b"File too large" in state.read_bytes(), "full disk")
    finally:
        process.kill()
        process.wait()
    assert 0 < note(run).offset < 60_000
    assert (find_place(tmp_path / "logs", run.id) / RECORDS).stat().st_size == 60_000, "a part of the batch is there"
    wait_for(lambda: multitrack.sync(tmp_path / "journal") == {}, "end of the delivery")
    assert run.flush()["tensorboard"].set_aside == 0
    assert steps(find_place(tmp_path / "logs", run.id)) == list(range(2000))


def test_a_draft_that_a_kill_left_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(tmp_path, params={"lr": 0.5})
    run.end()

    def killed(path: Path, target: Path) -> Path:
        raise KeyError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyError):
            event_file.replace(tmp_path / files.END_FILE, b"torn")
    (draft,) = tmp_path.glob(".d*")
    multitrack.sync(tmp_path / "journal")
    place = find_place(tmp_path / "logs", run.id)
    shutil.copy(draft, place)
    assert read_run(place).status == "finished"


TRAINING = """
from pathlib import Path
import time, multitrack
config = {"journal": "journal", "interval": 0.1, "tensorboard": {"directory": "logs"}}
run = multitrack.start_run("kill", "killed", config=config, backends=["tensorboard"], params={"lr": 0.1})
step = 0
while not Path("enough").exists():
    run.log_metric("loss", step / 3, step=step)
    run.log_lines(f"step {step}")
    print(step, flush=True)
    step += 1
    time.sleep(0.002)
run.end()
"""


def wait_for(condition: Any, what: str) -> Any:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {what} in time")


def courier(journal: Path) -> int:
    """The pid of a courier that has delivered something."""
    delivered = sum(
        msgspec.json.decode(state.read_bytes()).get("delivered", 0)
        for state in journal.glob("runs/*/lanes/tensorboard.json")
    )
    pids = [int(log.stem.partition("-")[2]) for log in journal.glob("courier-*.log")]
    alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    return alive[0] if alive and delivered > 50 else 0


@pytest.mark.parametrize("who", ["the courier", "both"])
def test_kill_9_in_mid_run_loses_and_doubles_nothing(tmp_path: Path, who: str) -> None:
    journal = tmp_path / "journal"
    with (tmp_path / "steps").open("w") as out:
        training = subprocess.Popen([sys.executable, "-c", TRAINING], cwd=tmp_path, stdout=out)
    try:
        pid = wait_for(lambda: courier(journal), "courier at work")
        if who == "both":
            training.kill()
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.3)
        (tmp_path / "enough").touch()
        training.wait(60)
    finally:
        training.kill()
    acknowledged = int((tmp_path / "steps").read_text().splitlines()[-1]) + 1
    # Not at once: the killed courier's threads hold its lanes' locks until the last one is gone.
    wait_for(lambda: multitrack.sync(journal) == {}, "end of the delivery")
    (run,) = multitrack.open_journal(journal).runs()
    native = read_run(find_place(tmp_path / "logs", run.id))
    points = [(point.step, point.value) for point in native.series["loss"]]
    assert points == [(step, step / 3) for step in range(len(points))]
    # a call that had not returned may be there whole or not at all
    assert acknowledged <= len(points) <= acknowledged + 1
    assert native.lines == [f"step {step}" for step in range(len(native.lines))]
    assert native.status == ("killed" if who == "both" else "finished")


def test_the_training_process_imports_no_tensorboard(tmp_path: Path) -> None:
    script = """
import sys, multitrack
with multitrack.start_run(config={"delivery": "off"}, backends=["tensorboard"]) as run:
    run.log_metric("loss", 0.5, step=0)
print([name for name in sys.modules if name.partition(".")[0] in ("tensorboard", "google", "numpy")])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_courier_imports_neither_tensorflow_nor_numpy(tmp_path: Path) -> None:
    start(tmp_path, params={"lr": 0.5}).end()
    script = """
import sys, multitrack
multitrack.sync("journal")
print([name for name in ("tensorboard", "tensorflow", "numpy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "['tensorboard']\n"


def test_the_installed_release_has_every_name() -> None:
    assert internals.missing() == []


def test_without_the_plugins_message_only_the_hparams_tab_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("tensorboard.plugins.hparams.plugin_data_pb2.HParamsPluginData")
    assert internals.missing() == ["tensorboard.plugins.hparams.plugin_data_pb2.HParamsPluginData"]
    run = start(tmp_path, params={"lr": 0.5})
    run.end()
    assert multitrack.sync(tmp_path / "journal")[run.id].complete
    place = find_place(tmp_path / "logs", run.id)
    assert (read_run(place).params, read_run(place).status) == ({"lr": 0.5}, "finished")
    assert not (place / files.HPARAMS_FILE).exists()


def test_a_release_without_the_format_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("tensorboard.compat.proto.event_pb2.Event")
    with pytest.raises(BackendNotInstalledError, match=r"lacks tensorboard\.compat\.proto\.event_pb2\.Event: install"):
        internals.load_sdk()
