import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from huggingface_hub import constants

from models.joint.open_clip_encoder import OpenClipEncoder, recipe_captions
from models.preprocess import to_pixels
from models.registry import load_encoder
from models.types import EncoderUnavailableError, RecipeText
from tests.pictures import plate

TINY = "tastespace-test-tiny"
CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP with random weights, known to open_clip by name, saved as a checkpoint."""
    folder = tmp_path_factory.mktemp("open_clip")
    (folder / f"{TINY}.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder)
    torch.manual_seed(0)
    torch.save(open_clip.create_model(TINY).state_dict(), folder / "tiny.pt")
    return folder / "tiny.pt"


@pytest.fixture(scope="module")
def encoder(checkpoint: Path) -> OpenClipEncoder:
    loaded = load_encoder(f"open_clip:{TINY}@{checkpoint}")
    assert isinstance(loaded, OpenClipEncoder)
    return loaded


RECIPES = [RecipeText("Soup", ("water", "salt"), ("Boil.",)), RecipeText("Cake"), RecipeText(ingredients=("rice",))]


def test_rows_are_unit_norm_float32(encoder: OpenClipEncoder) -> None:
    photos = [plate("red"), plate("green", size=(90, 400))]
    for rows in (encoder.encode_images(photos), encoder.encode_texts(["a", "b"]), encoder.encode_recipes(RECIPES)):
        assert rows.dtype == np.float32
        assert rows.shape[1] == encoder.info.dim == 24
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_photos_are_encoded_as_open_clip_itself_does(encoder: OpenClipEncoder, checkpoint: Path) -> None:
    model, transform = open_clip.create_model_from_pretrained(TINY, str(checkpoint))
    photo = plate("red", size=(71, 50))
    with torch.inference_mode():
        expected = model.eval().encode_image(transform(photo)[None], normalize=True).numpy()
    np.testing.assert_allclose(encoder.encode_images([photo]), expected, atol=1e-5)
    pixels = to_pixels(photo, encoder.info.preprocess)[None]
    np.testing.assert_allclose(encoder.encode_pixels(pixels), expected, atol=1e-5)


def test_texts_are_encoded_as_open_clip_itself_does(encoder: OpenClipEncoder, checkpoint: Path) -> None:
    model, _ = open_clip.create_model_from_pretrained(TINY, str(checkpoint))
    with torch.inference_mode():
        expected = model.eval().encode_text(open_clip.get_tokenizer(TINY)(["tomato soup"]), normalize=True).numpy()
    np.testing.assert_allclose(encoder.encode_texts(["tomato soup"]), expected, atol=1e-5)


def test_a_recipe_is_the_mean_of_title_and_title_with_ingredients(encoder: OpenClipEncoder) -> None:
    assert recipe_captions(RECIPES[0]) == ["Soup", "Soup: water, salt"]
    assert recipe_captions(RecipeText(instructions=("Boil.", "Serve."))) == ["Boil. Serve."]
    both = encoder.encode_texts(["Soup", "Soup: water, salt"]).sum(axis=0)
    rows = encoder.encode_recipes(RECIPES)
    np.testing.assert_allclose(rows[0], both / np.linalg.norm(both), atol=1e-5)
    np.testing.assert_allclose(rows[1:], encoder.encode_texts(["Cake", "rice"]), atol=1e-5)


def test_rows_do_not_depend_on_the_batch(encoder: OpenClipEncoder) -> None:
    texts = [f"dish number {i}" for i in range(70)]
    alone = np.concatenate([encoder.encode_texts([text]) for text in texts])
    np.testing.assert_allclose(encoder.encode_texts(texts), alone, atol=1e-5)


def test_bad_input_is_refused(encoder: OpenClipEncoder) -> None:
    with pytest.raises(ValueError, match="blank"):
        encoder.encode_texts([" "])
    with pytest.raises(ValueError, match="at least one text"):
        encoder.encode_texts([])
    with pytest.raises(ValueError, match="at least one recipe"):
        encoder.encode_recipes([])
    with pytest.raises(ValueError, match="at least one picture"):
        encoder.encode_images([])
    with pytest.raises(ValueError, match="pixels must be uint8"):
        encoder.encode_pixels(np.zeros((1, 8, 8, 3), np.uint8))


def test_the_fingerprint_covers_the_weights(encoder: OpenClipEncoder, checkpoint: Path, tmp_path: Path) -> None:
    again = load_encoder(f"open_clip:{TINY}@{checkpoint}", runtime="torch")
    torch.manual_seed(1)
    torch.save(open_clip.create_model(TINY).state_dict(), tmp_path / "other.pt")
    other = load_encoder(f"open_clip:{TINY}@{tmp_path / 'other.pt'}", runtime="torch")
    assert encoder.info.fingerprint == again.info.fingerprint != other.info.fingerprint


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ViT-B-32", "open_clip has no pretrained weights 'ViT-B-32'"),
        ("ViT-B-32/nonsense", "open_clip has no pretrained weights"),
        ("ViT-B-32@/no/such/file.pt", r"checkpoint /no/such/file\.pt of open_clip model ViT-B-32 does not exist"),
    ],
)
def test_what_is_not_there_is_named(spec: str, message: str) -> None:
    with pytest.raises(EncoderUnavailableError, match=message):
        load_encoder(f"open_clip:{spec}")


@pytest.mark.fault
def test_a_file_that_is_no_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(EncoderUnavailableError, match="can't be loaded"):
        load_encoder(f"open_clip:{TINY}@{tmp_path / 'x.pt'}")
    with pytest.raises(EncoderUnavailableError, match="open_clip has no model 'nonsense'"):
        load_encoder(f"open_clip:nonsense@{checkpoint}")


@pytest.mark.fault
@pytest.mark.timeout(60)
@pytest.mark.parametrize("endpoint", ["offline", "http://127.0.0.1:9"])
def test_without_network_one_clear_sentence_and_no_wait(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Told to be offline, or with a hub that refuses connections: both end at once, in the same words."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    if endpoint == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    else:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    with pytest.raises(EncoderUnavailableError) as raised:
        load_encoder("open_clip:ViT-B-32/laion2b_s34b_b79k")
    assert str(raised.value) == (
        "the open_clip weights 'ViT-B-32/laion2b_s34b_b79k' are not cached and there is no network; "
        "connect the machine to the network once, or name a local checkpoint (open_clip:MODEL@FILE)"
    )
    assert constants.HF_HUB_OFFLINE is (endpoint == "offline")
