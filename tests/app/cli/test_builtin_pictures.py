"""``tastespace data builtin-pictures`` with a tiny generator, on three of the recipes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from app.builtin import builtin_recipes
from app.cli.builtin_pictures import Judge
from app.services.drafts import recipe_text
from models.generation.loading import load_generator
from models.generation.provenance import Provenance, read_provenance
from models.generation.types import DrawnPicture, Generator, PictureRequest
from tests.app.cli.conftest import Tastespace
from tests.models.generation.samples import save_tiny
from tests.models.generation.world import ColourEncoder

IDS = ("greek-salad", "lasagne-al-forno", "spaghetti-carbonara")
RECIPES = dict(builtin_recipes())


@dataclass
class Watched:
    """A generator whose requests are kept, batch by batch."""

    generator: Generator
    batches: list[list[PictureRequest]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.generator, name)

    def draw(self, requests: list[PictureRequest]) -> list[DrawnPicture]:
        self.batches.append(list(requests))
        return self.generator.draw(requests)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("generator")
    save_tiny(made, ColourEncoder().info, size=128)
    return made


@pytest.fixture
def watched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    generator = Watched(load_generator(f"latent:{folder}"))
    monkeypatch.setattr("models.generation.loading.load_generator", lambda spec, device: generator)
    monkeypatch.setattr("models.registry.load_encoder", lambda *_, **__: ColourEncoder())
    monkeypatch.setenv("TASTESPACE_GENERATOR", "latent:anything")
    return generator


@dataclass
class Command:
    """The command on a folder of its own."""

    tastespace: Tastespace
    out: Path

    def __call__(self, *options: object, ids: tuple[str, ...] = IDS) -> Result:
        chosen = [word for recipe_id in ids for word in ("--only", recipe_id)]
        return self.tastespace("data", "builtin-pictures", "--out", self.out, "--candidates", 4, *chosen, *options)

    def said(self, recipe_id: str) -> Provenance:
        with Image.open(self.out / f"{recipe_id}.webp") as image:
            assert (image.format, image.size) == ("WEBP", (128, 128))
            found = read_provenance(image)
        assert found is not None
        return found

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.out.iterdir()}


@pytest.fixture
def command(tastespace: Tastespace, tmp_path: Path) -> Command:
    return Command(tastespace, tmp_path / "deep" / "pictures")


def test_small_files_that_say_how_they_came_about(command: Command, watched: Watched, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    result = command("--sheet", sheet, "--batch", 3)
    assert result.exit_code == 0, result.output
    assert [len(batch) for batch in watched.batches] == [3, 1] * 3
    files = command.files()
    assert sorted(files) == [f"{recipe_id}.webp" for recipe_id in IDS]
    assert all(len(data) < 10_000 for data in files.values())
    firsts = set()
    for recipe_id in IDS:
        said = command.said(recipe_id)
        assert (said.model, said.prompt, said.modality) == (watched.info.name, RECIPES[recipe_id].title, "recipe")
        assert said.fingerprint == watched.info.fingerprint
        first = int(said.selection.split()[5])
        assert said.selection == (
            f"best of 4 from seed {first} by the cosine with recipe and title in colours cccccccccccc"
        )
        assert said.seed in range(first, first + 4)
        assert f"{recipe_id}.webp: {said.prompt}  (seed {said.seed}, recipe " in result.stdout
        firsts.add(first)
    assert len(firsts) == 3
    assert "3/3 " in result.stdout
    assert "3 drawn, 0 as they were" in result.stdout
    with Image.open(sheet) as image:
        assert image.size == (3 * 132, 150)


def test_the_same_again_draws_nothing_and_force_draws_the_same(command: Command, watched: Watched) -> None:
    command()
    files, drawn = command.files(), len(watched.batches)
    again = command()
    assert "0 drawn, 3 as they were" in again.stdout
    assert len(watched.batches) == drawn
    assert "3 drawn" in command("--force").stdout
    assert command.files() == files


def test_what_is_missing_broken_or_drawn_otherwise_is_drawn(command: Command, watched: Watched) -> None:
    command()
    files = command.files()
    (command.out / f"{IDS[0]}.webp").write_bytes(b"no picture")
    (command.out / f"{IDS[1]}.webp").unlink()
    assert "2 drawn, 1 as they were" in command().stdout
    assert command.files() == files
    before = command.said(IDS[0])
    for other in (("--seed", 1), ("--from", "title"), ("--judge", "title"), ("--truncation", 0.5)):
        assert "1 drawn" in command(*other, ids=IDS[:1]).stdout, other
        assert command.said(IDS[0]) != before
    assert "1 drawn, 2 as they were" in command().stdout
    assert command.files() == files


@pytest.mark.parametrize("judge", Judge)
def test_the_best_by_recipe_title_or_both_is_kept(command: Command, watched: Watched, judge: Judge) -> None:
    command("--judge", judge.value, ids=IDS[:1])
    recipe, encoder = RECIPES[IDS[0]], ColourEncoder()
    by_recipe, by_title = encoder.encode_recipes([recipe_text(recipe)])[0], encoder.encode_texts([recipe.title])[0]
    wanted = {Judge.RECIPE: by_recipe, Judge.TITLE: by_title, Judge.BOTH: by_recipe + by_title}[judge]
    (requests,) = watched.batches
    drawn = watched.generator.draw(requests)
    scores = encoder.encode_images([Image.fromarray(each.pixels) for each in drawn]) @ wanted
    assert command.said(IDS[0]).seed == requests[int(scores.argmax())].seed


def test_what_the_generator_is_told(command: Command, watched: Watched) -> None:
    recipe, encoder = RECIPES[IDS[0]], ColourEncoder()
    expected = {
        "recipe": (encoder.encode_recipes([recipe_text(recipe)])[0], "recipe"),
        "title": (encoder.encode_texts([recipe.title])[0], "text"),
    }
    for told, (vector, modality) in expected.items():
        command("--from", told, ids=IDS[:1])
        for request in watched.batches.pop():
            assert (request.text, request.modality, request.size) == (recipe.title, modality, 128)
            assert request.vector is not None
            np.testing.assert_array_equal(request.vector, vector)
        assert command.said(IDS[0]).modality == modality


@pytest.mark.usefixtures("watched")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--only", "pot-noodle"), "no built-in recipe has the id 'pot-noodle'"),
        (("--sheet", "sheet.jpg"), "end in .png"),
        (("--candidates", 0), "--candidates"),
        (("--judge", "chance"), "--judge"),
    ],
)
def test_what_is_wrong_is_said(command: Command, options: tuple[object, ...], words: str) -> None:
    result = command(*options)
    assert result.exit_code in (1, 2)
    assert words in result.stderr
    assert not command.out.exists()


def test_a_generator_that_is_not_there_or_does_not_fit(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.registry.load_encoder", lambda *_, **__: ColourEncoder("e" * 64))
    monkeypatch.setenv("TASTESPACE_GENERATOR", "none")
    assert "choose one with --generator" in command().stderr
    assert "is missing" in command("--generator", f"latent:{tmp_path}/nowhere").stderr
    for folder, size in ((tmp_path / "large", 128), (tmp_path / "small", 32)):
        folder.mkdir()
        save_tiny(folder, ColourEncoder().info, size=size)
    result = command("--generator", tmp_path / "large")
    assert result.exit_code == 1
    assert "was trained on vectors of the encoder cccccccccccc, but the encoder in use is eeeeeeeeeeee" in result.stderr
    monkeypatch.setattr("models.registry.load_encoder", lambda *_, **__: ColourEncoder())
    result = command("--generator", tmp_path / "small")
    assert result.exit_code == 1
    assert "draws no pictures of size 128; it offers 32" in result.stderr
