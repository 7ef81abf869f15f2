from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from app.services.drawn_files import DrawnFiles
from models.generation.provenance import PictureFormat


@pytest.fixture
def files(tmp_path: Path) -> DrawnFiles:
    return DrawnFiles(tmp_path / "drawn", 100)


@pytest.mark.parametrize(("picture_format", "suffix"), [("png", "png"), ("jpeg", "jpg"), ("webp", "webp")])
def test_a_picture_is_there_until_its_time_is_over(
    files: DrawnFiles, picture_format: PictureFormat, suffix: str
) -> None:
    name = files.add(b"picture", picture_format)
    assert name.endswith(f".{suffix}")
    assert files.read(name) == b"picture"
    born = (files.folder / name).stat().st_mtime
    current, late = (replace(files, clock=partial(float, born + age)) for age in (99.0, 100.0))
    assert (current.sweep(), current.read(name)) == (0, b"picture")
    assert late.read(name) is None
    assert late.sweep() == 1
    assert files.read(name) is None
    assert files.add(b"picture", picture_format) != name


def test_results_of_jobs(files: DrawnFiles) -> None:
    job_id = "0" * 32
    assert files.read_result(job_id) is None
    files.add_result(job_id, {"pictures": []})
    assert files.read_result(job_id) == {"pictures": []}
    assert files.read(f"{job_id}.json") is None
    assert replace(files, lifetime_s=0).read_result(job_id) is None
    assert replace(files, lifetime_s=0).sweep() == 1


@pytest.mark.parametrize("name", ["../secret.png", "secret.png", "", ".", "\0.png", "a" * 300, f"{'0' * 32}.png"])
def test_other_names_lead_nowhere(files: DrawnFiles, name: str) -> None:
    files.add(b"x", "png")
    (files.folder.parent / "secret.png").write_bytes(b"secret")
    (files.folder / "secret.png").write_bytes(b"secret")
    assert files.read(name) is None
    assert files.read_result(name) is None


def test_there_is_nothing_to_sweep_before_the_first_picture(files: DrawnFiles) -> None:
    assert files.sweep() == 0
    assert not files.folder.exists()
    assert files.expires_at() == pytest.approx(files.clock() + 100, abs=2)
