"""No reference leads out of the imported folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.importers.paths import OutsideError, find_picture, is_remote, read_text, resolve_inside, walk
from tests.app.importers.helpers import write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "secret.jpg", b"secret")
    write(tmp_path / "source/images/a b.jpg", b"a")
    return tmp_path / "source"


@pytest.mark.parametrize(
    "reference",
    [
        "../secret.jpg",
        "images/../../secret.jpg",
        "..\\secret.jpg",
        "/etc/passwd",
        "C:\\secret.jpg",
        "C:secret.jpg",
        "",
        "images/a b.jpg\0",
        "images",
        "missing.jpg",
        "x" * 5000,
    ],
)
def test_refused(root: Path, reference: str) -> None:
    with pytest.raises(OutsideError):
        resolve_inside(root, reference)


def test_absolute_paths_are_refused_even_inside(root: Path) -> None:
    with pytest.raises(OutsideError, match="out of the imported folder"):
        resolve_inside(root, str(root / "images/a b.jpg"))


def test_symbolic_links(root: Path) -> None:
    (root / "out.jpg").symlink_to(root.parent / "secret.jpg")
    (root / "in.jpg").symlink_to(root / "images/a b.jpg")
    (root / "outside").symlink_to(root.parent)
    (root / "loop.jpg").symlink_to(root / "loop.jpg")
    assert resolve_inside(root, "in.jpg") == (root / "images/a b.jpg").resolve()
    for reference in ("out.jpg", "outside/secret.jpg"):
        with pytest.raises(OutsideError, match="symbolic link"):
            resolve_inside(root, reference)
    with pytest.raises(OutsideError):
        resolve_inside(root, "loop.jpg")


def test_find_picture_decodes_percent_escapes_and_tries_in_order(root: Path) -> None:
    assert find_picture(root, ["nope.jpg", "images/a%20b.jpg"]).name == "a b.jpg"
    with pytest.raises(OutsideError, match=r"nope\.jpg"):
        find_picture(root, ["nope.jpg", "other.jpg"])
    with pytest.raises(OutsideError):
        find_picture(root, ["%2e%2e/secret.jpg"])
    with pytest.raises(OutsideError, match="no path"):
        find_picture(root, [])


@pytest.mark.parametrize("reference", ["https://x/a.jpg", "//x/a.jpg", "data:image/png;base64,x", "FTP://x"])
def test_remote(reference: str) -> None:
    assert is_remote(reference)


@pytest.mark.parametrize("reference", ["a.jpg", "/pix/a.jpg", "images/http.jpg"])
def test_not_remote(reference: str) -> None:
    assert not is_remote(reference)


def test_walk_is_in_order_and_stays_inside(root: Path) -> None:
    write(root / "b.JPG", b"")
    write(root / ".hidden/c.jpg", b"")
    write(root / "notes.txt", b"")
    (root / "up").symlink_to(root.parent)
    found = [path.relative_to(root).as_posix() for path in walk(root, frozenset({".jpg"}))]
    assert found == ["b.JPG", "images/a b.jpg"]
    assert list(walk(root / "missing", frozenset({".jpg"}))) == []


def test_read_text(root: Path) -> None:
    write(root / "bom.md", b"\xef\xbb\xbfhello")
    write(root / "latin.md", "é".encode("latin-1"))
    assert read_text(root, "bom.md") == "hello"
    with pytest.raises(OutsideError, match="UTF-8"):
        read_text(root, "latin.md")
