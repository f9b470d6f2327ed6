"""The kept lists of packages follow the directory."""

import os
import time
from pathlib import Path

from multitrack.plugins.metadata_names import metadata_names


def aged(directory: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(directory, (moment, moment))


def test_a_package_that_is_installed_later_is_found(tmp_path: Path) -> None:
    (tmp_path / "a-1.dist-info").mkdir()
    (tmp_path / "a").mkdir()
    aged(tmp_path, 60)
    assert metadata_names(str(tmp_path)) == metadata_names(str(tmp_path)) == ("a-1.dist-info",)
    (tmp_path / "b-2.dist-info").mkdir()
    assert sorted(metadata_names(str(tmp_path))) == ["a-1.dist-info", "b-2.dist-info"]


def test_a_directory_that_has_just_changed_is_listed_again(tmp_path: Path) -> None:
    """Two changes within a tick of the file system's clock have one modification time."""
    (tmp_path / "a-1.dist-info").mkdir()
    before = tmp_path.stat()
    assert metadata_names(str(tmp_path)) == ("a-1.dist-info",)
    (tmp_path / "b-2.egg-info").mkdir()
    os.utime(tmp_path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(metadata_names(str(tmp_path))) == 2


def test_an_archive_and_a_missing_directory_have_none(tmp_path: Path) -> None:
    (tmp_path / "packages.zip").write_bytes(b"")
    assert metadata_names(str(tmp_path / "packages.zip")) == metadata_names(str(tmp_path / "none")) == ()
