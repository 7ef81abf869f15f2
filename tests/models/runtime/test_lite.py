"""`tastespace-lite` under OpenVINO against itself under torch in float32."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from app.builtin import builtin_bundles
from models.checkpoint import Manifest, save_checkpoint
from models.data import read_recipes
from models.joint.lite import JointHeads, LiteConfig
from models.preprocess import to_pixels
from models.registry import load_encoder
from models.types import JointEncoder, RecipeText, UInt8Array
from tests.models.runtime.agreement import recall_at_10
from tests.paths import collection
from tests.pictures import plate

pytestmark = pytest.mark.weights

COLOURS = ("red", "green", "gold", "brown", "orange", "purple", "pink", "ivory")


@pytest.fixture(scope="module")
def exact() -> JointEncoder:
    return load_encoder(runtime="torch")


@pytest.fixture(scope="module")
def encoder(model_cache: Path) -> JointEncoder:
    loaded = load_encoder(runtime="openvino", cache=model_cache)
    assert loaded.info.runtime == "openvino"
    return loaded


def plates(encoder: JointEncoder, count: int) -> UInt8Array:
    spec = encoder.info.preprocess
    return np.stack([to_pixels(plate(COLOURS[i % 8], seed=i, size=(180 + i, 160)), spec) for i in range(count)])


def builtin_recipes() -> list[RecipeText]:
    contents = [item.recipe for bundle in builtin_bundles() if (item := bundle.recipe) is not None]
    return [RecipeText(each.title, tuple(each.ingredients), tuple(each.instructions)) for each in contents]


def test_the_default_on_a_cpu_is_openvino_and_has_the_same_fingerprint(
    exact: JointEncoder, encoder: JointEncoder, model_cache: Path
) -> None:
    info = load_encoder(cache=model_cache).info
    assert info == encoder.info
    assert (info.runtime, exact.info.runtime) == ("openvino", "torch")
    assert info.fingerprint == exact.info.fingerprint
    assert info.parameters == exact.info.parameters


def test_photos_in_batches_of_any_size(exact: JointEncoder, encoder: JointEncoder) -> None:
    pixels = plates(encoder, 17)
    expected = exact.encode_pixels(pixels)
    for n in range(1, 18):
        np.testing.assert_allclose(encoder.encode_pixels(pixels[:n]), expected[:n], atol=1e-4)


@pytest.mark.parametrize("words", [1, 2, 3, 9, 30, 60, 125, 126, 127, 400])
def test_texts_of_any_length(words: int, exact: JointEncoder, encoder: JointEncoder) -> None:
    """With [CLS] and [SEP] up to 128 tokens; what is longer is cut."""
    texts = [" ".join(["salt"] * words), "pepper " * max(1, words // 2)]
    np.testing.assert_allclose(encoder.encode_texts(texts), exact.encode_texts(texts), atol=2e-2)
    cosines = (encoder.encode_texts(texts) * exact.encode_texts(texts)).sum(axis=1)
    assert cosines.min() > 0.999


def test_the_order_of_results_is_that_of_torch_on_drawn_photos_and_builtin_recipes(
    exact: JointEncoder, encoder: JointEncoder
) -> None:
    recipes, pixels = builtin_recipes()[:60], plates(encoder, 40)
    images, found = exact.encode_pixels(pixels), encoder.encode_pixels(pixels)
    texts, text_vectors = exact.encode_recipes(recipes), encoder.encode_recipes(recipes)
    assert recall_at_10(images, texts, found, text_vectors) >= 0.99
    assert recall_at_10(images, images, found, found, without_self=True) >= 0.99
    assert recall_at_10(texts, texts, text_vectors, text_vectors, without_self=True) >= 0.99


def test_other_shapes_of_the_model(tmp_path: Path, model_cache: Path) -> None:
    """The larger vision tower at another size of image, and set attention over the lines."""
    config = LiteConfig(
        dim=32,
        hidden=32,
        recipe_width=24,
        recipe_layers=1,
        recipe_heads=2,
        vision="tf_efficientnet_lite2",
        image_size=96,
    )
    torch.manual_seed(0)
    tensors = {f"heads.{name}": tensor for name, tensor in JointHeads(config).state_dict().items()}
    save_checkpoint(tmp_path, tensors, Manifest(model="tastespace-lite", config=config, licence="none"))
    exact = load_encoder(f"lite:{tmp_path}", runtime="torch")
    encoder = load_encoder(f"lite:{tmp_path}", runtime="openvino", cache=model_cache)
    pixels = plates(encoder, 3)
    assert pixels.shape == (3, 96, 96, 3)
    np.testing.assert_allclose(encoder.encode_pixels(pixels), exact.encode_pixels(pixels), atol=1e-4)
    recipes = [RecipeText("Soup"), *builtin_recipes()[:5]]
    cosines = (encoder.encode_recipes(recipes) * exact.encode_recipes(recipes)).sum(axis=1)
    assert cosines.min() > 0.999


@pytest.mark.data
@pytest.mark.timeout(1200)
def test_recall_at_10_against_torch_on_real_photos_and_recipes(exact: JointEncoder, encoder: JointEncoder) -> None:
    """All photos of the validation split, searching its recipes and each other."""
    examples = [each for each in read_recipes(collection("epicurious"), "val") if each.image and each.has_body][:1000]
    spec = encoder.info.preprocess
    pictures = []
    for example in examples:
        assert example.image is not None
        with Image.open(example.image) as image:
            pictures.append(to_pixels(ImageOps.exif_transpose(image).convert("RGB"), spec))
    pixels, texts = np.stack(pictures), [example.text for example in examples]
    images, found = exact.encode_pixels(pixels), encoder.encode_pixels(pixels)
    recipes, recipe_vectors = exact.encode_recipes(texts), encoder.encode_recipes(texts)
    measured = {
        "photo -> recipes": recall_at_10(images, recipes, found, recipe_vectors),
        "photo -> photos": recall_at_10(images, images, found, found, without_self=True),
        "recipe -> photos": recall_at_10(recipes, images, recipe_vectors, found),
    }
    print(json.dumps(measured))
    assert min(measured.values()) >= 0.99, measured
