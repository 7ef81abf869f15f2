"""Generators whose faults are known, measured."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from models.data import DataError
from models.evaluation.generator import GeneratorEvaluation, evaluate_generator
from models.evaluation.generator_backbone import LiteBackbone, encoder_stands_on, photo_features
from models.evaluation.generator_bounds import GeneratorBounds, generator_bounds
from models.evaluation.generator_drawing import Draughtsman, Drawing, prompt_seeds, smooth_noise
from models.evaluation.generator_judge import JudgeConfig
from models.evaluation.generator_report import GeneratorReport
from models.generation.autoencoder import from_pixels, to_pixels
from models.generation.loading import load_generator
from models.generation.types import GeneratorUnavailableError, PictureRequest, PictureRequestError
from models.generation.weights import load_autoencoder
from models.types import EncoderUnavailableError
from tests.models.evaluation.generator_world import (
    SIDE,
    GridBackbone,
    PlateGenerator,
    SoupEncoder,
    plate_pixels,
    write_plates,
)
from tests.models.generation.test_generator import DIM, write_generator
from tests.pictures import plate

JUDGE = JudgeConfig(dim=8, hidden=8, dropout=0.0, epochs=60, batch_size=42, learning_rate=1e-2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plates(tmp_path_factory.mktemp("plates"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def measure(
    generator: PlateGenerator, data: Path, cache: Path, bounds: GeneratorBounds | None = None, **options: Any
) -> GeneratorReport:
    encoder = SoupEncoder() if options.get("candidates", 1) > 1 else None
    return evaluate_generator(
        generator,
        data,
        backbone=GridBackbone(),
        cache=cache,
        encoder=encoder,
        bounds=bounds,
        options=GeneratorEvaluation(**options),
        judge=JUDGE,
    )


def test_what_draws_what_is_asked(data: Path, cache: Path) -> None:
    report = measure(PlateGenerator(), data, cache)
    assert report.fd_floor < report.fd_ceiling
    assert report.fd < report.fd_ceiling
    assert report.r_precision == 1
    assert report.r_precision_real > 0.8
    assert (report.r_precision_of, report.n, report.train_photos, report.resolution) == (6, 12, 42, SIDE)
    assert (report.dishes, report.ceiling, report.backbone) == (6, "smooth noise", "grid")
    assert report.diversity is not None
    assert report.diversity > 0
    assert report.nearest > 0
    assert report.pictures_per_second > 0
    assert any("12 photos with titles instead of 1000" in note for note in report.notes)
    assert any("singular" in note for note in report.notes)


def test_what_only_retrieves_is_found_out(data: Path, cache: Path) -> None:
    report = measure(PlateGenerator(copies_of=data), data, cache)
    assert report.nearest == 0 < report.nearest_real
    assert report.relative()["nearest"] == 0
    assert report.fd < report.fd_ceiling / 2
    assert report.r_precision == 1


def test_what_does_not_listen_is_found_out_and_reranking_helps(data: Path, cache: Path) -> None:
    deaf = measure(PlateGenerator(right=4), data, cache)
    assert deaf.r_precision < 0.7
    ranked = measure(PlateGenerator(right=4), data, cache, candidates=12)
    assert ranked.r_precision > deaf.r_precision
    assert ranked.candidates == 12
    assert ranked.judge == deaf.judge


def test_the_json_has_the_keys_and_is_repeatable(data: Path, cache: Path) -> None:
    record = measure(PlateGenerator(), data, cache, seed=3).to_json()
    wanted = (
        "fd fd_floor fd_ceiling kd r_precision r_precision_real diversity diversity_real nearest nearest_real backbone "
        "n resolution generator fingerprint seed notes"
    )
    assert set(wanted.split()) <= set(record)
    again = measure(PlateGenerator(), data, cache, seed=3).to_json()
    other = measure(PlateGenerator(), data, cache, seed=4).to_json()
    for each in (record, again, other):
        each.pop("pictures_per_second")
    assert json.dumps(record) == json.dumps(again)
    assert record["fd"] != other["fd"]
    assert record["relative"]["fd"] == pytest.approx(
        (record["fd"] - record["fd_floor"]) / (record["fd_ceiling"] - record["fd_floor"])
    )


def test_fewer_pictures_and_another_size(data: Path, cache: Path) -> None:
    generator = PlateGenerator()
    report = measure(generator, data, cache, pictures=5, size=48)
    assert (report.n, report.resolution) == (5, 48)
    assert {request.size for request in generator.requests} == {48}
    with pytest.raises(PictureRequestError, match="size 32"):
        measure(generator, data, cache, size=32)


def test_sheets(data: Path, cache: Path, tmp_path: Path) -> None:
    sheet, pairs = tmp_path / "sheet.png", tmp_path / "pairs.png"
    generator = PlateGenerator(copies_of=None)
    measure(generator, data, cache, sheet=sheet, pairs=pairs)
    with Image.open(sheet) as image:
        assert image.size == (4 + 6 * (SIDE + 4), 8 * (18 + SIDE + 4))
        drawn = plate_pixels("red", 1, SIDE)
        assert np.array_equal(np.asarray(image)[18 : 18 + SIDE, 4 + SIDE + 4 :][:, :SIDE], drawn)
    shown = [request for request in generator.requests if request.text == "tomato soup"]
    assert [request.seed for request in shown] == [0, 1, 2, 3, 4, 5]
    with Image.open(pairs) as image:
        assert image.size == (4 * (2 * SIDE + 12), 3 * (SIDE + 22))
        assert len(set(image.convert("L").get_flattened_data())) > 5


def test_photos_that_training_saw_and_dishes_that_none_has(tmp_path: Path) -> None:
    data = write_plates(tmp_path / "data")
    lines = [json.loads(line) for line in (data / "recipes.jsonl").read_text().splitlines()]
    kept = [line | {"title": f"{line['title'].split()[0]} {i}"} for i, line in enumerate(lines) if i % 3 == 0]
    kept.append(kept[0] | {"id": "again", "split": "val"})
    (data / "recipes.jsonl").write_text("\n".join(map(json.dumps, kept)))
    report = measure(PlateGenerator(), data, tmp_path / "cache")
    assert (report.diversity, report.diversity_real, report.dishes) == (None, None, 0)
    assert report.relative()["diversity"] is None
    assert any("1 photos of the split are training photos too" in note for note in report.notes)
    assert any("diversity is left out" in note for note in report.notes)


@pytest.mark.parametrize("split", ["train", "test"])
def test_splits_that_cannot_be_measured(data: Path, cache: Path, split: str) -> None:
    with pytest.raises(DataError, match=split):
        evaluate_generator(PlateGenerator(), data, split, backbone=GridBackbone(), cache=cache)


@pytest.mark.parametrize("values", [{"pictures": 1}, {"candidates": 0}, {"seed": -1}])
def test_options_out_of_range(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        GeneratorEvaluation(**values)


def test_reranking_needs_an_encoder() -> None:
    with pytest.raises(ValueError, match="needs an encoder"):
        Draughtsman(PlateGenerator(), None, Drawing(SIDE, candidates=2))


def test_the_best_candidates_come_first() -> None:
    generator = PlateGenerator(right=3)
    artist = Draughtsman(generator, SoupEncoder(), Drawing(SIDE, candidates=3))
    pixels = artist.draw(["blue soup", "green soup"], 2, "pictures", fixed=True)
    assert pixels.shape == (2, 2, SIDE, SIDE, 3)
    middle = SIDE // 2
    assert np.abs(pixels[0, :, middle, middle].astype(int) - (0, 0, 255)).max() < 60
    assert np.abs(pixels[1, :, middle, middle].astype(int) - (0, 128, 0)).max() < 60
    assert [request.seed for request in generator.requests] == [0, 1, 2, 3, 4, 5] * 2


def test_seeds_of_a_prompt_are_its_own() -> None:
    assert prompt_seeds(0, 1, 9)[:4] == prompt_seeds(0, 1, 4)
    assert len({seed for number in range(20) for seed in prompt_seeds(0, number, 6)}) == 120
    assert prompt_seeds(1, 0, 2) != prompt_seeds(0, 0, 2)


def test_noise_is_of_its_seed() -> None:
    assert np.array_equal(smooth_noise(3, 16, 0), smooth_noise(3, 16, 0))
    assert not np.array_equal(smooth_noise(3, 16, 0), smooth_noise(3, 16, 1))


def test_features_of_photos_are_kept(data: Path, tmp_path: Path) -> None:
    photos = [data / "train-red-0.png", data / "train-blue-0.png", data / "train-red-0.png"]
    backbone, seen = GridBackbone(), list[tuple[str, int, int]]()
    rows, keys = photo_features(backbone, photos, SIDE, tmp_path, lambda *step: seen.append(step))
    assert (backbone.looks, seen) == (2, [("photos", 2, 2)])
    assert np.array_equal(rows[0], rows[2])
    assert keys[0] == keys[2] != keys[1]
    again, _ = photo_features(backbone, photos[::-1], SIDE, tmp_path)
    assert backbone.looks == 2
    assert np.array_equal(again[::-1], rows)
    other, _ = photo_features(backbone, photos, 2 * SIDE, tmp_path)
    assert backbone.looks == 4
    assert not np.array_equal(other, rows)


@pytest.mark.parametrize("backend", ["flow", "gan"])
def test_an_untrained_generator_has_the_shape_of_the_trained(tmp_path: Path, backend: Any) -> None:
    write_generator(tmp_path, backend)
    spec = f"latent:{tmp_path}"
    request = PictureRequest(vector=np.ones(DIM, np.float32), size=32, seed=1)
    one, again, other = (generator_bounds(spec, seed=seed).untrained for seed in (0, 0, 1))
    assert one is not None
    assert again is not None
    assert other is not None
    assert replace(one.info, name=spec, fingerprint="") == replace(
        load_generator(spec).info, name=spec, fingerprint="", description=""
    )
    drawn, same = (each.draw([request])[0].pixels for each in (one, again))
    assert np.array_equal(drawn, same)
    assert not np.array_equal(drawn, load_generator(spec).draw([request])[0].pixels)
    if backend == "gan":  # a flow begins with a velocity of 0 at any seed
        assert not np.array_equal(drawn, other.draw([request])[0].pixels)


def test_its_autoencoder_is_the_trained_one(tmp_path: Path) -> None:
    write_generator(tmp_path, "gan")
    decoded = generator_bounds(f"latent:{tmp_path}").decoded
    assert decoded is not None
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = to_pixels(load_autoencoder(tmp_path)(from_pixels(torch.from_numpy(pixels)))).numpy()
    assert np.abs(decoded(pixels).astype(int) - expected).max() <= 1


def test_what_the_autoencoder_loses_is_said(data: Path, cache: Path) -> None:
    plain = measure(PlateGenerator(), data, cache)
    assert plain.fd_decoded is None
    same = measure(PlateGenerator(), data, cache, bounds=GeneratorBounds(decoded=lambda pixels: pixels))
    assert same.fd_decoded == pytest.approx(same.fd_floor)
    assert same.kd_decoded == pytest.approx(same.kd_floor)
    blank = measure(PlateGenerator(), data, cache, bounds=GeneratorBounds(decoded=np.zeros_like))
    assert blank.fd_decoded is not None
    assert blank.fd_decoded > blank.fd_floor


def test_not_every_generator_can_be_had_untrained(tmp_path: Path) -> None:
    assert generator_bounds("diffusers:stabilityai/sd-turbo") == GeneratorBounds()
    with pytest.raises(GeneratorUnavailableError, match="holds no generator"):
        generator_bounds(f"latent:{tmp_path}")


@pytest.mark.weights
def test_the_backbone_is_lite2_and_the_shipped_encoder_stands_on_another() -> None:
    backbone = LiteBackbone()
    pixels = np.stack([np.asarray(plate(colour, size=(64, 64))) for colour in ("red", "green", "blue")])
    rows = backbone.features(pixels)
    assert (rows.shape, backbone.name) == ((3, backbone.width), "tf_efficientnet_lite2")
    assert rows.dtype == np.float32
    assert backbone.features(pixels[1:])[0] == pytest.approx(rows[1], abs=1e-4)
    assert np.linalg.norm(rows[0] - rows[1]) > 1
    assert np.linalg.norm(backbone.sentences(["tomato soup"]), axis=1) == pytest.approx(1, abs=1e-5)
    assert not encoder_stands_on("tastespace-lite", backbone)
    assert not encoder_stands_on("open_clip:ViT-B-32/openai", backbone)


def test_an_encoder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EncoderUnavailableError, match="holds no trained encoder"):
        encoder_stands_on(f"lite:{tmp_path}", GridBackbone())
