"""Who may use a data directory, and in which format it is."""

import os
from pathlib import Path

import pytest

from peeklock.store.data_dir import DataDir, DataDirBusy, DataDirUnusable
from peeklock.store.reserve import Reserve
from peeklock.store.snapshot import SnapshotWriter
from peeklock.types import Lsn


def test_a_new_one_says_its_format_and_who_uses_it(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path / "data")
    assert (tmp_path / "data" / "FORMAT").read_text() == "1\n"
    assert (tmp_path / "data" / "LOCK").read_text().strip() == str(os.getpid())
    with pytest.raises(DataDirBusy, match=f"process {os.getpid()}"):
        DataDir(tmp_path / "data")
    data_dir.close()
    DataDir(tmp_path / "data").close()


def test_it_is_its_owners_alone(tmp_path: Path) -> None:
    """Whatever the umask: there are secrets in what lies there."""
    before = os.umask(0)
    try:
        data_dir = DataDir(tmp_path / "data")
        SnapshotWriter(data_dir.snapshots, Lsn(1)).commit()
        Reserve(data_dir.journal, 4096).make()
        data_dir.close()
    finally:
        os.umask(before)
    made = [tmp_path / "data", *(tmp_path / "data").rglob("*")]
    assert len(made) >= 7
    assert {str(path) for path in made if path.stat().st_mode & 0o077} == set()


def test_another_format_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "FORMAT").write_text("2\n")
    with pytest.raises(DataDirUnusable, match="has format 2; this version reads format 1"):
        DataDir(tmp_path)


def test_a_crash_while_it_is_made_leaves_it_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The format is written whole or not at all."""

    def crash(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", crash)
        with pytest.raises(DataDirUnusable, match="FORMAT: No space left on device"):
            DataDir(tmp_path)
    DataDir(tmp_path).close()


def test_what_is_no_directory_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(DataDirUnusable, match=str(file)):
        DataDir(file)
