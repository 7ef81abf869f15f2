"""Drawn pictures against photos: do they look like photos, show what was asked for, vary, and copy nothing?

All is measured in the features of one backbone that the generator never met, at the resolution that it draws, beside
what real photos score: the numbers mean little by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from models.data import DataError, RecipeExample, read_recipes
from models.evaluation.generator_backbone import PictureBackbone, photo_features, picture_features, square_photo
from models.evaluation.generator_bounds import GeneratorBounds
from models.evaluation.generator_drawing import Draughtsman, Drawing, smooth_noise
from models.evaluation.generator_judge import JudgeConfig, obtain_judge, other_titles, r_precision
from models.evaluation.generator_neighbours import (
    PICTURES_PER_DISH,
    Nearest,
    dishes_of,
    mean_pairwise_distance,
    nearest_rows,
)
from models.evaluation.generator_report import GeneratorReport
from models.evaluation.generator_sheets import (
    PAIRS,
    SHEET_PROMPTS,
    SHEET_SEEDS,
    Pair,
    save_pairs,
    save_prompt_sheet,
)
from models.evaluation.kernel_distance import kernel_distance
from models.frechet import frechet_distance
from models.generation.types import Generator
from models.types import Float32Array, JointEncoder, UInt8Array

OnGeneratorEvaluation: TypeAlias = Callable[[str, int, int], None]
#: Pictures that are drawn and photos that they are compared with, where there are enough.
PICTURES = 1000
_TRAIN = "train"


@dataclass(frozen=True, slots=True)
class GeneratorEvaluation:
    """What is drawn and where it is shown.

    Attributes:
        pictures: most titles that are drawn, one picture each; comparable between runs of the same number alone.
        size: side in pixels; None: the generator's own.
        truncation, candidates, seed: see :class:`models.evaluation.generator_drawing.Drawing`.
        sheet: where to write the contact sheet of fixed prompts; None: nowhere.
        pairs: where to write the pictures that are nearest to training photos, beside those; None: nowhere.

    Raises:
        ValueError: a value is out of its range.
    """

    pictures: int = PICTURES
    size: int | None = None
    truncation: float = 1.0
    candidates: int = 1
    seed: int = 0
    sheet: Path | None = None
    pairs: Path | None = None

    def __post_init__(self) -> None:
        if self.pictures < 2 or self.candidates < 1 or self.seed < 0:
            raise ValueError("pictures must be at least 2, candidates at least 1, and seed at least 0")


def evaluate_generator(
    generator: Generator,
    data: Path,
    split: str = "val",
    *,
    backbone: PictureBackbone,
    cache: Path,
    encoder: JointEncoder | None = None,
    bounds: GeneratorBounds | None = None,
    options: GeneratorEvaluation | None = None,
    judge: JudgeConfig | None = None,
    on_progress: OnGeneratorEvaluation | None = None,
) -> GeneratorReport:
    """Draw the titles of a split and measure the pictures against its photos and those of the training split.

    Args:
        generator: any that draws what ``options`` ask.
        data: folder with ``recipes.jsonl`` and the photos, of the splits ``split`` and ``train``.
        backbone: what is measured by; it must be none that the generator or the encoder stands on.
        cache: folder of features of photos and of trained judges.
        encoder: of the vectors that the generator is told, and of the re-ranking.
        bounds: what the ceiling is drawn by, which is smooth noise where that can't be had, and what the autoencoder
            alone loses is measured by.
        judge: of the R-precision.
        on_progress: called with (what, done, total).

    Raises:
        DataError: the data can't be read, or has too few photos with titles.
        PictureRequestError: the generator doesn't draw the size.
        ValueError: the generator or the re-ranking needs an encoder.
    """
    chosen, report = options or GeneratorEvaluation(), on_progress or (lambda *_: None)
    bounds = bounds or GeneratorBounds()
    drawing = Drawing(
        chosen.size or generator.info.sizes[0], chosen.truncation, candidates=chosen.candidates, seed=chosen.seed
    )
    artist = Draughtsman(generator, encoder, drawing)
    photos = _Photos.read(data, split, chosen, backbone, drawing.size, cache, report)
    drawn = artist.draw(photos.titles, 1, "pictures", report)[:, 0]
    features = picture_features(backbone, drawn, "features of pictures", report)
    ceiling, ceiling_name = _ceiling(bounds.untrained, encoder, drawing, photos.titles, report)
    worst = picture_features(backbone, ceiling, "features of the ceiling", report)
    decoded = _decoded(bounds, backbone, photos, drawing.size, report)

    sentences = backbone.sentences([*photos.train_titles, *photos.titles])
    trained = obtain_judge(cache, photos.train, sentences[: len(photos.train)], judge, report)
    others = other_titles(photos.titles, chosen.seed)
    told = trained.judge.embed_titles(sentences[len(photos.train) :])
    diversity, diversity_real, dishes = _diversity(artist, backbone, photos, chosen.seed, report)
    near, near_real = (nearest_rows(rows, photos.train) for rows in (features, photos.real))
    if chosen.pairs is not None:
        save_pairs(chosen.pairs, _pairs(drawn, near, photos))
    if chosen.sheet is not None:
        shown = artist.draw(SHEET_PROMPTS, SHEET_SEEDS, "contact sheet", report, fixed=True)
        save_prompt_sheet(chosen.sheet, SHEET_PROMPTS, shown)
    return GeneratorReport(
        fd=frechet_distance(features, photos.real),
        fd_floor=frechet_distance(photos.floor, photos.real),
        fd_ceiling=frechet_distance(worst, photos.real),
        fd_decoded=None if decoded is None else frechet_distance(decoded, photos.real),
        kd=kernel_distance(features, photos.real),
        kd_floor=kernel_distance(photos.floor, photos.real),
        kd_ceiling=kernel_distance(worst, photos.real),
        kd_decoded=None if decoded is None else kernel_distance(decoded, photos.real),
        r_precision=r_precision(trained.judge.embed_pictures(features), told, others),
        r_precision_real=r_precision(trained.judge.embed_pictures(photos.real), told, others),
        r_precision_of=others.shape[1] + 1,
        diversity=diversity,
        diversity_real=diversity_real,
        dishes=dishes,
        nearest=float(near.distances.mean(dtype=np.float64)),
        nearest_real=float(near_real.distances.mean(dtype=np.float64)),
        backbone=backbone.name,
        backbone_digest=backbone.digest,
        judge=trained.digest,
        ceiling=ceiling_name,
        n=len(photos.titles),
        train_photos=len(photos.train),
        resolution=drawing.size,
        split=split,
        generator=generator.info.name,
        fingerprint=generator.info.fingerprint,
        candidates=chosen.candidates,
        truncation=chosen.truncation,
        seed=chosen.seed,
        pictures_per_second=artist.pictures_per_second,
        notes=photos.notes(chosen.pictures, dishes),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Photos:
    """Photos of the measured split and of training: titles, files and features, float32 (n, width).

    ``floor`` are the features of training photos, as many as measured ones where there are, no file twice, and
    ``floor_files`` those; ``shared`` counts the measured photos that are training photos too.
    """

    titles: list[str]
    real: Float32Array
    train_titles: list[str]
    train_files: list[Path]
    train_contents: list[bytes]
    train: Float32Array
    floor: Float32Array
    floor_files: list[Path]
    shared: int

    @classmethod
    def read(
        cls,
        data: Path,
        split: str,
        options: GeneratorEvaluation,
        backbone: PictureBackbone,
        side: int,
        cache: Path,
        report: OnGeneratorEvaluation,
    ) -> _Photos:
        if split == _TRAIN:
            raise DataError("the photos of the split 'train' are what a generator learned from; measure another split")
        measured, training = _titled(data, split), _titled(data, _TRAIN)
        rng = np.random.default_rng(options.seed)
        if len(measured) > options.pictures:
            chosen = np.sort(rng.choice(len(measured), options.pictures, replace=False))
            measured = [measured[row] for row in chosen]
        files = [example.image for example in (*training, *measured) if example.image is not None]
        features, contents = photo_features(backbone, files, side, cache, report)
        count = len(training)
        once = list({content: row for row, content in reversed(list(enumerate(contents[:count])))}.values())[::-1]
        drawn = np.sort(rng.choice(once, min(len(measured), len(once)), replace=False))
        if len(drawn) < 2:
            raise DataError(f"{data} has fewer than two different training photos to compare with")
        known = set(contents[:count])
        return cls(
            titles=[example.text.title for example in measured],
            real=features[count:],
            train_titles=[example.text.title for example in training],
            train_files=files[:count],
            train_contents=contents[:count],
            train=features[:count],
            floor=features[drawn],
            floor_files=[files[row] for row in drawn],
            shared=sum(content in known for content in contents[count:]),
        )

    def notes(self, wanted: int, dishes: int) -> tuple[str, ...]:
        """What must be known to read the numbers."""
        notes = ["distances are in the features of the named backbone and are no FID"]
        n, width = self.real.shape
        if n < wanted:
            notes.append(f"the split has {n} photos with titles instead of {wanted}; fd depends on that number")
        if len(self.floor) < n:
            notes.append(f"fd_floor is that of {len(self.floor)} training photos: there are no more")
        if n <= width:
            notes.append(f"{n} pictures are fewer than the {width} features: fd compares singular covariances")
        if self.shared:
            notes.append(f"{self.shared} photos of the split are training photos too, at distance 0 from themselves")
        if not dishes:
            notes.append(f"no dish has {PICTURES_PER_DISH} different training photos; diversity is left out")
        return tuple(notes)


def _titled(data: Path, split: str) -> list[RecipeExample]:
    """The examples that have both a photo and a title."""
    found = [each for each in read_recipes(data, split) if each.image is not None and each.text.title.strip()]
    if len(found) < 2:
        raise DataError(f"the split {split!r} of {data} has {len(found)} photos with titles; at least 2 are needed")
    return found


def _ceiling(
    untrained: Generator | None,
    encoder: JointEncoder | None,
    drawing: Drawing,
    titles: Sequence[str],
    report: OnGeneratorEvaluation,
) -> tuple[UInt8Array, str]:
    """Pictures, uint8 (n, S, S, 3), and what they are by. Nothing is re-ranked."""
    if untrained is None:
        return smooth_noise(len(titles), drawing.size, drawing.seed), "smooth noise"
    artist = Draughtsman(untrained, encoder, Drawing(drawing.size, drawing.truncation, seed=drawing.seed))
    return artist.draw(titles, 1, "untrained pictures", report)[:, 0], untrained.info.name


def _decoded(
    bounds: GeneratorBounds, backbone: PictureBackbone, photos: _Photos, side: int, report: OnGeneratorEvaluation
) -> Float32Array | None:
    """Features of the floor's photos after the autoencoder, None where there is none."""
    if bounds.decoded is None:
        return None
    pictures = bounds.decoded(np.stack([square_photo(file, side) for file in photos.floor_files]))
    return picture_features(backbone, pictures, "features of decoded photos", report)


def _diversity(
    artist: Draughtsman, backbone: PictureBackbone, photos: _Photos, seed: int, report: OnGeneratorEvaluation
) -> tuple[float | None, float | None, int]:
    """Of the drawn pictures and of the photos of the same dishes, and how many dishes there are."""
    dishes = dishes_of(photos.train_titles, photos.train_contents, seed)
    if not dishes:
        return None, None, 0
    drawn = artist.draw([dish.name for dish in dishes], PICTURES_PER_DISH, "dishes", report)
    flat = drawn.reshape(-1, *drawn.shape[2:])
    rows = picture_features(backbone, flat, "features of dishes", report).reshape(*drawn.shape[:2], -1)
    own = [mean_pairwise_distance(each) for each in rows]
    real = [mean_pairwise_distance(photos.train[list(dish.rows)]) for dish in dishes]
    return float(np.mean(own)), float(np.mean(real)), len(dishes)


def _pairs(drawn: UInt8Array, near: Nearest, photos: _Photos) -> list[Pair]:
    """The pictures that are nearest to a training photo, nearest first."""
    closest = np.argsort(near.distances, kind="stable")[:PAIRS]
    return [
        Pair(
            drawn[row],
            square_photo(photos.train_files[near.rows[row]], drawn.shape[1]),
            f"{near.distances[row]:.2f}  {photos.titles[row]}",
        )
        for row in closest
    ]
