"""The real loading code over a tiny CoCa of open_clip's own class."""

import heapq
import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from huggingface_hub import constants

from models.captioning.coca import CocaCaptioner
from models.captioning.loading import load_captioner
from models.captioning.types import CaptionerUnavailableError, CaptionOptionError, CaptionOptions
from models.joint.towers import normalise_pixels
from models.types import UInt8Array

TINY = "tastespace-test-coca"
START, END = 49406, 49407
_TEXT = {"context_length": 24, "vocab_size": 49408, "width": 24, "heads": 2, "layers": 1}
_VISION = {"image_size": 32, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16}
CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {**_VISION, "attentional_pool": True, "attn_pooler_heads": 4, "output_tokens": True},
    "text_cfg": {**_TEXT, "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {**_TEXT, "attn_pooler_heads": 2},
    "custom_text": True,
}


def _state(seed: int) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = open_clip.create_model(TINY)
        # Fresh weights are too small to tell photos apart, and those of the last projection are zero.
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.data.normal_(std=0.4)
        state: dict[str, torch.Tensor] = model.state_dict()
    return state


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coca")
    (folder / f"{TINY}.json").write_text(json.dumps(CONFIG))
    open_clip.add_model_config(folder)
    torch.save(_state(0), folder / "tiny.pt")
    return folder / "tiny.pt"


@pytest.fixture(scope="module")
def captioner(checkpoint: Path) -> CocaCaptioner:
    loaded = load_captioner(f"coca:{TINY}@{checkpoint}")
    assert isinstance(loaded, CocaCaptioner)
    return loaded


def _photos(count: int) -> UInt8Array:
    return np.random.default_rng(5).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_it_says_what_it_is(captioner: CocaCaptioner, checkpoint: Path, tmp_path: Path) -> None:
    info = captioner.info
    assert (info.styles, info.grid, info.vocabulary, info.preprocess.size) == (("general",), None, 49408, 32)
    assert info.name == f"coca:{TINY}@{checkpoint}"
    torch.save(_state(1), tmp_path / "other.pt")
    assert load_captioner(f"coca:{TINY}@{tmp_path / 'other.pt'}").info.fingerprint != info.fingerprint


def _log_probabilities(model: Any, pixels: torch.Tensor, pieces: list[int]) -> torch.Tensor:
    """Of what follows each of these pieces, by the whole network, the photo included."""
    out = model(pixels, torch.tensor([pieces]), output_labels=False)
    scores: torch.Tensor = out["logits"][0].double()
    scores[:, START] = -torch.inf
    return scores.log_softmax(dim=-1)


def test_captions_are_those_of_a_plain_beam_search(captioner: CocaCaptioner, checkpoint: Path) -> None:
    """Four pieces at most, as lists and floats; without n-grams that repeat, which so few hardly do."""
    model, _ = open_clip.create_model_from_pretrained(TINY, str(checkpoint))
    model.eval()
    beams, photos = 3, _photos(2)
    found = captioner.caption_pixels(photos, CaptionOptions(beams=beams, num_captions=beams, max_words=1))
    ends = {number for number, piece in open_clip.get_tokenizer(TINY).decoder.items() if piece.endswith("</w>")}
    for photo, captions in zip(photos, found, strict=True):
        pixels = normalise_pixels(photo[None], captioner.info.preprocess, torch.device("cpu"))
        beam: list[tuple[float, list[int]]] = [(0.0, [START])]
        ended: list[tuple[float, list[int], float]] = []
        for place in range(4):
            grown = []
            for total, pieces in beam:
                gains = _log_probabilities(model, pixels, pieces)[-1].tolist()
                if place == 0:
                    gains[END] = -np.inf
                only = {END} if place == 3 or pieces[-1] in ends else range(len(gains))
                grown += [(total + gains[piece], [*pieces, piece]) for piece in only]
            best = heapq.nlargest(beams, grown)[: beams - len(ended)]
            ended += [(total / (len(row) - 1) ** 0.7, row, total) for total, row in best if row[-1] == END]
            beam = [(total, row) for total, row in best if row[-1] != END]
        ended.sort(reverse=True)
        assert len(captions) == len(ended)
        decode = open_clip.get_tokenizer(TINY).decode
        for caption, (_, row, total) in zip(captions, ended, strict=True):
            assert caption.text == decode(row[1:-1]).strip()
            assert caption.log_probability == pytest.approx(total, abs=1e-4)


def test_a_word_is_worth_its_pieces(captioner: CocaCaptioner, checkpoint: Path) -> None:
    model, _ = open_clip.create_model_from_pretrained(TINY, str(checkpoint))
    found = captioner._pieces.caption([*open_clip.get_tokenizer(TINY).encode("a spaghettification dog")], [-1.0] * 9)
    assert [word.text for word in found.words] == ["a", "spaghettification", "dog"]
    assert found.words[1].log_probability < found.words[2].log_probability == -1.0
    assert model.context_length == 24


def test_what_does_not_count_does_not_change_a_caption(captioner: CocaCaptioner) -> None:
    photos = _photos(10)
    options = CaptionOptions(beams=2, max_words=3)
    together = captioner.caption_pixels(photos, options)
    assert len({captions[0].text for captions in together}) > 3
    for place in (0, 8, 9):
        [[alone]] = captioner.caption_pixels(photos[place : place + 1], options)
        assert alone.text == together[place][0].text
        assert alone.log_probability == pytest.approx(together[place][0].log_probability, abs=1e-3)


@pytest.mark.parametrize(("beams", "words"), [(1, 1), (3, 2), (2, 50)])
def test_the_callers_limits_count(captioner: CocaCaptioner, beams: int, words: int) -> None:
    """The last goes to the end of the context."""
    found = captioner.caption_pixels(_photos(2), CaptionOptions(beams=beams, num_captions=beams, max_words=words))
    for captions in found:
        assert len(captions) == beams
        assert all(1 <= len(caption.words) <= words for caption in captions)
        assert all(caption.log_probability < 0 for caption in captions)


def test_what_it_has_not_is_refused(captioner: CocaCaptioner) -> None:
    with pytest.raises(CaptionOptionError, match="has no attention maps"):
        captioner.caption_pixels(_photos(1), CaptionOptions(attention=True))
    with pytest.raises(CaptionOptionError, match="has no style 'dish'; it has general"):
        captioner.caption_pixels(_photos(1), CaptionOptions("dish"))
    with pytest.raises(ValueError, match="pixels must be uint8"):
        captioner.caption_pixels(np.zeros((1, 8, 8, 3), np.uint8), CaptionOptions())


@pytest.mark.fault
def test_what_is_no_coca_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    for spec, message in (
        ("coca_ViT-B-32", "open_clip has no pretrained weights 'coca_ViT-B-32'"),
        (f"{TINY}@/no/such/file.pt", r"checkpoint /no/such/file\.pt of open_clip model .* does not exist"),
        (f"nonsense@{checkpoint}", "open_clip has no model 'nonsense'"),
    ):
        with pytest.raises(CaptionerUnavailableError, match=message):
            load_captioner(f"coca:{spec}")
    (tmp_path / f"{TINY}-clip.json").write_text(json.dumps({"embed_dim": 24, "vision_cfg": _VISION, "text_cfg": _TEXT}))
    open_clip.add_model_config(tmp_path)
    torch.save(open_clip.create_model(f"{TINY}-clip").state_dict(), tmp_path / "clip.pt")
    with pytest.raises(CaptionerUnavailableError, match="writes no captions; use a CoCa"):
        load_captioner(f"coca:{TINY}-clip@{tmp_path / 'clip.pt'}")
    with pytest.raises(CaptionerUnavailableError, match="the device 'abacus' can't be used"):
        load_captioner(f"coca:{TINY}@{checkpoint}", "abacus")


@pytest.mark.fault
def test_without_network_one_clear_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CaptionerUnavailableError) as raised:
        load_captioner("coca:coca_ViT-B-32/mscoco_finetuned_laion2b_s13b_b90k")
    assert str(raised.value) == (
        "the open_clip weights 'coca_ViT-B-32/mscoco_finetuned_laion2b_s13b_b90k' are not cached and there is no "
        "network; connect the machine to the network once, or name a local checkpoint (coca:MODEL@FILE)"
    )
