"""From a path to a reader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.importers.base import ImportSourceError
from app.importers.detect import FORMATS, check_source, detect, open_source
from app.importers.folder import FolderReader
from app.importers.hugo import HugoReader
from tests.app.importers.helpers import read, write
from tests.app.importers.test_archive import archive
from tests.app.importers.test_hugo import SHORT

RECIPE = json.dumps({"@type": "Recipe", "name": "Soup"})
FILES = {
    "folder": ("recipes.jsonl", '{"id": "a", "title": "A"}\n'),
    "hugo": ("content/soup.md", SHORT),
    "jsonld": ("soup.json", RECIPE),
    "csv": ("soups.csv", "title\nSoup\n"),
    "pictures": ("soup.jpg", "x"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_recognised_alone_and_in_a_wrapping_folder(tmp_path: Path, name: str) -> None:
    path, content = FILES[name]
    write(tmp_path / "wrapped/repository-1a2b" / path, content)
    for root in (tmp_path / "wrapped", tmp_path / "wrapped/repository-1a2b"):
        reader = detect(root)
        assert reader.format == name
        assert reader.summary
        assert len(read(reader)[0]) == 1


def test_the_most_particular_format_wins_and_can_be_overruled(tmp_path: Path) -> None:
    for path, content in FILES.values():
        write(tmp_path / path, content)
    assert detect(tmp_path).format == "folder"
    for name in FORMATS:
        assert detect(tmp_path, format=name).format == name


@pytest.mark.parametrize(
    ("path", "content", "name"),
    [
        ("a.jsonl", '{"title": "A"}', "folder"),
        ("a.html", f'<script type="application/ld+json">{RECIPE}</script>', "jsonld"),
        ("a.tsv", "title\nSoup\n", "csv"),
        ("a.webp", "x", "pictures"),
    ],
)
def test_single_files(tmp_path: Path, path: str, content: str, name: str) -> None:
    write(tmp_path / "other.jpg", b"x")
    reader = detect(write(tmp_path / path, content))
    assert reader.format == name
    assert len(read(reader)[0]) == 1


def test_jekyll_and_plain_pages(tmp_path: Path) -> None:
    write(tmp_path / "jekyll/_posts/2020-01-01-soup.md", SHORT)
    write(tmp_path / "plain/soup.md", SHORT)
    jekyll, plain = detect(tmp_path / "jekyll"), detect(tmp_path / "plain")
    assert isinstance(jekyll, HugoReader)
    assert jekyll.jekyll
    assert plain.format == "hugo"


def test_a_readme_and_a_package_file_do_not_hide_pictures(tmp_path: Path) -> None:
    for path, content in (("README.md", "# Photos"), ("notes.md", "# Hello"), ("package.json", "{}"), ("a.jpg", "x")):
        write(tmp_path / path, content)
    assert detect(tmp_path).format == "pictures"


def test_what_can_not_be_imported(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "x")
    for path, wanted, message in (
        (tmp_path / "none", None, "there is no file or folder"),
        (tmp_path, None, "nothing that can be imported"),
        (tmp_path / "a.txt", None, "nothing that can be imported"),
        (tmp_path, "csv", "nothing of the format 'csv'"),
        (tmp_path, "xml", "no format; choose one of"),
    ):
        with pytest.raises(ImportSourceError, match=message):
            detect(path, format=wanted)
        with pytest.raises(ImportSourceError, match=message):
            check_source(path, wanted)


def test_an_archive_is_unpacked_and_removed(tmp_path: Path) -> None:
    source = archive(tmp_path / "a.zip", ("repo/recipes.jsonl", b'{"title": "A"}\n'), ("../evil", b"x"))
    check_source(source)
    scratch = tmp_path / "scratch"
    with open_source(source, scratch=scratch) as opened:
        assert isinstance(opened.reader, FolderReader)
        assert opened.reader.root.is_relative_to(scratch)
        assert [problem.source for problem in opened.problems] == ["../evil"]
    assert list(scratch.iterdir()) == []
    with (
        pytest.raises(ImportSourceError, match=r"b\.zip holds nothing"),
        open_source(archive(tmp_path / "b.zip"), scratch=scratch),
    ):
        pass
    assert list(scratch.iterdir()) == []
