from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from models.runtime.cache import KEPT, LISTING, FolderCache

KEY = "k" * 64


def fill(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(b"\1" * 1000)
    (folder / "record.json").write_text("{}")


@pytest.fixture
def cache(tmp_path: Path) -> FolderCache:
    return FolderCache(tmp_path / "models")


def test_what_was_written_is_found(cache: FolderCache, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert cache.find(KEY) is None
    assert cache.write(KEY, fill)
    folder = cache.find(KEY)
    assert folder == tmp_path / "models" / KEY
    assert sorted(path.name for path in folder.iterdir()) == [LISTING, "record.json", "weights.bin"]
    assert [path.name for path in (tmp_path / "models").iterdir()] == [KEY], "nothing temporary may stay"
    assert not caplog.records


@pytest.mark.fault
@pytest.mark.parametrize("damage", ["flipped", "short", "missing", "no listing", "bad listing", "odd listing"])
def test_damage_is_found_and_removed(cache: FolderCache, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    cache.write(KEY, fill)
    folder = cache.find(KEY)
    assert folder is not None
    weights = folder / "weights.bin"
    match damage:
        case "flipped":
            weights.write_bytes(b"\1" * 999 + b"\2")
        case "short":
            os.truncate(weights, 10)
        case "missing":
            weights.unlink()
        case "no listing":
            (folder / LISTING).unlink()
        case "bad listing":
            (folder / LISTING).write_text("{")
        case "odd listing":
            (folder / LISTING).write_text("[1]")
    assert cache.find(KEY) is None
    assert "is damaged" in caplog.text
    assert not folder.exists()
    caplog.clear()
    assert cache.write(KEY, fill)
    assert cache.find(KEY) == folder
    assert not caplog.records


@pytest.mark.fault
def test_a_failing_write_is_a_warning_and_leaves_nothing(
    cache: FolderCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def full(folder: Path) -> None:
        fill(folder)
        raise OSError(28, "No space left on device")

    assert not cache.write(KEY, full)
    assert "No space left on device" in caplog.text
    assert list((tmp_path / "models").iterdir()) == []


@pytest.mark.fault
def test_a_root_that_cannot_be_made_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    cache = FolderCache(tmp_path / "file" / "models")
    assert cache.find(KEY) is None
    assert not cache.write(KEY, fill)
    assert caplog.text.count("can't be kept") == 1


def test_the_second_of_two_writers_takes_what_the_first_made(
    cache: FolderCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def overtaken(folder: Path) -> None:
        fill(folder)
        assert FolderCache(tmp_path / "models").write(KEY, fill)

    assert cache.write(KEY, overtaken)
    assert cache.find(KEY) is not None
    assert [path.name for path in (tmp_path / "models").iterdir()] == [KEY]
    assert not caplog.records


def test_the_entries_used_last_stay(cache: FolderCache, tmp_path: Path) -> None:
    root = tmp_path / "models"
    for i in range(KEPT):
        cache.write(f"{i}" * 64, fill)
        os.utime(root / (f"{i}" * 64), (i, i))
    assert cache.find("0" * 64) is not None  # used: now it is the youngest
    (root / "something else").mkdir()
    (root / "tmp-abandoned").mkdir()
    os.utime(root / "tmp-abandoned", (1, 1))
    (root / "tmp-in-use").mkdir()
    cache.write(KEY, fill)
    left = {path.name[:3] for path in root.iterdir()}
    assert left == {"000", "222", "333", KEY[:3], "som", "tmp"}
    assert not (root / "tmp-abandoned").exists()
    assert (root / "tmp-in-use").exists()


PROGRAM = """
import sys, time
from pathlib import Path
from models.runtime.cache import FolderCache
cache = FolderCache(Path(sys.argv[1]))
def fill(folder):
    (folder / "weights.bin").write_bytes(bytes(200_000))
for i in range(30):
    folder = cache.find("k")
    if folder is None:
        assert cache.write("k", fill)
        cache.discard("k") if i % 3 == 0 else None
    else:
        cache.discard("k") if i % 5 == 0 else None
"""


@pytest.mark.fault
def test_processes_at_once_never_see_half_an_entry(tmp_path: Path) -> None:
    """Each writes, reads and removes the same entry; the reader's only word of damage may be that it just went away."""
    running = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in running:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert "a file changed" not in errors
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("tmp-")]


@pytest.mark.fault
def test_a_file_size_limit_is_a_full_disk(tmp_path: Path) -> None:
    program = (
        "import sys, signal\nfrom pathlib import Path\nfrom models.runtime.cache import FolderCache\n"
        "def fill(folder): (folder / 'weights.bin').write_bytes(bytes(200_000))\n"
        "print(FolderCache(Path(sys.argv[1])).write('k', fill))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "False\n", run.stderr
    assert "can't be kept" in run.stderr
    assert list(tmp_path.iterdir()) == []


def test_time_of_use_is_that_of_the_folder(cache: FolderCache, tmp_path: Path) -> None:
    cache.write(KEY, fill)
    os.utime(tmp_path / "models" / KEY, (5, 5))
    before = time.time() - 60
    assert cache.find(KEY) is not None
    assert (tmp_path / "models" / KEY).stat().st_mtime > before
