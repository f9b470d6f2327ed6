"""No directory that another user may have prepared is believed."""

import os
import stat
from pathlib import Path

import pytest

from multitrack.security.directories import private_directory
from multitrack_mlflow import sqlite

pytestmark = pytest.mark.case(12)

OTHER = 65534


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shared temporary directory, and a home that cannot hold a cache."""
    shared = tmp_path / "tmp"
    shared.mkdir(mode=0o1777)
    (tmp_path / "no-directory").write_text("")
    monkeypatch.setenv("TMPDIR", str(shared))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-directory"))
    sqlite._own_directory.cache_clear()
    return shared


def prepare(place: Path) -> None:
    """An MLflow store as another user would put it there: with an experiment of theirs."""
    import sqlite3

    import mlflow

    place.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(place / f"mlflow-{mlflow.__version__}-2.db") as planted:
        planted.execute("CREATE TABLE theirs (x)")
        planted.execute("CREATE TABLE experiments (artifact_location)")
    planted.close()


def tables(path: Path) -> set[str]:
    import sqlite3

    opened = sqlite3.connect(path)
    found = {name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    opened.close()
    return found


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")
def test_a_cache_that_another_user_prepared_is_not_taken(temporary: Path, tmp_path: Path) -> None:
    place = temporary / f"multitrack-{os.getuid()}"
    prepare(place)
    for path in (place, *place.iterdir()):
        os.chown(path, OTHER, OTHER)
    import mlflow

    sqlite.prepare(tmp_path / "mine" / "mlflow.db", mlflow.__version__)
    held = tables(tmp_path / "mine" / "mlflow.db")
    assert "alembic_version" in held
    assert "theirs" not in held


@pytest.mark.parametrize("how", ["link", "writable"])
def test_nor_one_that_is_a_link_or_that_others_can_write(temporary: Path, tmp_path: Path, how: str) -> None:
    place = temporary / f"multitrack-{os.getuid()}"
    if how == "link":
        prepare(tmp_path / "elsewhere")
        place.symlink_to(tmp_path / "elsewhere")
    else:
        prepare(place)
        place.chmod(0o777)
    import mlflow

    sqlite.prepare(tmp_path / "mine" / "mlflow.db", mlflow.__version__)
    assert "theirs" not in tables(tmp_path / "mine" / "mlflow.db")


def test_our_own_is_taken(temporary: Path, tmp_path: Path) -> None:
    """Made once, and then there: the check does not refuse everything."""
    prepare(private_directory(temporary / f"multitrack-{os.getuid()}"))
    import mlflow

    sqlite.prepare(tmp_path / "mine" / "mlflow.db", mlflow.__version__)
    assert "theirs" in tables(tmp_path / "mine" / "mlflow.db")


def test_a_private_directory_is_this_users_alone(tmp_path: Path) -> None:
    made = private_directory(tmp_path / "a" / "b")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert private_directory(made) == made
    made.chmod(0o755)  # others may read what is there
    assert private_directory(made) == made
    for mode in (0o775, 0o757, 0o777):
        made.chmod(mode)
        with pytest.raises(PermissionError, match="can be written by others"):
            private_directory(made)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="link"):
        private_directory(tmp_path / "link")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        private_directory(tmp_path / "file")


def test_the_couriers_log_is_written_to_no_link(tmp_path: Path) -> None:
    """The journal may lie in a directory that others can write, where they can guess the log's name."""
    from multitrack.courier.output import open_log

    victim = tmp_path / "victim"
    victim.write_text("mine\n")
    (tmp_path / "courier-1.log").symlink_to(victim)
    fd = open_log(tmp_path / "courier-1.log")
    os.write(fd, b"theirs\n")
    os.close(fd)
    assert victim.read_text() == "mine\n"
    fd = open_log(tmp_path / "courier-2.log")
    os.write(fd, b"ours\n")
    os.close(fd)
    assert (tmp_path / "courier-2.log").read_text() == "ours\n"
