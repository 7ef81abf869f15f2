"""``tastespace data builtin-pictures``: the pictures of the built-in catalogue, drawn by the project's own generator.

For those who maintain the catalogue. The same models and options draw the same pictures: seeds come from the recipe's
id, and each file says how it came about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import CommandError, DeviceOption, EncoderOption, RuntimeOption, load_settings, stdout
from app.cli.drawing import (
    MAX_SEED,
    GeneratorOption,
    check_sheet,
    draw_seeds,
    generator_spec,
    load_fitting_encoder,
    load_generator,
    picture_vectors,
)

if TYPE_CHECKING:
    from index.types import Recipe
    from models.generation.provenance import Provenance
    from models.generation.types import Generator, PictureRequest
    from models.types import Float32Array, JointEncoder, UInt8Array

# A file is of the first quality that makes it this small (bytes), else of the last.
_QUALITIES, _SMALL = (85, 75, 65, 55, 40, 25), 5_000


class Told(StrEnum):
    """Of what the vector is made that the generator draws."""

    RECIPE = "recipe"
    TITLE = "title"


class Judge(StrEnum):
    """What the pictures are compared with."""

    BOTH = "both"
    RECIPE = "recipe"
    TITLE = "title"


@dataclass(frozen=True, slots=True)
class _Options:
    candidates: int
    seed: int
    batch: int
    told: Told
    judge: Judge
    truncation: float


@dataclass(frozen=True, slots=True, eq=False)
class _Chosen:
    """The best candidate, and its cosines with the whole recipe and with the title."""

    pixels: UInt8Array
    seed: int
    of_recipe: float
    of_title: float


def builtin_pictures(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder of the pictures, app/demo/pictures; made where it is not there.")],
    candidates: Annotated[int, typer.Option(min=1, help="Pictures drawn of each recipe; the best is kept.")] = 32,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="With the recipe's id: decides its seeds.")] = 0,
    batch: Annotated[int, typer.Option(min=1, max=256, help="Pictures drawn at once.")] = 32,
    told: Annotated[Told, typer.Option("--from", help="What the generator is told.")] = Told.RECIPE,
    judge: Annotated[
        Judge, typer.Option("--judge", help="What the joint encoder compares candidates with; both: the mean cosine.")
    ] = Judge.BOTH,
    truncation: Annotated[
        float, typer.Option(min=0.01, max=1, help="Scale of the noise: less is more typical and less varied.")
    ] = 1.0,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="The recipe of this id only; may be repeated.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Draw again what was drawn in the same way.")] = False,
    sheet: Annotated[Path | None, typer.Option(help="Also all of them on one sheet (PNG).")] = None,
    generator: GeneratorOption = None,
    encoder: EncoderOption = None,
    device: DeviceOption = None,
    runtime: RuntimeOption = None,
) -> None:
    """The pictures of the built-in recipes, drawn by a generator and chosen by the joint encoder.

    A recipe whose file was drawn in the same way (it says so itself) is left alone, so that a run that was stopped
    goes on.
    """
    check_sheet(sheet, out, "--sheet")
    settings = load_settings(ctx, generator=generator_spec(generator), encoder=encoder, device=device, runtime=runtime)
    recipes = _recipes(only or [])
    painter = load_generator(settings)
    examiner = load_fitting_encoder(settings, painter.info)
    artist = _Artist(painter, examiner, _Options(candidates, seed, batch, told, judge, truncation))
    out.mkdir(parents=True, exist_ok=True)
    drawn = sum(_draw_all(artist, recipes, out, force=force))
    files = [_file(out, recipe_id) for recipe_id, _ in recipes]
    if sheet is not None:
        _save_sheet(sheet, files, [recipe.title for _, recipe in recipes])
    size = sum(file.stat().st_size for file in files)
    stdout().print(
        f"{drawn} drawn, {len(files) - drawn} as they were, {size / 1000:,.0f} kB in {out}",
        soft_wrap=True,
        markup=False,
    )


def _recipes(only: Sequence[str]) -> list[tuple[str, Recipe]]:
    from app.builtin import builtin_recipes

    recipes = builtin_recipes()
    unknown = sorted(set(only) - {recipe_id for recipe_id, _ in recipes})
    if unknown:
        raise CommandError(f"no built-in recipe has the id {unknown[0]!r}; see app/demo/*.jsonl")
    return [(recipe_id, recipe) for recipe_id, recipe in recipes if not only or recipe_id in only]


def _file(out: Path, recipe_id: str) -> Path:
    from app.builtin import picture_name

    return out / picture_name(recipe_id)


def _draw_all(artist: _Artist, recipes: Sequence[tuple[str, Recipe]], out: Path, *, force: bool) -> Iterator[bool]:
    """Draw one recipe after the other and say so; whether each had to be drawn."""
    from models.files import write_file

    for place, (recipe_id, recipe) in enumerate(recipes, start=1):
        file, seeds, said = _file(out, recipe_id), artist.seeds(recipe_id), artist.provenance(recipe_id, recipe)
        if not force and _is_drawn(file, seeds, said):
            yield False
            continue
        best = artist.draw(recipe, seeds)
        write_file(file, _encoded(best.pixels, replace(said, seed=best.seed)))
        cosines = f"recipe {best.of_recipe:.3f}, title {best.of_title:.3f}"
        line = f"{place}/{len(recipes)} {file}: {recipe.title}  (seed {best.seed}, {cosines})"
        stdout().print(line, markup=False, soft_wrap=True)
        yield True


@dataclass(frozen=True, slots=True)
class _Artist:
    generator: Generator
    encoder: JointEncoder
    options: _Options

    def seeds(self, recipe_id: str) -> list[int]:
        """Of the candidates, by the id alone: a recipe that is added changes no other's picture."""
        from app.services.drawing import seeds_from

        digest = hashlib.sha256(f"{self.options.seed}:{recipe_id}".encode()).digest()
        return seeds_from(int.from_bytes(digest[:4]), self.options.candidates)

    def provenance(self, recipe_id: str, recipe: Recipe) -> Provenance:
        """What the file says, but for the seed: here it is that of the first candidate."""
        from app.services.drawing import recipe_prompt
        from models.generation.provenance import Provenance

        model, judge, first = self.generator.info, self.encoder.info, self.seeds(recipe_id)[0]
        with_what = "recipe and title" if self.options.judge is Judge.BOTH else self.options.judge.value
        return Provenance(
            model=model.name,
            prompt=recipe_prompt(recipe),
            seed=first,
            fingerprint=model.fingerprint,
            truncation=self.options.truncation,
            modality="recipe" if self._told_a_recipe else "text",
            selection=f"best of {self.options.candidates} from seed {first} by the cosine with {with_what} in "
            f"{judge.name} {judge.fingerprint[:12]}",
        )

    def draw(self, recipe: Recipe, seeds: Sequence[int]) -> _Chosen:
        """Raises PictureRequestError where the generator doesn't draw pictures of this size."""
        from app.services.drafts import recipe_text
        from app.services.drawing import recipe_prompt

        of_recipe = self.encoder.encode_recipes([recipe_text(recipe)])[0]
        of_title = self.encoder.encode_texts([recipe_prompt(recipe)])[0]
        request = self._request(recipe_prompt(recipe), of_recipe, of_title)
        drawn = draw_seeds(self.generator, request, seeds, self.options.batch)
        rows = picture_vectors(self.encoder, drawn)
        by_recipe, by_title = rows @ of_recipe, rows @ of_title
        scores = {Judge.BOTH: (by_recipe + by_title) / 2, Judge.RECIPE: by_recipe, Judge.TITLE: by_title}
        best = int(scores[self.options.judge].argmax())
        return _Chosen(drawn[best].pixels, drawn[best].seed, float(by_recipe[best]), float(by_title[best]))

    def _request(self, prompt: str, of_recipe: Float32Array, of_title: Float32Array) -> PictureRequest:
        from app.builtin import PICTURE_SIDE
        from models.generation.types import PictureRequest

        takes_vectors = self.generator.info.conditions == "vector"
        return PictureRequest(
            text=prompt,
            vector=(of_recipe if self._told_a_recipe else of_title) if takes_vectors else None,
            modality="recipe" if self._told_a_recipe else "text",
            size=PICTURE_SIDE,
            truncation=self.options.truncation,
        )

    @property
    def _told_a_recipe(self) -> bool:
        return self.options.told is Told.RECIPE and self.generator.info.conditions == "vector"


def _is_drawn(file: Path, seeds: Sequence[int], said: Provenance) -> bool:
    """Whether the file is such a picture, drawn and chosen in this very way."""
    from PIL import Image

    from app.builtin import PICTURE_SIDE
    from models.generation.provenance import read_provenance

    try:
        with Image.open(file) as image:
            found = read_provenance(image)
            right = image.format == "WEBP" and image.size == (PICTURE_SIDE, PICTURE_SIDE)
    except OSError:  # not there, or no picture
        return False
    return right and found is not None and found.seed in seeds and replace(found, seed=said.seed) == said


def _encoded(pixels: UInt8Array, said: Provenance) -> bytes:
    from models.generation.provenance import encode_picture

    data = b""
    for quality in _QUALITIES:
        data = encode_picture(pixels, said, "webp", quality=quality)
        if len(data) <= _SMALL:
            break
    return data


def _save_sheet(path: Path, files: Sequence[Path], captions: Sequence[str]) -> None:
    import numpy as np
    from PIL import Image

    from models.evaluation.generator_sheets import save_grid

    pictures = []
    for file in files:
        with Image.open(file) as image:
            pictures.append(np.asarray(image.convert("RGB")))
    save_grid(path, pictures, captions)
