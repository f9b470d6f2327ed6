"""Rights where locks do not hold between machines: leases, their fencing numbers, and who is taken for dead."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.journal import locks, signs
from multitrack.journal.file_systems import Mount, lock_trouble, mount_of
from multitrack.journal.lock_choice import choose_locks
from multitrack.journal.locks import MARK, Hold, uses_leases
from two_machines import TwoMachines, machines

__all__ = ["machines"]


def numbers(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def taken_after_silence(machines: TwoMachines, hold: Hold) -> float:
    """Try until it can be taken; return the seconds that it took by the clock here."""
    began = machines.now
    while not hold.take():
        assert machines.now - began < 100
        machines.now += 1
    return machines.now - began


def test_the_other_machine_is_kept_out_while_the_holder_gives_signs_of_life(
    tmp_path: Path, machines: TwoMachines
) -> None:
    mine, theirs = Hold(tmp_path / "lock"), Hold(tmp_path / "lock")
    assert mine.take()
    with machines.on("bob"):
        for _ in machines.silence():
            assert not theirs.take()
            machines.renew()
        assert theirs.holder == f"process {os.getpid()} on ada"
    assert mine.is_current()
    mine.release()
    with machines.on("bob"):
        assert theirs.take()
        assert theirs.number == 2  # at once, and with a greater number
    assert numbers(tmp_path / "lock") == ["lock", "lock.2"]


def test_a_holder_that_hangs_is_given_up_and_notices_it(tmp_path: Path, machines: TwoMachines) -> None:
    mine, theirs = Hold(tmp_path / "lock"), Hold(tmp_path / "lock")
    assert mine.take()
    with machines.on("bob"):
        assert taken_after_silence(machines, theirs) == signs.LEASE
        assert (mine.number, theirs.number) == (1, 2)
    assert mine.held
    assert not mine.is_current()
    mine.release()  # which is not theirs to lose
    with machines.on("bob"):
        assert theirs.is_current()
    assert not Hold(tmp_path / "lock").take()


def test_an_observer_that_was_paused_does_not_count_that_as_silence(tmp_path: Path, machines: TwoMachines) -> None:
    mine, theirs = Hold(tmp_path / "lock"), Hold(tmp_path / "lock")
    assert mine.take()
    with machines.on("bob"):
        assert not theirs.take()
        machines.now += 10_000
        assert not theirs.take()
        assert taken_after_silence(machines, theirs) > signs.LEASE / 2


def test_a_process_of_the_same_machine_that_was_killed_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / MARK).write_text("{}")
    program = (
        "import os, signal, sys; from pathlib import Path; from multitrack.journal.locks import Hold; "
        "hold = Hold(Path(sys.argv[1])); assert hold.take() and hold.number == 1; os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path / "alerts.lock")], check=False)
    assert killed.returncode == -9
    hold = Hold(tmp_path / "alerts.lock")
    assert hold.take()
    assert hold.number == 2
    hold.release()


def test_of_two_that_take_over_at_once_one_gets_it(
    tmp_path: Path, machines: TwoMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs, third = (Hold(tmp_path / "lock") for _ in range(3))
    assert mine.take()
    with machines.on("bob"):
        taken_after_silence(machines, Hold(tmp_path / "lock"))  # and lets go of it by being forgotten
        seen = theirs._newest()
    # The third has looked at the same lease, and was paused since.
    with machines.on("eve"):
        monkeypatch.setattr(third, "_newest", lambda: (seen[0] - 1, None))
        assert not third.take()
    assert numbers(tmp_path / "lock") == ["lock", "lock.2"]


def test_who_was_paused_while_taking_it_has_no_older_number(
    tmp_path: Path, machines: TwoMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold, paused = Hold(tmp_path / "lock"), Hold(tmp_path / "lock")
    for _ in range(3):
        assert hold.take()
        hold.release()
    assert numbers(tmp_path / "lock") == ["lock", "lock.3"]
    looked = iter([(1, None)])  # long ago; by now there is lock.3, and lock.2 is free
    newest = paused._newest
    monkeypatch.setattr(paused, "_newest", lambda: next(looked, None) or newest())
    assert not paused.take()
    assert numbers(tmp_path / "lock") == ["lock", "lock.3"]


def no_locks(file: Any, how: int) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


def test_without_any_locks_leases_are_enough_and_flock_alone_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(multitrack.JournalError, match='has no locks; set locks = "lease"'):
        multitrack.start_run("p", config={"delivery": "off", "locks": "flock"})
    caplog.clear()
    with multitrack.start_run("p", config={"delivery": "off"}) as run:
        run.log_metric("x", 1.0)
        assert run.directory is not None
        assert (run.directory / "000001.lease").exists()
        with pytest.raises(multitrack.RunInUseError, match="open in this process"):
            multitrack.start_run(run_id=run.id)
    assert "there are no locks (No locks available)" in caplog.text
    assert not (run.directory / "000001.lease").exists()
    assert multitrack.open_journal().run(run.id).summary().status == "finished"
    caplog.clear()
    multitrack.start_run("p", config={"delivery": "off"}).end()
    assert not caplog.text  # it was said


def test_the_first_run_says_that_its_journal_is_on_a_shared_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    home = Mount("/home", "nfs4", "server:/export")
    monkeypatch.setattr("multitrack.journal.lock_choice.mount_of", lambda directory: home)
    run = multitrack.start_run("p", config={"delivery": "off"})
    assert "it is on nfs4 (server:/export, mounted at /home), whose locks may not hold between machines" in caplog.text
    assert run.directory is not None
    assert uses_leases(run.directory / "lanes" / "x.lock")
    run.end()


@pytest.mark.parametrize(("setting", "leased"), [("auto", False), ("flock", False), ("lease", True)])
def test_the_setting_decides(tmp_path: Path, setting: Any, leased: bool) -> None:
    multitrack.start_run("p", config={"delivery": "off", "locks": setting}).end()
    assert (tmp_path / ".multitrack" / MARK).exists() == leased


def test_a_journal_with_leases_keeps_them_until_the_mark_is_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    choose_locks(tmp_path, "lease")
    choose_locks(tmp_path, "flock")
    assert f"remove {tmp_path / MARK} while nothing uses it" in caplog.text


def test_the_mounts_that_machines_share(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    place = tmp_path / "with space" / "journal"
    place.mkdir(parents=True)
    root = os.path.realpath(tmp_path)
    table.write_text(
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"22 21 0:40 / {root} rw shared:1 - lustre mgs@tcp:/scratch rw\n"
        f"23 22 0:41 / {root}/with\\040space rw,nosuid shared:2 master:3 - fuse.sshfs me@host:/x rw\n"
        f"24 22 0:42 / {root}/with rw - tmpfs none rw\n"
    )
    found = mount_of(place, table)
    assert found == Mount(f"{root}/with space", "fuse.sshfs", "me@host:/x")
    assert found.is_shared
    assert mount_of(tmp_path, table) == Mount(root, "lustre", "mgs@tcp:/scratch")
    assert not Mount("/", "ext4", "/dev/sda1").is_shared
    assert not Mount("/mnt", "fuseblk", "/dev/sdb1").is_shared
    assert mount_of(tmp_path, tmp_path / "none") is None


def test_locks_that_keep_nobody_out_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lock_trouble(tmp_path) is None
    monkeypatch.setattr(fcntl, "flock", lambda file, how: None)
    assert lock_trouble(tmp_path) == "locks there keep nobody out"
    assert list(tmp_path.iterdir()) == []


def test_a_cache_on_a_shared_file_system_has_leases_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "mount_of", lambda directory: Mount("/", "beegfs", "x"))
    assert uses_leases(tmp_path / "lock")
    with locks.locked(tmp_path / "lock"):
        assert numbers(tmp_path / "lock") == ["lock", "lock.1"]
