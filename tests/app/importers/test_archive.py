"""Zip archives that nobody vouches for."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from app.importers.archive import ArchiveLimits, unpack
from app.importers.base import ImportProblem, ImportSourceError
from tests.app.importers.helpers import write


def archive(path: Path, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in entries:
            opened.writestr(name, data)
    return path


def unpacked(
    tmp_path: Path, source: Path, limits: ArchiveLimits | None = None
) -> tuple[set[str], tuple[ImportProblem, ...]]:
    target = tmp_path / "inner" / "target"
    target.mkdir(parents=True)
    problems = unpack(source, target, limits or ArchiveLimits())
    everything = {
        path.relative_to(tmp_path).as_posix() for path in (tmp_path / "inner").rglob("*") if not path.is_dir()
    }
    assert all(name.startswith("inner/target/") for name in everything), "something was written outside"
    return {name.removeprefix("inner/target/") for name in everything}, problems


def test_a_plain_archive(tmp_path: Path) -> None:
    source = archive(
        tmp_path / "a.zip", ("recipes.jsonl", b"{}"), ("images/a.jpg", b"x"), ("__MACOSX/._a", b""), ("e/", b"")
    )
    names, problems = unpacked(tmp_path, source)
    assert names == {"recipes.jsonl", "images/a.jpg"}
    assert problems == ()


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:\\evil", "C:/evil"])
def test_names_that_lead_out_are_skipped(tmp_path: Path, name: str) -> None:
    names, problems = unpacked(tmp_path, archive(tmp_path / "a.zip", (zipfile.ZipInfo(name), b"evil"), ("ok", b"x")))
    assert names == {"ok"}
    assert len(problems) == 1


def test_links_devices_and_doubles_are_skipped(tmp_path: Path) -> None:
    link, device = zipfile.ZipInfo("link"), zipfile.ZipInfo("device")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    device.external_attr = (stat.S_IFCHR | 0o666) << 16
    source = archive(tmp_path / "a.zip", (link, b"/etc/passwd"), (device, b""), ("a", b"1"), ("a/b", b"2"))
    names, problems = unpacked(tmp_path, source)
    assert names == {"a"}
    assert [problem.source for problem in problems] == ["link", "device", "a/b"]


def test_a_damaged_entry_costs_itself(tmp_path: Path) -> None:
    source = tmp_path / "a.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("bad", b"AAAAAAAA")
        opened.writestr("good", b"x")
    source.write_bytes(source.read_bytes().replace(b"AAAAAAAA", b"AAAABAAA"))
    names, problems = unpacked(tmp_path, source)
    assert names == {"good"}
    assert "damaged" in problems[0].detail


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    source = archive(tmp_path / "a.zip", ("zeros", bytes(2_000_000)))
    with pytest.raises(ImportSourceError, match="decompression bomb"):
        unpacked(tmp_path, source, ArchiveLimits(ratio_from_bytes=1_000_000))


def test_a_directory_that_lies_about_sizes_is_stopped_at_the_limit(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros", bytes(5_000_000))
    true_size, claimed = (5_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")
    source = write(tmp_path / "a.zip", buffer.getvalue().replace(true_size, claimed))
    names, problems = unpacked(tmp_path, source, ArchiveLimits(max_bytes=1_000))
    assert all((tmp_path / "inner/target" / name).stat().st_size <= 10 for name in names)
    assert names == set() or problems == ()


@pytest.mark.parametrize(
    ("limits", "message"),
    [(ArchiveLimits(max_bytes=5), "unpacks to more than"), (ArchiveLimits(max_entries=1), "at most 1 are")],
)
def test_limits(tmp_path: Path, limits: ArchiveLimits, message: str) -> None:
    with pytest.raises(ImportSourceError, match=message):
        unpacked(tmp_path, archive(tmp_path / "a.zip", ("a", b"123"), ("b", b"456")), limits)


@pytest.mark.parametrize("content", [b"", b"PK", b"no zip at all"])
def test_what_is_no_zip(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ImportSourceError, match="not a zip archive"):
        unpacked(tmp_path, write(tmp_path / "a.zip", content))


def test_a_password_is_one_clear_sentence(tmp_path: Path) -> None:
    source = archive(tmp_path / "a.zip", ("a", b"secret"))
    data = bytearray(source.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    source.write_bytes(bytes(data))
    with pytest.raises(ImportSourceError, match="password"):
        unpacked(tmp_path, source)
