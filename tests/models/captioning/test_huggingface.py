"""The real loading code over tiny networks of the real classes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file
from transformers import BlipForConditionalGeneration, GitForCausalLM, VisionEncoderDecoderModel, set_seed

from models.captioning.huggingface import HuggingFaceCaptioner
from models.captioning.loading import load_captioner
from models.captioning.networks import square_grid
from models.captioning.types import CaptionerUnavailableError, CaptionOptionError, CaptionOptions
from models.joint.towers import normalise_pixels
from models.types import UInt8Array
from tests.models.captioning.tiny_hub import SIZE, save_blip, save_git, save_vit_gpt2

KINDS: dict[str, tuple[Callable[[Path], Path], Any, tuple[int, int] | None]] = {
    "blip": (save_blip, BlipForConditionalGeneration, (4, 4)),
    "git": (save_git, GitForCausalLM, None),
    "vit-gpt2": (save_vit_gpt2, VisionEncoderDecoderModel, (2, 2)),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return KINDS[kind][0](tmp_path_factory.mktemp("hub") / kind)


@pytest.fixture(scope="module")
def captioner(folder: Path) -> HuggingFaceCaptioner:
    loaded = load_captioner(f"huggingface:{folder}")
    assert isinstance(loaded, HuggingFaceCaptioner)
    return loaded


def _photos(count: int) -> UInt8Array:
    """Noise, each in a colour of its own."""
    rng = np.random.default_rng(5)
    colours = rng.integers(0, 200, (count, 1, 1, 3))
    return (colours + rng.integers(0, 56, (count, SIZE, SIZE, 3))).astype(np.uint8)


def test_it_says_what_it_is(captioner: HuggingFaceCaptioner, kind: str, folder: Path) -> None:
    info = captioner.info
    assert (info.styles, info.grid, info.preprocess.size) == (("general",), KINDS[kind][2], SIZE)
    assert info.name == f"huggingface:{folder}"
    assert len(info.fingerprint) == 64
    assert load_captioner(info.name).info.fingerprint == info.fingerprint


def test_captions_are_those_of_the_models_own_beam_search(
    captioner: HuggingFaceCaptioner, kind: str, folder: Path
) -> None:
    photos = _photos(3)
    options = CaptionOptions(beams=4, num_captions=3, max_words=20)
    found = captioner.caption_pixels(photos, options)
    model = KINDS[kind][1].from_pretrained(folder).eval()
    ends = (3, 0) if kind != "vit-gpt2" else (0, 0)
    out = model.generate(
        pixel_values=normalise_pixels(photos, captioner.info.preprocess, torch.device("cpu")),
        num_beams=4,
        num_return_sequences=3,
        max_new_tokens=61,
        min_new_tokens=1,
        no_repeat_ngram_size=3,
        do_sample=False,
        length_penalty=1.0,
        forced_eos_token_id=ends[0],
        **({"eos_token_id": ends[0], "pad_token_id": ends[1]} if kind != "blip" else {}),
        return_dict_in_generate=True,
        output_scores=True,
    )
    rows = [row[1:] for row in out.sequences.tolist()]
    for place, row in enumerate(rows):
        caption = found[place // 3][place % 3]
        pieces = row[: row.index(ends[0])]
        assert caption.text == captioner.pieces.decode(pieces).strip()
        if len(pieces) < 60:  # else the end was forced, and counts for nothing in the search
            assert caption.log_probability / (len(pieces) + 1) == pytest.approx(
                float(out.sequences_scores[place]), abs=1e-4
            )
    assert any(len(row[: row.index(ends[0])]) < 60 for row in rows)


def test_what_does_not_count_does_not_change_a_caption(captioner: HuggingFaceCaptioner) -> None:
    """The other photos of the batch, the state of the random generator, and a second run."""
    photos = _photos(11)
    options = CaptionOptions(beams=2, max_words=6)
    set_seed(1)
    together = captioner.caption_pixels(photos, options)
    set_seed(2)
    assert len({captions[0].text for captions in together}) > 3
    for place in (0, 9, 10):
        [[alone]] = captioner.caption_pixels(photos[place : place + 1], options)
        assert alone.text == together[place][0].text
        assert alone.log_probability == pytest.approx(together[place][0].log_probability, abs=1e-3)


@pytest.mark.parametrize(("beams", "words"), [(1, 1), (3, 2), (20, 4)])
def test_the_callers_limits_count(captioner: HuggingFaceCaptioner, beams: int, words: int) -> None:
    found = captioner.caption_pixels(_photos(5), CaptionOptions(beams=beams, num_captions=beams, max_words=words))
    for captions in found:
        assert len(captions) == beams
        for caption in captions:
            assert len(caption.words) <= words
            assert caption.style == "general"
            assert caption.log_probability < sum(word.log_probability for word in caption.words) + 1e-6


def test_maps_where_the_model_has_them(captioner: HuggingFaceCaptioner) -> None:
    options = CaptionOptions(beams=3, num_captions=2, max_words=5, attention=True)
    grid = captioner.info.grid
    if grid is None:
        with pytest.raises(CaptionOptionError, match="has no attention maps"):
            captioner.caption_pixels(_photos(1), options)
        return
    for caption in (caption for captions in captioner.caption_pixels(_photos(2), options) for caption in captions):
        assert caption.attention is not None
        assert caption.attention.dtype == np.float32
        assert caption.attention.shape == (len(caption.words), *grid)
        np.testing.assert_allclose(caption.attention.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_other_styles_and_other_pixels_are_refused(captioner: HuggingFaceCaptioner) -> None:
    with pytest.raises(CaptionOptionError, match=r"has no style 'dish'; it has general"):
        captioner.caption_pixels(_photos(1), CaptionOptions("dish"))
    with pytest.raises(ValueError, match=r"pixels must be uint8 \(n, 32, 32, 3\)"):
        captioner.caption_pixels(np.zeros((1, 8, 8, 3), np.uint8), CaptionOptions())


def test_a_map_is_of_the_patch_that_the_word_was_written_from(tmp_path: Path) -> None:
    """The last layer's queries are what decides: with keys that know the red patch alone, all look there."""
    save_blip(tmp_path)
    captioner = load_captioner(f"huggingface:{tmp_path}")
    assert isinstance(captioner, HuggingFaceCaptioner)
    model: Any = captioner._network.model
    seen = torch.zeros(1, 17, 32)
    seen[0, 1 + 6, 0] = 1.0  # row 1, column 2 of the patches
    layer = model.text_decoder.bert.encoder.layer[-1].crossattention.self
    layer.query.weight.data.zero_()
    layer.query.bias.data.fill_(1.0)
    layer.key.weight.data.zero_()
    layer.key.bias.data.zero_()
    layer.key.weight.data[:, 0] = 9.0
    [[caption]] = captioner._captions(seen, CaptionOptions(beams=1, max_words=3, attention=True))
    assert caption.attention is not None
    assert (caption.attention[:, 1, 2] > 0.99).all()


@pytest.mark.fault
def test_broken_folders_are_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CaptionerUnavailableError, match="can't be loaded"):
        load_captioner(f"huggingface:{tmp_path}")
    save_blip(tmp_path)
    for file, change, message in (
        ("config.json", {"model_type": "llava"}, "of the kind 'llava', captioners are blip, git, vision-encoder"),
        ("processor_config.json", {"size": {"height": SIZE, "width": 48}}, "pictures are resized to"),
        ("processor_config.json", {"size": {"height": 64, "width": 64}}, "can't be loaded"),
    ):
        path = tmp_path / file
        good = path.read_text()
        record = json.loads(good)
        record.get("image_processor", record).update(change)
        path.write_text(json.dumps(record))
        with pytest.raises(CaptionerUnavailableError, match=message):
            load_captioner(f"huggingface:{tmp_path}")
        path.write_text(good)
    weights = load_file(tmp_path / "model.safetensors")
    lost = weights.pop("text_decoder.bert.encoder.layer.0.attention.self.query.weight")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CaptionerUnavailableError, match=r"its weights lack 1 tensors, such as text_decoder"):
        load_captioner(f"huggingface:{tmp_path}")
    assert lost.shape == (32, 32)
    with pytest.raises(CaptionerUnavailableError, match="the device 'abacus' can't be used"):
        load_captioner(f"huggingface:{tmp_path}", "abacus")


@pytest.mark.fault
@pytest.mark.timeout(60)
@pytest.mark.parametrize("endpoint", ["offline", "http://127.0.0.1:9"])
def test_without_network_one_clear_sentence_and_no_wait(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    if endpoint == "offline":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    else:
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    with pytest.raises(CaptionerUnavailableError) as raised:
        load_captioner("huggingface:Salesforce/blip-image-captioning-base")
    assert str(raised.value) == (
        "the captioner 'Salesforce/blip-image-captioning-base' is not cached and there is no network; "
        "connect the machine to the network once, or name a folder that holds it"
    )


def test_grids_of_encoders() -> None:
    assert square_grid(577, 384, 16) == (24, 24)
    assert square_grid(196, 224, 16) == (14, 14)
    assert square_grid(198, 224, 16) == (14, 14)
    # Swin's last stage has fewer states than patches, others have no patches.
    assert square_grid(49, 224, 4) is None
    assert square_grid(300, 224, 16) is None
    assert square_grid(49, None, None) is None
