import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.captioning.captioner import TellCaptioner
from models.captioning.style import StyleGate, mean_features
from models.captioning.tell import load_tell
from models.captioning.types import Caption, CaptionerUnavailableError, CaptionOptions
from models.types import UInt8Array
from models.weight_folder import MANIFEST_FILE
from tests.models.captioning.samples import save_small

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("captioner")
    save_small(path)
    return path


@pytest.fixture(scope="module")
def captioner(folder: Path) -> TellCaptioner:
    return load_tell(folder)


def _photos(count: int) -> UInt8Array:
    return np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


def _same(one: Caption, other: Caption) -> None:
    assert one.text == other.text
    assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)


def test_it_says_what_it_is(captioner: TellCaptioner) -> None:
    info = captioner.info
    assert (info.name, info.styles, info.grid, info.vocabulary) == ("small", ("general", "dish"), (2, 2), 3)
    assert info.preprocess.size == 64
    assert len(info.fingerprint) == 64


def test_captions_of_photos(captioner: TellCaptioner) -> None:
    options = CaptionOptions(beams=4, num_captions=3, max_words=4, attention=True)
    found = captioner.caption_pixels(_photos(3), options)
    assert [len(captions) for captions in found] == [3, 3, 3]
    for captions in found:
        assert len({caption.text for caption in captions}) == 3
        for caption in captions:
            assert 1 <= len(caption.words) <= 4
            assert {word.text for word in caption.words} <= {"a", "dog", "'s"}
            # What is missing to the whole is the end's.
            assert caption.log_probability < sum(word.log_probability for word in caption.words) < 0
            assert caption.attention is not None
            assert caption.attention.dtype == np.float32
            assert caption.attention.shape == (len(caption.words), 2, 2)
            np.testing.assert_allclose(caption.attention.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_maps_come_where_they_are_asked_for(captioner: TellCaptioner) -> None:
    [[caption]] = captioner.caption_pixels(_photos(1), CaptionOptions())
    assert caption.attention is None


def test_styles_differ_and_neighbours_do_not_matter(captioner: TellCaptioner) -> None:
    photos = _photos(12)
    options = CaptionOptions("general", beams=2)
    general = captioner.caption_pixels(photos, options)
    dishes = captioner.caption_pixels(photos, CaptionOptions("dish", beams=2))
    assert any(a[0].log_probability != b[0].log_probability for a, b in zip(general, dishes, strict=True))
    for photo in (0, 11):
        _same(captioner.caption_pixels(photos[photo : photo + 1], options)[0][0], general[photo][0])


def test_without_a_gate_captions_are_general(captioner: TellCaptioner) -> None:
    photos = _photos(3)
    found = captioner.caption_pixels(photos, CaptionOptions())
    assert captioner.gate is None
    assert {caption.style for [caption] in found} == {"general"}
    for [auto], [general] in zip(found, captioner.caption_pixels(photos, CaptionOptions("general")), strict=True):
        _same(auto, general)
    [[dish]] = captioner.caption_pixels(photos[:1], CaptionOptions("dish"))
    assert dish.style == "dish"


def test_a_gate_chooses_the_style_of_each_photo(captioner: TellCaptioner, tmp_path: Path) -> None:
    """Photos take turns in brightness; some channel tells the bright ones, which shall be dishes."""
    photos = _photos(6)
    photos[::2] //= 8
    means = mean_features(captioner.feature_maps(photos))
    bright, dark = means[1::2], means[::2]
    gap = bright.min(axis=0) - dark.max(axis=0)
    channel = int(gap.argmax())
    assert gap[channel] > 0
    weight = np.zeros(1280, dtype=np.float32)
    weight[channel] = 64
    save_small(tmp_path, gate=StyleGate(weight, -32 * float(bright[:, channel].min() + dark[:, channel].max())))
    gated = load_tell(tmp_path)
    styles = {style: gated.caption_pixels(photos, CaptionOptions(style)) for style in ("general", "dish")}
    found = gated.caption_pixels(photos, CaptionOptions())
    assert [caption.style for [caption] in found] == ["general", "dish"] * 3
    for place, [caption] in enumerate(found):
        _same(caption, styles[caption.style][place][0])
    assert gated.info.fingerprint != captioner.info.fingerprint


def test_a_style_may_have_a_length_alpha_of_its_own(captioner: TellCaptioner) -> None:
    one = TellCaptioner(
        captioner.tower,
        captioner.decoder,
        captioner.vocabulary,
        captioner.search["general"],
        length_alphas={"dish": 9.0},
        name="one",
    )
    assert one.search["general"] == captioner.search["general"]
    assert one.search["dish"] == replace(captioner.search["dish"], length_alpha=9.0)
    options = CaptionOptions(beams=4, num_captions=4, max_words=4, style="dish")
    short, long = (each.caption_pixels(_photos(1), options)[0] for each in (captioner, one))
    assert len(long[0].words) >= len(short[0].words)


def test_the_callers_limits_count(captioner: TellCaptioner) -> None:
    [[caption]] = captioner.caption_pixels(_photos(1), CaptionOptions(max_words=1, beams=1))
    assert len(caption.words) == 1


def test_what_is_no_photo_is_refused(captioner: TellCaptioner) -> None:
    with pytest.raises(ValueError, match=r"pixels must be uint8 \(n, 64, 64, 3\)"):
        captioner.caption_pixels(np.zeros((1, 32, 32, 3), dtype=np.uint8), CaptionOptions())


def test_loading_twice_gives_one_fingerprint_which_knows_the_search(folder: Path, tmp_path: Path) -> None:
    save_small(tmp_path)
    assert load_tell(tmp_path).info.fingerprint == load_tell(folder).info.fingerprint
    path = tmp_path / MANIFEST_FILE
    record = json.loads(path.read_text())
    record["search"]["length_alpha"] = 0.1
    record["metrics"] = {"val": 1}
    path.write_text(json.dumps(record))
    assert load_tell(tmp_path).info.fingerprint != load_tell(folder).info.fingerprint


def test_a_tuned_tower_travels_with_the_decoder(folder: Path, tmp_path: Path) -> None:
    save_small(tmp_path, {"conv_head.weight": torch.zeros(1280, 320, 1, 1)})
    maps = load_tell(tmp_path).feature_maps(_photos(1))
    assert not maps.var(axis=1).any()
    assert load_tell(folder).feature_maps(_photos(1)).var(axis=1).any()


@pytest.mark.fault
def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    save_small(tmp_path)
    path = tmp_path / MANIFEST_FILE
    good = json.loads(path.read_text())
    for part, name, value, message in (
        ("decoder", "hidden", 9, "don't fit their own configuration"),
        ("decoder", "features", 320, "the map has 1280 channels, the decoder takes 320"),
        ("vision", "stage", "stages", "the map has 320 channels, the decoder takes 1280"),
    ):
        path.write_text(json.dumps(good | {part: good[part] | {name: value}}))
        with pytest.raises(CaptionerUnavailableError, match=message):
            load_tell(tmp_path)
    path.write_text(json.dumps(good))
    with pytest.raises(CaptionerUnavailableError, match="the device 'abacus' can't be used"):
        load_tell(tmp_path, "abacus")
