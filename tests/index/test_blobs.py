from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from index.blobs import BlobStore
from index.types import BlobCorruptError, BlobMissingError


@pytest.fixture(params=["folder", "file://", "memory://"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BlobStore]:
    if request.param == "folder":
        yield BlobStore(tmp_path / "blobs")
    elif request.param == "file://":
        yield BlobStore(f"file://{tmp_path}/blobs")
    else:
        yield BlobStore(f"memory://{uuid.uuid4().hex}/blobs")


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 1000])
def test_what_was_put_is_read(blobs: BlobStore, data: bytes) -> None:
    name = blobs.put(data)
    assert name == hashlib.sha256(data).hexdigest()
    assert blobs.exists(name)
    assert (blobs.read(name), blobs.size(name)) == (data, len(data))
    assert blobs.put(data) == name
    assert list(blobs) == [name]


def test_what_is_missing_is_said_to_be(blobs: BlobStore) -> None:
    name = "0" * 64
    assert list(blobs) == []
    assert not blobs.exists(name)
    for call in (blobs.read, blobs.size):
        with pytest.raises(BlobMissingError, match=name):
            call(name)


@pytest.mark.parametrize("name", ["", "abc", "../" * 20, "A" * 64, "0" * 63 + "\n", "0" * 65])
def test_only_a_hash_is_a_name(blobs: BlobStore, name: str) -> None:
    for call in (blobs.read, blobs.size, blobs.exists):
        with pytest.raises(ValueError, match="sha256"):
            call(name)


def test_a_local_blob_lies_two_folders_deep_and_can_be_served(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    name = blobs.put(b"picture")
    path = blobs.path_for_serving(name)
    assert path == tmp_path / name[:2] / name[2:4] / name
    assert path.read_bytes() == b"picture"
    with pytest.raises(BlobMissingError):
        blobs.path_for_serving("0" * 64)
    assert BlobStore("memory://served").path_for_serving(name) is None


def test_a_blob_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    path = blobs.path_for_serving(blobs.put(b"picture"))
    assert path is not None
    inode = path.stat().st_ino
    age(path, 1000)
    blobs.put(b"picture")
    assert path.stat().st_ino == inode
    assert time.time() - path.stat().st_mtime < 500  # young again: no sweep may take it before its commit


def test_a_damaged_blob_is_found_and_a_short_one_repaired(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    name = blobs.put(b"picture")
    path = blobs.path_for_serving(name)
    assert path is not None
    path.write_bytes(b"picturE")
    with pytest.raises(BlobCorruptError, match=name):
        blobs.read(name)
    path.write_bytes(b"pict")
    blobs.put(b"picture")
    assert blobs.read(name) == b"picture"


def test_a_sweep_takes_only_what_is_old_and_unused(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    used, unused, young = (blobs.put(data) for data in (b"used", b"unused", b"young"))
    for name in (used, unused):
        path = blobs.path_for_serving(name)
        assert path is not None
        age(path, 1000)
    leftover = tmp_path / "ab" / f".{unused}.tmp"
    leftover.parent.mkdir(exist_ok=True)
    leftover.write_bytes(b"half")
    age(leftover, 1000)
    (tmp_path / "README").write_text("not ours")
    age(tmp_path / "README", 1000)
    assert blobs.sweep({used}.__contains__, older_than_s=500) == 2
    assert sorted(blobs) == sorted([used, young])
    assert (tmp_path / "README").exists()
    assert not leftover.exists()


def test_a_sweep_works_on_any_file_system() -> None:
    blobs = BlobStore(f"memory://{uuid.uuid4().hex}")
    kept, gone = blobs.put(b"kept"), blobs.put(b"gone")
    assert blobs.sweep({kept}.__contains__, older_than_s=60) == 0
    assert blobs.sweep({kept}.__contains__, older_than_s=-1) == 1
    assert (blobs.exists(kept), blobs.exists(gone)) == (True, False)


@pytest.mark.fault
def test_a_full_disk_leaves_no_part_of_a_blob(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = BlobStore(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            blobs.put(b"picture")
    assert files_of(tmp_path) == []
    assert blobs.read(blobs.put(b"picture")) == b"picture"


@pytest.mark.fault
def test_a_remote_store_that_fails_leaves_no_part_of_a_blob(monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = BlobStore(f"memory://{uuid.uuid4().hex}")
    whole = blobs._files.pipe_file

    def half(path: str, data: bytes) -> None:
        whole(path, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(blobs._files, "pipe_file", half)
    with pytest.raises(OSError, match="No space left"):
        blobs.put(b"picture")
    assert list(blobs) == []
