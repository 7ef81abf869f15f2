from pathlib import Path

import numpy as np
import pytest
import torch

from models.checkpoint import MANIFEST_FILE, Manifest, save_checkpoint
from models.joint.lite import JointHeads, LiteConfig
from models.preprocess import to_pixels
from models.registry import load_encoder
from models.types import EncoderUnavailableError, JointEncoder, RecipeText
from tests.pictures import plate

pytestmark = pytest.mark.weights

RECIPES = [
    RecipeText("Tomato soup", ("4 tomatoes", "1 onion", "salt"), ("Chop.", "Simmer for 20 minutes.")),
    RecipeText("Chocolate cake"),
    RecipeText(ingredients=("200 g of dark chocolate", "4 eggs", "salt")),
    RecipeText(instructions=("Boil the pasta.", "Drain.")),
    RecipeText("A feast", tuple(f"{i} g of thing {i}" for i in range(60)), ("Cook it all. " * 300,)),
]
TEXTS = ["pasta", "a green salad with radishes", "pasta", "x " * 500]


@pytest.fixture(scope="module", params=["torch", "openvino"])
def encoder(request: pytest.FixtureRequest, model_cache: Path) -> JointEncoder:
    return load_encoder("tastespace-lite", runtime=request.param, cache=model_cache)


def test_rows_are_unit_norm_float32(encoder: JointEncoder) -> None:
    photos = [plate("red"), plate("green", size=(90, 400))]
    for rows in (encoder.encode_images(photos), encoder.encode_texts(TEXTS), encoder.encode_recipes(RECIPES)):
        assert rows.dtype == np.float32
        assert rows.shape[1] == encoder.info.dim
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_a_row_does_not_depend_on_its_neighbours(encoder: JointEncoder) -> None:
    together = encoder.encode_recipes(RECIPES)
    alone = np.concatenate([encoder.encode_recipes([recipe]) for recipe in RECIPES])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    backwards = encoder.encode_recipes(RECIPES[::-1])[::-1]
    np.testing.assert_allclose(together, backwards, atol=1e-5)
    texts = encoder.encode_texts(TEXTS)
    np.testing.assert_allclose(texts, np.concatenate([encoder.encode_texts([text]) for text in TEXTS]), atol=1e-5)
    np.testing.assert_array_equal(texts[0], texts[2])
    pixels = np.stack([to_pixels(plate("red", seed=i), encoder.info.preprocess) for i in range(34)])
    alone = np.concatenate([encoder.encode_pixels(pixels[i : i + 1]) for i in (0, 33)])
    np.testing.assert_allclose(encoder.encode_pixels(pixels)[[0, 33]], alone, atol=1e-5)


def test_the_same_input_gives_the_same_bytes(encoder: JointEncoder) -> None:
    np.testing.assert_array_equal(encoder.encode_recipes(RECIPES), encoder.encode_recipes(RECIPES))
    photo = [plate("yellow")]
    np.testing.assert_array_equal(encoder.encode_images(photo), encoder.encode_images(photo))


def test_pixels_and_pictures_agree(encoder: JointEncoder) -> None:
    photo = plate("red")
    pixels = to_pixels(photo, encoder.info.preprocess)[None]
    np.testing.assert_array_equal(encoder.encode_pixels(pixels), encoder.encode_images([photo]))


def test_words_lie_near_their_recipes(encoder: JointEncoder) -> None:
    soup, cake, _, pasta, _ = encoder.encode_recipes(RECIPES)
    words = encoder.encode_texts(["soup", "cake", "noodles"])
    scores = words @ np.stack([soup, cake, pasta]).T
    assert scores.argmax(axis=1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("texts", [[], [" "], ["ok", ""]])
def test_blank_texts_are_refused(encoder: JointEncoder, texts: list[str]) -> None:
    with pytest.raises(ValueError, match="text"):
        encoder.encode_texts(texts)


def test_empty_batches_and_wrong_pixels_are_refused(encoder: JointEncoder) -> None:
    with pytest.raises(ValueError, match="at least one recipe"):
        encoder.encode_recipes([])
    with pytest.raises(ValueError, match="at least one picture"):
        encoder.encode_images([])
    size = encoder.info.preprocess.size
    for wrong in (np.zeros((0, size, size, 3), np.uint8), np.zeros((1, 64, 64, 3), np.uint8)):
        with pytest.raises(ValueError, match="pixels must be uint8"):
            encoder.encode_pixels(wrong)
    with pytest.raises(ValueError, match="pixels must be uint8"):
        encoder.encode_pixels(np.zeros((1, size, size, 3), np.float32))


def test_info_says_what_is_loaded(encoder: JointEncoder) -> None:
    info = encoder.info
    assert info.name == "tastespace-lite"
    assert len(info.fingerprint) == 64
    assert info.preprocess.mean == info.preprocess.std == (0.5, 0.5, 0.5)
    assert info.device == "cpu"
    assert info.parameters > 25_000_000
    assert info.fingerprint == load_encoder("tastespace-lite", runtime="torch").info.fingerprint


def _save(folder: Path, config: LiteConfig, seed: int) -> None:
    torch.manual_seed(seed)
    tensors = {f"heads.{name}": tensor for name, tensor in JointHeads(config).state_dict().items()}
    save_checkpoint(folder, tensors, Manifest(model="tastespace-lite", config=config, licence="none"))


def test_the_fingerprint_covers_weights_and_preprocessing(tmp_path: Path) -> None:
    small = LiteConfig(dim=32, hidden=32, recipe_width=24, recipe_layers=0, recipe_heads=2)
    shortest = LiteConfig(dim=32, hidden=32, recipe_width=24, recipe_layers=0, recipe_heads=2, resize_mode="shortest")
    _save(tmp_path / "a", small, 0)
    _save(tmp_path / "same", small, 0)
    _save(tmp_path / "weights", small, 1)
    _save(tmp_path / "pixels", shortest, 0)
    a, same, weights, pixels = (
        load_encoder(f"lite:{tmp_path / name}", runtime="torch").info.fingerprint
        for name in ("a", "same", "weights", "pixels")
    )
    assert a == same
    assert len({a, weights, pixels}) == 3


def test_weights_that_do_not_fit_their_configuration_are_refused(tmp_path: Path) -> None:
    small = LiteConfig(dim=32, hidden=32, recipe_width=24, recipe_layers=0, recipe_heads=2)
    tensors = {f"heads.{name}": tensor for name, tensor in JointHeads(small).state_dict().items()}
    del tensors["heads.log_scale"]
    save_checkpoint(tmp_path, tensors, Manifest(model="tastespace-lite", config=small, licence="none"))
    with pytest.raises(EncoderUnavailableError, match=r"lack \['heads\.log_scale'\]"):
        load_encoder(f"lite:{tmp_path}")
    text = (tmp_path / MANIFEST_FILE).read_text().replace('"dim": 32', '"dim": 48')
    (tmp_path / MANIFEST_FILE).write_text(text)
    with pytest.raises(EncoderUnavailableError, match="don't fit their own configuration"):
        load_encoder(f"lite:{tmp_path}")


def test_a_changed_tower_may_come_with_the_weights(tmp_path: Path) -> None:
    small = LiteConfig(dim=32, hidden=32, recipe_width=24, recipe_layers=0, recipe_heads=2)
    torch.manual_seed(0)
    tensors = {f"heads.{name}": tensor for name, tensor in JointHeads(small).state_dict().items()}
    manifest = Manifest(model="tastespace-lite", config=small, licence="none")
    save_checkpoint(tmp_path / "frozen", tensors, manifest)
    changed = tensors | {"clip.visual.trunk.conv_stem.weight": torch.zeros(32, 3, 3, 3)}
    save_checkpoint(tmp_path / "changed", changed, manifest)
    photo = [plate("red")]
    frozen, moved = (
        load_encoder(f"lite:{tmp_path / name}", runtime="torch").encode_images(photo) for name in ("frozen", "changed")
    )
    assert np.abs(frozen - moved).max() > 1e-3
