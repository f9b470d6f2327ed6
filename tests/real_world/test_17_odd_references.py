"""References to things that are no regular files, to paths that look like URIs, and to large files."""

import hashlib
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import multitrack
from multitrack.inputs import pending_digests, references
from multitrack.reading.recorded_run import RecordedRun
from multitrack.records import ArtifactRef
from processes import script

pytestmark = pytest.mark.case(17)


def recorded(run: multitrack.Run) -> list[ArtifactRef]:
    assert run.directory is not None
    return [record for record in RecordedRun(run.directory).records() if isinstance(record, ArtifactRef)]


@pytest.fixture
def run() -> Any:
    with multitrack.start_run(config={"delivery": "off"}) as run:
        yield run


def test_a_fifo_is_referred_to_and_not_opened(
    run: multitrack.Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(tmp_path / "pipe")
    run.log_artifact_ref("pipe", tmp_path / "pipe")  # hung, as nobody writes to it
    (reference,) = recorded(run)
    assert (reference.uri, reference.digest, reference.size) == ((tmp_path / "pipe").as_uri(), None, None)
    assert "is a FIFO, recorded without digest" in caplog.text


def test_what_the_program_was_going_to_read_is_still_there(tmp_path: Path) -> None:
    out, errors = script(
        tmp_path,
        "read, write = os.pipe()\n"
        "os.write(write, b'for the program')\n"
        "os.close(write)\n"
        "run = multitrack.start_run(config={'delivery': 'off'})\n"
        "run.log_artifact_ref('input', f'/dev/fd/{read}')\n"
        "run.log_artifact_ref('again', f'/proc/self/fd/{read}')\n"
        "print(os.read(read, 100).decode())\n"
        "run.end()\n",
    ).communicate(timeout=60)
    assert out == "for the program\n", errors


def test_devices_and_sockets_are_not_read(run: multitrack.Run, tmp_path: Path) -> None:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    for place in ("/dev/zero", "/dev/null", tmp_path / "socket"):
        run.log_artifact_ref("odd", place)
    listening.close()
    assert [reference.digest for reference in recorded(run)] == [None] * 3


def test_a_directory_is_read_but_for_what_is_odd_in_it(run: multitrack.Run, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").write_bytes(b"abc")
    run.log_artifact_ref("plain", folder)
    os.mkfifo(folder / "pipe")
    (folder / "zero").symlink_to("/dev/zero")
    (folder / "nothing").symlink_to("no-such-file")
    (folder / "round").symlink_to(folder)
    run.log_artifact_ref("odd", folder)
    plain, odd = recorded(run)
    assert (plain.digest, plain.size) == (odd.digest, odd.size)
    assert plain.size == 3


@pytest.mark.parametrize("name", ["lr:0.1/m.keras", "a:b", "s3:/weights", "file:odd"])
def test_a_path_with_a_colon_that_is_there_is_a_path(run: multitrack.Run, tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"weights")
    run.log_artifact_ref("m", name)
    run.log_artifact_ref("m", name, digest=False)
    if name.startswith("file:"):
        run.log_artifact_ref("m", f"./{name}")
    first, *_, last = recorded(run)
    assert (last.uri, last.uri.count("%3A")) == (place.as_uri(), name.count(":"))
    assert first.uri == last.uri
    assert first.size == 7


def test_a_path_that_is_still_to_be_written_beside_others(run: multitrack.Run, tmp_path: Path) -> None:
    (tmp_path / "lr:0.1").mkdir()
    run.log_artifact_ref("m", "lr:0.1/later.keras", digest=False)
    assert recorded(run)[0].uri == (tmp_path / "lr:0.1" / "later.keras").as_uri()


@pytest.mark.parametrize(
    "uri", ["s3://bucket/x", "gs:bucket", "models:/digits/1", "doi:10.1/x", "hf://a/b", "https://h/x?y=1"]
)
def test_a_uri_stays_a_uri(run: multitrack.Run, uri: str) -> None:
    run.log_artifact_ref("m", uri)
    assert recorded(run)[0].uri == uri


def test_a_large_file_does_not_hold_up_training(
    run: multitrack.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its digest is recorded once it is known, and the run's end waits for it."""
    large = tmp_path / "large.bin"
    large.write_bytes(b"x" * (references.LARGE + 1))
    go = threading.Event()
    computed = references.digest_of

    def slow(path: Path) -> tuple[str, int]:
        assert threading.current_thread() is not threading.main_thread()
        assert go.wait(60)
        return computed(path)

    monkeypatch.setattr(pending_digests, "digest_of", slow)
    run.log_artifact_ref("large", large, kind="model", role="input")  # would wait here
    run.log_metric("x", 1.0)
    (reference,) = recorded(run)
    assert (reference.pending, reference.digest) == (True, None)
    threading.Timer(0.2, go.set).start()
    run.end()
    _, complete = recorded(run)
    assert (complete.pending, complete.size) == (False, references.LARGE + 1)
    assert complete.digest == computed(large)[0]
    assert (complete.name, complete.uri, complete.kind, complete.role) == (
        reference.name, reference.uri, reference.kind, reference.role,
    )  # fmt: skip
    assert run.directory is not None
    assert [ref.digest for ref in RecordedRun(run.directory).summary().artifacts] == [complete.digest]


def test_so_is_a_directory_of_many_files_or_much(run: multitrack.Run, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    for i in range(references.MANY + 1):
        (many / str(i)).write_bytes(b"")
    much = tmp_path / "much"
    much.mkdir()
    for i in range(2):
        with (much / str(i)).open("wb") as file:
            file.truncate(references.LARGE // 2 + 1)
    run.log_artifact_ref("many", many)
    run.log_artifact_ref("much", much)
    run.end()
    assert [reference.pending for reference in recorded(run)].count(True) == 2
    done = {reference.name: reference.digest for reference in recorded(run) if not reference.pending}
    assert done == {"many": references.digest_of(many)[0], "much": references.digest_of(much)[0]}


def test_a_digest_that_takes_too_long_is_given_up_at_the_end(
    run: multitrack.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(references.LARGE + 1)
    go = threading.Event()
    monkeypatch.setattr(pending_digests, "digest_of", lambda path: (go.wait(60), references.digest_of(path))[1])
    monkeypatch.setattr(
        run._references.digests,
        "wait",
        lambda seconds: pending_digests.PendingDigests.wait(run._references.digests, 0.2),
    )
    run.log_artifact_ref("large", tmp_path / "large")
    run.end()
    go.set()
    time.sleep(0.1)
    assert [(reference.pending, reference.digest) for reference in recorded(run)] == [(True, None), (False, None)]
    assert run.mistakes == 1  # it is said, and counted


def test_a_file_that_is_written_meanwhile_has_no_digest(
    run: multitrack.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be one of bytes that never were there together."""
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(references.LARGE + 1)

    def meanwhile(path: Path) -> tuple[str, int]:
        found = references.digest_of(path)
        with large.open("ab") as file:
            file.write(b"more")
        return found

    monkeypatch.setattr(pending_digests, "digest_of", meanwhile)
    run.log_artifact_ref("large", large)
    run.end()
    assert recorded(run)[-1].digest is None
    assert run.mistakes == 1


def large_file(path: Path, fill: bytes = b"x") -> Path:
    path.write_bytes(fill * (references.LARGE + 1))
    return path


@pytest.mark.parametrize("later", ["small", "elsewhere", "large", "no digest"])
def test_a_late_digest_puts_no_older_reference_over_a_newer_one(
    run: multitrack.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: str
) -> None:
    old, new = large_file(tmp_path / "old"), tmp_path / "new"
    large_file(new, b"y") if later == "large" else new.write_bytes(b"small")
    go = threading.Event()
    monkeypatch.setattr(pending_digests, "digest_of", lambda path: (go.wait(60), references.digest_of(path))[1])
    run.log_artifact_ref("latest", old)
    uri = "s3://bucket/new" if later == "elsewhere" else str(new)
    run.log_artifact_ref("latest", uri, digest=later != "no digest")
    run.log_artifact_ref("other", old)
    go.set()
    run.end()
    assert run.directory is not None
    last = {reference.name: reference for reference in RecordedRun(run.directory).summary().artifacts}
    assert last["latest"].uri == (uri if later == "elsewhere" else new.as_uri())
    digest = references.digest_of(new)[0] if later in ("small", "large") else None
    assert (last["latest"].pending, last["latest"].digest) == (False, digest)
    assert last["other"].digest == references.digest_of(old)[0]
    assert run.mistakes == 0


@pytest.mark.parametrize("folder", [False, True])
def test_the_digest_is_of_what_was_there_at_the_call(
    run: multitrack.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, folder: bool
) -> None:
    """A checkpoint that is overwritten before the thread gets to it: its reference has no digest, and it is said."""
    place = tmp_path / "folder"
    place.mkdir()
    checkpoint = large_file(place / "model.keras")
    monkeypatch.setattr(pending_digests, "in_background", lambda work, name: waiting.append(work))
    waiting: list[Any] = []
    what = place if folder else checkpoint
    run.log_artifact_ref("epoch 1", what)
    before = checkpoint.stat()
    large_file(checkpoint, b"y")
    os.utime(checkpoint, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    run.log_artifact_ref("epoch 2", what)
    waiting[0]()
    run.end()
    assert run.directory is not None
    digests = {reference.name: reference.digest for reference in RecordedRun(run.directory).summary().artifacts}
    assert digests == {"epoch 1": None, "epoch 2": references.digest_of(what)[0]}
    assert run.mistakes == 1
    assert "was written again before" in caplog.text


@pytest.mark.parametrize(
    "name", ["sp ace", "grüße.bin", "a%20b", "100%", "q?x#y", os.fsdecode(b"na\xefve"), "semi;colon", "a%2Fb"]
)
def test_what_a_run_gives_back_is_the_same_reference_again(run: multitrack.Run, tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    place.write_bytes(b"abc")
    run.log_artifact_ref("m", place)
    (first,) = recorded(run)
    for uri in (first.uri, first.uri.replace("file://", "file://localhost"), first.uri.replace("file://", "FILE://"),
                first.uri.replace("file://", "file:"), f"file://{place}"):  # fmt: skip
        run.log_artifact_ref("m", uri)
        run.log_artifact_ref("m", uri, digest=False)
        *_, again, undigested = recorded(run)
        assert (again.uri, again.digest, again.size, undigested.uri) == (first.uri, first.digest, 3, first.uri)


def test_a_file_of_this_host_that_is_not_there(run: multitrack.Run, tmp_path: Path) -> None:
    uri = (tmp_path / "sp ace").as_uri()
    with pytest.raises(FileNotFoundError, match="sp ace does not exist"):
        run.log_artifact_ref("m", uri)
    run.log_artifact_ref("m", uri, digest=False)
    assert recorded(run)[0].uri == uri
    with pytest.raises(ValueError, match="NUL"):
        run.log_artifact_ref("m", "file:///a%00b")


@pytest.mark.parametrize("uri", ["file://otherhost/x", "FILE://otherhost/sp%20ace", "file://otherhost:80/x"])
def test_a_file_of_another_host_is_a_uri(run: multitrack.Run, uri: str) -> None:
    run.log_artifact_ref("m", uri)
    assert (recorded(run)[0].uri, recorded(run)[0].digest) == (uri, None)


def test_a_link_that_leads_to_itself(run: multitrack.Run, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FileNotFoundError, match="leads to itself; pass digest=False"):
        run.log_artifact_ref("m", tmp_path / "loop")
    run.log_artifact_ref("m", tmp_path / "loop", digest=False)
    assert recorded(run)[0].uri == (tmp_path / "loop").as_uri()


@pytest.mark.timeout(60)
@pytest.mark.skipif(not Path("/proc/self/pagemap").exists(), reason="no such files here")
def test_files_of_the_kernel_that_never_end(
    run: multitrack.Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run.log_artifact_ref("endless", "/proc/self/pagemap")
    assert "is an endless file, recorded without digest" in caplog.text
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "file").write_bytes(b"abc")
    run.log_artifact_ref("folder", folder)
    (folder / "endless").symlink_to("/proc/self/pagemap")
    run.log_artifact_ref("folder", folder)
    run.log_artifact_ref("version", "/proc/version")
    (tmp_path / "empty").touch()
    run.log_artifact_ref("empty", tmp_path / "empty")
    if os.access("/proc/kcore", os.R_OK):
        run.log_artifact_ref("vast", "/proc/kcore")
    endless, plain, odd, version, empty, *vast = recorded(run)
    assert (endless.pending, endless.digest) == (False, None)
    assert plain.digest == odd.digest is not None
    assert version.size == len(Path("/proc/version").read_bytes())
    assert (empty.digest, empty.size) == (f"sha256:{hashlib.sha256(b'').hexdigest()}", 0)
    assert all(reference.digest is None and not reference.pending for reference in vast)
