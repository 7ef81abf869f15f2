"""``tastespace caption`` over a captioner that sees colours, and once over a real one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.cli import captions
from models.captioning.types import MAX_BEAMS, MAX_WORDS, Caption, CaptionerInfo, CaptionOptions
from models.types import UInt8Array
from tests.app.cli.conftest import Tastespace
from tests.app.fakes import CAPTIONER, COLOURS, captions_of, picture
from tests.models.captioning.samples import save_small
from tests.pictures import png_bomb


class ColourCaptioner:
    """Names the foods that colours stand for; remembers the sizes of its batches."""

    def __init__(self, info: CaptionerInfo = CAPTIONER) -> None:
        self.info = info
        self.batches: list[int] = []

    def caption_pixels(self, pixels: UInt8Array, options: CaptionOptions) -> list[list[Caption]]:
        self.batches.append(len(pixels))
        return [list(captions_of(each, options, self.info)) for each in pixels]


@pytest.fixture
def captioner(monkeypatch: pytest.MonkeyPatch) -> ColourCaptioner:
    made = ColourCaptioner()
    monkeypatch.setattr("models.captioning.loading.load_captioner", lambda spec, device: made)
    monkeypatch.setenv("TASTESPACE_CAPTIONER", "tell:anything")
    return made


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "dinner.png"
    path.write_bytes(picture("tomato", "rice", size=(28, 14)))
    return path


@pytest.mark.usefixtures("captioner")
def test_a_picture_is_captioned(tastespace: Tastespace, photo: Path) -> None:
    result = tastespace("caption", photo, "--style", "general")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{photo}: a photo of tomato and rice  (general, -0.70)\n"
    result = tastespace("caption", photo, "--num-captions", 2)
    assert [line.split(": ")[1].split("  ")[0] for line in result.stdout.splitlines()] == ["tomato rice", "rice tomato"]


@pytest.mark.usefixtures("captioner")
def test_the_words_as_json(tastespace: Tastespace, photo: Path) -> None:
    result = tastespace("caption", photo, photo, "--json", "--max-words", 1, "--style", "dish")
    assert result.exit_code == 0, result.output
    records = json.loads(result.stdout)
    assert [record["file"] for record in records] == [str(photo)] * 2
    assert records[0]["captions"] == [
        {
            "text": "tomato",
            "style": "dish",
            "log_probability": pytest.approx(-0.2),
            "words": [
                {"text": "tomato", "probability": pytest.approx(float(np.exp(-0.1))), "log_probability": -0.1},
            ],
        }
    ]


def test_many_pictures_go_in_batches_and_a_broken_one_stops_none(
    tastespace: Tastespace, captioner: ColourCaptioner, tmp_path: Path
) -> None:
    foods = list(COLOURS)
    files: list[Path] = []
    for number in range(20):
        files.append(tmp_path / f"{number}.png")
        files[-1].write_bytes(picture(foods[number % len(foods)]))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no more")
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_bomb())
    missing, folder = tmp_path / "missing.jpg", tmp_path
    result = tastespace("caption", broken, *files[:10], missing, folder, bomb, *files[10:], "--style", "dish")
    assert result.exit_code == 1
    assert captioner.batches == [12, 8]
    lines = [line.partition(": ")[::2] for line in result.stdout.splitlines()]
    assert [(file, said.split("  ")[0]) for file, said in lines] == [
        (str(file), foods[number % len(foods)]) for number, file in enumerate(files)
    ]
    said = dict(line.split(": ", 1) for line in result.stderr.splitlines())
    assert said[str(broken)] == "the JPEG picture is truncated or corrupt and can't be decoded"
    assert "No such file" in said[str(missing)]
    assert "directory" in said[str(folder)]
    assert "pixels" in said[str(bomb)]
    records = json.loads(tastespace("caption", broken, files[0], "--json").stdout)
    assert list(records[0]) == ["file", "error"]
    assert list(records[1]) == ["file", "captions"]
    captioner.batches.clear()
    assert tastespace("caption", broken, missing).exit_code == 1
    assert captioner.batches == []


@pytest.mark.usefixtures("captioner")
def test_the_figure_of_one_picture_is_a_file(tastespace: Tastespace, photo: Path, tmp_path: Path) -> None:
    target = tmp_path / "figure.png"
    result = tastespace("caption", photo, "--figure", target, "--style", "dish")
    assert result.exit_code == 0, result.output
    assert f"the figure is in {target}" in result.stdout
    with Image.open(target) as figure:
        assert figure.format == "PNG"
        assert figure.size == (8 + 3 * 248, 8 + 120 + 34 + 8)
        # Of the two words the first looks at tomato, on the left, in the middle square that the captioner sees.
        red = np.asarray(figure)[45, [8 + place * 248 + 75 for place in (1, 2)], 0]
    assert red[0] > 150 > 60 > red[1]


@pytest.mark.usefixtures("captioner")
def test_the_figures_of_several_pictures_fill_a_folder(tastespace: Tastespace, photo: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "dinner.png"
    other.parent.mkdir()
    other.write_bytes(picture("meat"))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"?")
    folder = tmp_path / "new" / "figures"
    result = tastespace("caption", photo, other, broken, "--figure", folder, "--json")
    assert result.exit_code == 1
    assert sorted(path.name for path in folder.iterdir()) == ["dinner-2.png", "dinner.png"]
    assert [record.get("figure") for record in json.loads(result.stdout)] == [
        str(folder / "dinner.png"),
        str(folder / "dinner-2.png"),
        None,
    ]
    assert tastespace("caption", photo, "--figure", folder).exit_code == 0


@pytest.mark.usefixtures("captioner")
def test_wrong_options_are_named(tastespace: Tastespace, photo: Path, tmp_path: Path) -> None:
    assert (captions.MAX_BEAMS, captions.MAX_WORDS) == (MAX_BEAMS, MAX_WORDS)
    for wrong, name in (
        (("--beams", 0), "--beams"),
        (("--beams", 1000), "--beams"),
        (("--num-captions", 6), "--num-captions"),
        (("--max-words", 51), "--max-words"),
        (("--style", "poem"), "--style"),
        (("--figure", tmp_path / "none" / "figure.png"), "--figure"),
        ((photo, "--figure", tmp_path / "figure.png"), "--figure"),
    ):
        result = tastespace("caption", photo, *wrong)
        assert result.exit_code == 2, result.output
        assert name in result.stderr
    (tmp_path / "figure.jpg").touch()
    assert tastespace("caption", photo, "--figure", tmp_path / "figure.jpg").exit_code == 2
    assert tastespace("caption").exit_code == 2


def test_what_the_captioner_can_not_do_is_said_before_any_file_is_read(
    tastespace: Tastespace, captioner: ColourCaptioner, tmp_path: Path
) -> None:
    captioner.info = replace(CAPTIONER, styles=("general",), grid=None)
    result = tastespace("caption", tmp_path / "missing.jpg", "--style", "dish")
    assert (result.exit_code, "fake-captions has no style 'dish'; it has general" in result.stderr) == (1, True)
    result = tastespace("caption", tmp_path / "missing.jpg", "--figure", tmp_path / "figures")
    assert (result.exit_code, "no attention maps" in result.stderr) == (1, True)


def test_without_a_captioner_the_remedy_is_named(
    tastespace: Tastespace, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASTESPACE_CAPTIONER", "none")
    result = tastespace("caption", photo)
    assert result.exit_code == 1
    assert "TASTESPACE_CAPTIONER" in result.stderr
    assert "--captioner" in result.stderr
    result = tastespace("caption", photo, "--captioner", "nonsense")
    assert (result.exit_code, "no captioner is called 'nonsense'" in result.stderr) == (1, True)


def test_a_real_captioner_from_its_folder(tastespace: Tastespace, photo: Path, tmp_path: Path) -> None:
    save_small(tmp_path / "weights")
    for spec in (tmp_path / "weights", f"tell:{tmp_path / 'weights'}"):
        result = tastespace("caption", photo, "--captioner", spec, "--figure", tmp_path / "figure.png", "--json")
        assert result.exit_code == 0, result.output
        captions = json.loads(result.stdout)[0]["captions"]
        assert {word["text"] for word in captions[0]["words"]} <= {"a", "dog", "'s"}
        assert (tmp_path / "figure.png").stat().st_size > 1000
