"""``tastespace generate`` over a generator that draws colours."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.generation.provenance import read_provenance
from models.generation.types import DrawnPicture, GeneratorInfo, PictureRequest
from models.preprocess import to_pixels
from models.types import EncoderInfo, Float32Array
from tests.app.cli.conftest import Tastespace
from tests.app.fakes import COLOURS, GENERATOR, FakeEngine, drawing_of, pixels_vector, text_vector


class WordEncoder:
    """The fake engine's vectors; remembers the texts."""

    def __init__(self) -> None:
        self.info: EncoderInfo = FakeEngine().info
        self.texts: list[str] = []

    def encode_texts(self, texts: Sequence[str]) -> Float32Array:
        self.texts += texts
        return np.stack([text_vector(text) for text in texts])

    def encode_images(self, images: Sequence[Image.Image]) -> Float32Array:
        return np.stack([pixels_vector(to_pixels(each, self.info.preprocess)) for each in images])


@dataclass
class ColourGenerator:
    """Draws as the fake engine does; remembers the sizes of its batches."""

    info: GeneratorInfo = GENERATOR
    batches: list[int] = field(default_factory=list)

    def draw(self, requests: Sequence[PictureRequest]) -> list[DrawnPicture]:
        self.batches.append(len(requests))
        return [drawing_of(each, self.info) for each in requests]


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> ColourGenerator:
    made = ColourGenerator()
    monkeypatch.setattr("models.generation.loading.load_generator", lambda spec, device: made)
    monkeypatch.setattr("models.registry.load_encoder", lambda *_, **__: WordEncoder())
    monkeypatch.setenv("TASTESPACE_GENERATOR", "latent:anything")
    return made


def test_pictures_of_prompts(tastespace: Tastespace, generator: ColourGenerator, tmp_path: Path) -> None:
    out, sheet = tmp_path / "deep" / "pictures", tmp_path / "sheet.png"
    result = tastespace(
        "generate", "Tomato, rice!", "meat", "--out", out, "--n", 3, "--seed", 7, "--contact-sheet", sheet
    )
    assert result.exit_code == 0, result.output
    names = [f"{name}-{seed}.png" for name in ("tomato-rice", "meat") for seed in (7, 8, 9)]
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    assert [line.partition(": ")[0] for line in result.stdout.splitlines()] == [str(out / name) for name in names]
    assert "meat  (seed 7, score 1.000)" in result.stdout
    assert generator.batches == [3, 3]
    with Image.open(out / "tomato-rice-8.png") as image:
        said = read_provenance(image)
        assert said is not None
        assert (said.model, said.prompt, said.seed, said.fingerprint) == (
            "fake-pictures",
            "Tomato, rice!",
            8,
            "d" * 64,
        )
        expected = drawing_of(PictureRequest("x", text_vector("Tomato, rice!"), seed=8, size=32)).pixels
        np.testing.assert_array_equal(np.asarray(image), expected)
    with Image.open(sheet) as image:
        assert image.size == (8 + 3 * 40, 8 + 2 * 60)
        assert image.getpixel((8 + 16, 8 + 60 + 20 + 16)) == COLOURS["meat"]


def test_the_nearest_candidates_are_kept(tastespace: Tastespace, generator: ColourGenerator, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--n", 2, "--candidates", 14, "--seed", 8, "--format", "jpeg", "--size", "16x16", "--json")
    result = tastespace("generate", "tomato", "--out", out, *options)
    assert result.exit_code == 0, result.output
    records = json.loads(result.stdout)
    assert [record["seed"] for record in records] == [14, 21]
    assert [record["prompt"] for record in records] == ["tomato"] * 2
    assert records[0]["file"] == str(out / "tomato-14.jpg")
    assert records[0]["score"] >= records[1]["score"]
    assert generator.batches == [8, 6]
    with Image.open(records[0]["file"]) as image:
        assert (image.format, image.size) == ("JPEG", (16, 16))


def test_what_not_to_draw(tastespace: Tastespace, generator: ColourGenerator, tmp_path: Path) -> None:
    arguments = ("generate", "tomato rice", "--out", tmp_path, "--seed", 0, "--negative", "rice", "--json")
    result = tastespace(*arguments)
    with Image.open(json.loads(result.stdout)[0]["file"]) as image:
        assert (np.asarray(image) == COLOURS["tomato"]).all()
    generator.info = replace(GENERATOR, negative=False)
    result = tastespace(*arguments)
    assert result.exit_code == 1
    assert "negative_prompt: fake-pictures can't be told what not to draw" in result.stderr


def test_a_generator_that_reads_text_needs_no_encoder(
    tastespace: Tastespace, generator: ColourGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("the encoder is loaded for nothing")

    monkeypatch.setattr("models.registry.load_encoder", load)
    generator.info = replace(GENERATOR, conditions="text", encoder="", dim=0)
    result = tastespace("generate", "rice", "--out", tmp_path, "--seed", 0, "--json")
    assert result.exit_code == 0, result.output
    (record,) = json.loads(result.stdout)
    assert "score" not in record


def test_what_not_to_draw_is_not_encoded_for_a_generator_that_reads_text(
    tastespace: Tastespace, generator: ColourGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = WordEncoder()
    monkeypatch.setattr("models.registry.load_encoder", lambda *_, **__: encoder)
    generator.info = replace(GENERATOR, conditions="text", encoder="", dim=0)
    result = tastespace("generate", "meat", "--negative", "rice", "--candidates", 2, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert encoder.texts == ["meat"]


def test_prompts_that_look_alike_and_names_of_any_script(
    tastespace: Tastespace, generator: ColourGenerator, tmp_path: Path
) -> None:
    result = tastespace("generate", "a b", "a-b", "борщ", "!!!", "x" * 300, "--out", tmp_path, "--seed", 1)
    assert result.exit_code == 0, result.output
    names = {path.name for path in tmp_path.glob("*.png")}
    assert names == {"a-b-1.png", "a-b-2-1.png", "борщ-1.png", "picture-1.png", f"{'x' * 60}-1.png"}
    assert generator.batches == [1] * 5


@pytest.mark.usefixtures("generator")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((" ",), "a prompt is empty"),
        (("x" * 4001,), "4001 characters; the most is 4000"),
        (("a\u0007b",), "control character U+0007 at place 2"),
        (("x", "--negative", "\u001b"), "control character"),
        (("x", "--n", "0"), "--n"),
        (("x", "--n", "2", "--candidates", "1"), "less than --n, which is 2"),
        (("x", "--contact-sheet", "sheet.jpg"), "end in .png"),
        (("x", "--contact-sheet", "/nowhere/sheet.png"), "not a folder"),
        (("x", "--size", "1024x1024"), "auto or one of 32x32, 16x16"),
        (("x", "--seed", "-1"), "--seed"),
    ],
)
def test_what_is_wrong_is_said(tastespace: Tastespace, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    result = tastespace("generate", *arguments, "--out", tmp_path / "out")
    assert result.exit_code in (1, 2)
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_without_a_generator_or_with_one_of_another_encoder(
    tastespace: Tastespace, generator: ColourGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator.info = replace(GENERATOR, encoder="0" * 64)
    result = tastespace("generate", "x", "--out", tmp_path)
    assert result.exit_code == 1
    assert "was trained on vectors of the encoder 000000000000" in result.stderr
    monkeypatch.setenv("TASTESPACE_GENERATOR", "none")
    result = tastespace("generate", "x", "--out", tmp_path)
    assert result.exit_code == 1
    assert "choose one with --generator" in result.stderr
    monkeypatch.delenv("TASTESPACE_GENERATOR")
    result = tastespace("generate", "x", "--out", tmp_path, "--encoder", "lite:mine")
    assert result.exit_code == 1
    assert "no generator for this encoder" in result.stderr
