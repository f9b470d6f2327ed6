"""Case 23: no command ends in a traceback for something that the user or the machine did."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import multitrack
from multitrack.reading.recorded_run import RecordedRun
from shell import ENCODINGS, as_others, in_terminal, shell, somebody_elses

pytestmark = pytest.mark.case(23)

NAME = "трайл-ü-中文 🚀"
#: One of each way to write, a table, JSON, lines, CSV, a file, a delivery, a help, which the suite runs in every state.
KINDS = (
    "runs", "runs --json", "logs plain", "compare --csv", "report --no-charts", "sync", "--version",
)  # fmt: skip
#: The others write as one of those does.
OTHERS = (
    "backends", "config", "show plain", "compare plain --rerun yaml", "plot -m loss", "show plain --json", "logs plain --json", "compare", "compare --json", "compare --markdown",
    "compare --best metrics.loss:min", "compare plain --rerun command", "compare plain --rerun json",
    "compare plain --rerun requirements", "runs --help",
)  # fmt: skip
COMMANDS = (*KINDS, *OTHERS)
EACH = [*KINDS, *(pytest.param(command, marks=pytest.mark.long) for command in OTHERS)]
#: Those that read runs, with an output in the current directory.
READERS = ("runs", "runs --where 'params.lr > 0'", "compare", "report --no-charts", "plot -m loss", "sync")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    for name in ("plain", NAME):
        with multitrack.start_run(
            "prøject", name, params={"lr": 0.1, "naïve": "é"}, tags={"t": "✓"}, config={"delivery": "off"}
        ) as run:
            run.log_metric("loss", 0.5, step=0)
            run.log_metric("loss", 0.25, step=1)
            run.log_lines("héllo 世界")
    return tmp_path / ".multitrack"


def told(done: subprocess.CompletedProcess[bytes]) -> str:
    """What a command said on stderr, without a traceback."""
    text = done.stderr.decode("utf-8", "backslashreplace")
    assert "Traceback" not in text, text
    assert "Exception ignored" not in text, text
    assert 'File "' not in text, text
    return text


@pytest.mark.parametrize("command", EACH)
def test_any_command_writes_to_any_encoding(journal: Path, command: str) -> None:
    for name, environment in ENCODINGS.items():
        done = shell(f"multitrack {command}", **environment)
        assert (done.returncode, done.stdout != b"") == (0, True), (name, told(done))
        told(done)
        if "--json" in command or "--csv" in command or "--markdown" in command or "--rerun" in command:
            assert done.stdout == shell(f"multitrack {command}").stdout  # a document is UTF-8


def test_what_an_encoding_lacks_is_an_escape_and_columns_stay_in_line(journal: Path) -> None:
    plain, odd = NAME.encode("latin-1", "backslashreplace").decode("latin-1"), ascii(NAME)[1:-1]
    for command in ("runs", "compare", "show " + multitrack.open_journal().run(NAME).id):
        assert plain in shell(f"multitrack {command}", PYTHONIOENCODING="latin-1").stdout.decode("latin-1")
        assert odd in shell(f"multitrack {command}", PYTHONIOENCODING="ascii").stdout.decode("ascii")
    header, *rows = shell("multitrack runs", PYTHONIOENCODING="ascii").stdout.decode("ascii").splitlines()
    assert len(rows) == 2
    assert [row.index("finished") for row in rows] == [header.index("status")] * 2
    status, written = in_terminal("runs", "--json", PYTHONIOENCODING="ascii")
    assert (status, written.isascii()) == (0, True)
    assert ascii(NAME.encode("utf-16-be").decode("utf-16-be")[:5])[1:-1].encode() in written  # JSON's own escapes


@pytest.mark.parametrize("command", EACH)
def test_standard_output_that_takes_nothing_is_said(journal: Path, command: str) -> None:
    for redirection, reason in ((">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")):
        done = shell(f"multitrack {command} {redirection}")
        said = [line for line in told(done).splitlines() if line and not line.startswith("# ")]
        assert (done.returncode, said) == (1, [f"multitrack: cannot write to standard output: {reason}"]), redirection
    done = shell(f"multitrack {command} | head -c 0")
    assert [line for line in told(done).splitlines() if not line.startswith("# ")] == []  # its reader has seen enough


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize("command", EACH)
def test_standard_error_that_takes_nothing_changes_no_output(journal: Path, command: str, redirection: str) -> None:
    done = shell(f"multitrack {command} {redirection}")
    assert (done.returncode, done.stdout != b"") == (0, True)


@pytest.mark.long("2>/dev/full")
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_standard_error_that_takes_nothing_changes_no_exit_status(journal: Path, redirection: str) -> None:
    for command, status in (
        ("runs --where 'params.lr <'", 2), ("runs --nonsense", 2), ("show nobody", 1), ("runs --journal nowhere", 1),
        ("compare --best metrics.los:min", 2), ("report --no-charts -o nowhere/x.html", 2),
    ):  # fmt: skip
        done = shell(f"multitrack {command} {redirection}")
        assert (done.returncode, done.stdout) == (status, b""), command


def test_no_stream_at_all_is_a_failure(journal: Path) -> None:
    assert shell("multitrack runs >&- 2>&- <&-").returncode == 1


def test_no_file_of_the_journal_takes_the_place_of_a_closed_stream(journal: Path) -> None:
    files = sorted(path for path in journal.rglob("*.jsonl"))
    before = [path.read_bytes() for path in files]
    assert len(before) == 2
    for command in ("runs", "sync", "compare"):
        shell(f"multitrack {command} <&- >&- 2>&-")
    assert [path.read_bytes() for path in files] == before


@pytest.mark.long("runs", "report --no-charts", "sync")
@pytest.mark.parametrize("command", READERS)
def test_a_journal_of_another_user_is_one_message(journal: Path, command: str) -> None:
    somebody_elses(journal)
    done = shell(f"multitrack {command}", prepare=as_others)
    owner = f"; it belongs to user {journal.owner()}"
    assert told(done) == f"multitrack: cannot read {journal / 'runs'}: Permission denied{owner}\n"
    assert (done.returncode, done.stdout) == (1, b"")
    done = shell(f"multitrack {command} --journal {journal}", prepare=as_others)
    assert (done.returncode, told(done).count("\n")) == (1, 1)


def test_a_run_of_another_users_journal_is_one_message(journal: Path) -> None:
    run_id = multitrack.open_journal().run("plain").id
    somebody_elses(journal)
    for one in ("show plain", "logs plain", f"show {run_id}"):
        done = shell(f"multitrack {one}", prepare=as_others)
        assert (done.returncode, told(done).count("\n"), done.stdout) == (1, 1, b"")


#: What of a run cannot be read: its directory, or one of its files.
PLACES = ("", "manifest.json", "000001.jsonl")


def closed_run(journal: Path, place: str) -> RecordedRun:
    """One of the two runs, a place of which only somebody else can read; no summary is cached."""
    closed = multitrack.open_journal().run(NAME)
    for kept in journal.glob("runs/*/summary.msgpack"):
        kept.unlink()
    somebody_elses(closed.directory / place)
    return closed


@pytest.mark.long("runs-", "compare-manifest.json", "report --no-charts-000001.jsonl", "sync-manifest.json")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", READERS)
def test_a_run_that_cannot_be_read_is_said_and_left_out(journal: Path, command: str, place: str) -> None:
    closed = closed_run(journal, place)
    done = shell(f"multitrack {command}", prepare=as_others)
    (said,) = told(done).splitlines()
    assert said.startswith(
        f"multitrack: cannot read {closed.directory / (place or 'manifest.json')}: Permission denied"
    )
    assert done.returncode == 1  # not all that was asked for is there
    if command in ("runs", "compare"):
        assert [line.split()[1] for line in done.stdout.decode().splitlines()] == ["name", "plain"]


@pytest.mark.parametrize("place", PLACES)
def test_a_run_that_cannot_be_read_is_not_shown(journal: Path, place: str) -> None:
    closed = closed_run(journal, place)
    for one in ("show", "logs"):
        done = shell(f"multitrack {one} {closed.id}", prepare=as_others)
        assert (done.returncode, told(done).count("\n"), done.stdout) == (1, 1, b"")


def test_a_journal_that_can_only_be_read_is_read(journal: Path) -> None:
    for kept in journal.glob("runs/*/summary.msgpack"):
        kept.unlink()
    directories = [journal, journal / "runs", *(journal / "runs").iterdir()]
    assert len(directories) == 4
    for directory in directories:
        directory.chmod(0o500)
    done = shell("multitrack runs", prepare=as_others)
    assert (done.returncode, told(done)) == (0, "")
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.long("closed")
@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xff\xfe", "'utf-8' codec can't decode"), (b"backends = [", "Invalid value"), (None, "Permission denied")],
    ids=["no text", "no TOML", "closed"],
)
def test_a_config_that_cannot_be_read_is_one_message(journal: Path, content: bytes | None, reason: str) -> None:
    file = Path("multitrack.toml").absolute()
    file.write_bytes(content or b"")
    if content is None:
        somebody_elses(file)
    for command in (
        "backends",
        "config",
        "runs",
        "show plain",
        "logs plain",
        "compare",
        "report",
        "plot -m loss",
        "sync",
    ):
        done = shell(f"multitrack {command}", prepare=as_others)
        assert told(done).startswith(f"multitrack: cannot read config file {file}: {reason}"), command
        assert (done.returncode, told(done).count("\n"), done.stdout) == (2, 1, b"")


def test_a_directory_that_is_gone_is_said_where_it_is_needed(journal: Path, tmp_path: Path) -> None:
    gone = f"mkdir {tmp_path}/gone; cd {tmp_path}/gone; rmdir {tmp_path}/gone; multitrack"
    for command in ("backends", "config", "runs", "show x", "logs x", "compare", "report", "plot -m loss", "sync"):
        done = shell(f"{gone} {command}")
        assert (done.returncode, done.stdout) == (2, b""), command
        assert told(done).startswith("multitrack: the current directory was deleted; start from one that"), command
    for command in (
        "runs", "show plain", "logs plain", "compare", "sync", f"report --no-charts -o {tmp_path}/r.html",
        f"plot -m loss -o {tmp_path}/p.png",
    ):  # fmt: skip
        done = shell(f"{gone} {command} --journal {journal}")
        assert (done.returncode, told(done)) == (0, ""), command
        assert done.stdout
    for command in ("report --no-charts", "plot -m loss"):
        assert shell(f"{gone} {command} --journal {journal}").returncode == 2


def test_what_is_no_journal_and_no_place_for_a_file(journal: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    closed = tmp_path / "closed"
    closed.mkdir()
    somebody_elses(closed)
    for command in READERS:
        done = shell(f"multitrack {command} --journal file")
        assert told(done).startswith(f"multitrack: no journal in {tmp_path / 'file'}, which is a file; "), command
        assert (done.returncode, done.stdout) == (1, b"")
    for command in ("report --no-charts -o", "plot -m loss -o"):
        for place, reason in (
            ("nowhere/x.png", "No such file or directory"), ("file/x.png", "Not a directory"),
            ("closed/x.png", "Permission denied"),
        ):  # fmt: skip
            done = shell(f"multitrack {command} {place}", prepare=as_others)
            assert (done.returncode, done.stdout, told(done)) == (2, b"", f"multitrack: {place}: {reason}\n"), place
    assert sorted(path.name for path in tmp_path.iterdir()) == [".multitrack", "closed", "file"]


def test_a_report_into_a_device_leaves_the_device(journal: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.svg")
    done = shell("cat pipe.svg & multitrack plot -m loss -o pipe.svg >&2; wait")
    assert done.stdout.startswith(b"<?xml")
    assert (tmp_path / "pipe.svg").is_fifo()
    (tmp_path / "full.html").symlink_to("/dev/full")  # not the device itself, which root could replace
    done = shell("multitrack report --no-charts -o full.html")
    assert (done.returncode, told(done)) == (1, "multitrack: full.html: No space left on device\n")
    assert (tmp_path / "full.html").is_symlink()


@pytest.mark.parametrize("commands", [KINDS, pytest.param(OTHERS, marks=pytest.mark.long)], ids=["kinds", "others"])
def test_names_and_places_that_are_no_utf8(journal: Path, tmp_path: Path, commands: tuple[str, ...]) -> None:
    place = Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xffd"))
    place.mkdir()
    journal.rename(place / ".multitrack")
    for command in (*commands, "report --no-charts -o $'n\\xff.html' --title $'\\xff'"):
        done = shell(f"multitrack {command}", cwd=place)
        assert (done.returncode, done.stdout != b"") == (0, True), (command, told(done))
    for command, status in (("show", 1), ("runs --project", 0), ("plot -m", 2), ("runs --where", 2), ("backends -", 2)):
        done = shell(f"multitrack {command} $'\\xff'", cwd=place)
        assert (done.returncode, "\\udcff" in told(done)) == (status, True), command


@pytest.mark.parametrize("command", ["logs plain", "compare --csv"])
def test_ctrl_c_is_no_traceback(journal: Path, command: str) -> None:
    (journal / "wait").mkdir()
    code = (
        "import os, signal, sys, multitrack.cli, multitrack.reading.recorded_run\n"
        "def interrupted(*_, **__): os.kill(os.getpid(), signal.SIGINT)\n"
        "multitrack.reading.recorded_run.RecordedRun.summary = multitrack.reading.recorded_run.RecordedRun.get_lines = interrupted\n"
        f"multitrack.cli.main({command.split()!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, told(done).strip(), done.stdout) == (128 + signal.SIGINT, "multitrack: interrupted", b"")


def test_messages_have_an_end(journal: Path) -> None:
    """Whatever is typed is not said again whole."""
    long = "x" * 100_000
    for command in (
        f"runs --status {long}", f"runs --{long}", f"show {long}", f"runs --where name={long}'='", f"compare -c {long}",
        f"plot -m {long}", f"runs --journal {long}", f"logs plain --from {long}", f"compare --best metrics.{long}",
        f"plot -m loss -o {long}", f"compare --tag {long}", f"compare --reduce {long}",
    ):  # fmt: skip
        done = shell(f"multitrack {command}")
        assert done.returncode in (1, 2), command[:30]
        said = told(done)
        assert 0 < len(said) < 5000, command[:30]
        assert re.search("x{20}", said), said
