"""Segments that go: their names at once, their room a slice at a time."""

import os
from pathlib import Path

import pytest

from peeklock.limits import FREEING_SLICE_BYTES
from peeklock.store.segment import Removal, list_segments, segment_path
from peeklock.types import Lsn


def made(folder: Path, *sizes: int) -> list[Lsn]:
    starts: list[Lsn] = []
    at = 0
    for size in sizes:
        with segment_path(folder, Lsn(at)).open("wb") as file:
            file.truncate(size)
        starts.append(Lsn(at))
        at += size
    return starts


def test_their_names_are_gone_before_anything_is_freed(tmp_path: Path) -> None:
    starts = made(tmp_path, 10, 20, 30)

    Removal(tmp_path, starts[:2])

    assert list_segments(tmp_path) == starts[2:]


def test_no_step_frees_more_than_a_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = (3 * FREEING_SLICE_BYTES + 1, 5)
    lengths: list[int] = []
    truncate = os.ftruncate

    def truncated(file: int, length: int) -> None:
        lengths.append(os.fstat(file).st_size - length)
        truncate(file, length)

    monkeypatch.setattr(os, "ftruncate", truncated)
    removal = Removal(tmp_path, made(tmp_path, *sizes))
    steps = 1
    while removal.free_slice():
        steps += 1

    assert lengths == [FREEING_SLICE_BYTES] * 3
    assert steps == 1 + 4


def test_there_may_be_nothing_to_free(tmp_path: Path) -> None:
    assert not Removal(tmp_path, []).free_slice()


def test_files_are_closed_when_all_is_freed(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = open_files()
    removal = Removal(tmp_path, made(tmp_path, 1, 2, 3))
    while removal.free_slice():
        pass

    assert open_files() == before
