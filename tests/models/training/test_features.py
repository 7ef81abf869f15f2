from pathlib import Path

import numpy as np
import pytest
from open_clip.model import CustomTextCLIP
from PIL import Image

from models.joint.towers import build_clip, lite_preprocess, normalise_pixels
from models.training.features import FeatureCache, FeatureStore
from models.training.views import crop_views, view_pixels, wide_views
from tests.pictures import plate


def test_a_store_keeps_what_was_added(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    keys = [rng.bytes(32) for _ in range(5)]
    rows = rng.normal(size=(5, 3)).astype(np.float16)
    store = FeatureStore(tmp_path, 3)
    store.add(keys[:2], rows[:2])
    store.add(keys[2:], rows[2:])
    again = FeatureStore(tmp_path, 3)
    np.testing.assert_array_equal(again.rows(keys[::-1]), rows[::-1])
    assert keys[0] in again
    assert bytes(32) not in again
    with pytest.raises(KeyError):
        again.rows([bytes(32)])


@pytest.mark.fault
def test_a_part_cut_short_by_a_kill_is_computed_again(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, 3)
    (tmp_path / "part-00000.tmp").write_bytes(b"half")
    assert bytes(32) not in FeatureStore(tmp_path, 3)
    store.add([bytes(32)], np.zeros((1, 3), np.float16))
    assert bytes(32) in FeatureStore(tmp_path, 3)


@pytest.mark.fault
def test_processes_that_fill_one_store_keep_each_others_parts(tmp_path: Path) -> None:
    first, second = FeatureStore(tmp_path, 3), FeatureStore(tmp_path, 3)
    keys = [bytes([number]) * 32 for number in range(3)]
    rows = np.arange(9, dtype=np.float16).reshape(3, 3)
    first.add(keys[:2], rows[:2])
    second.add(keys[2:], rows[2:])
    np.testing.assert_array_equal(FeatureStore(tmp_path, 3).rows(keys), rows)


@pytest.fixture(scope="module")
def clip() -> CustomTextCLIP:
    return build_clip()


@pytest.mark.weights
def test_features_are_the_towers_and_computed_once(clip: CustomTextCLIP, tmp_path: Path) -> None:
    photos = []
    for i, colour in enumerate(("red", "green", "red")):
        photos.append(tmp_path / f"{i}.png")
        plate(colour).save(photos[-1])
    seen: list[tuple[str, int, int]] = []
    cache = FeatureCache(tmp_path / "cache", clip, lite_preprocess(), lambda *step: seen.append(step))
    features = cache.image_features(photos, "whole")
    assert seen == [("photos (whole)", 2, 2)]  # the third is a copy of the first
    np.testing.assert_array_equal(features[0], features[2])
    pixels = view_pixels(plate("red"), "whole", lite_preprocess(), "")[None]
    exact = clip.encode_image(normalise_pixels(pixels, lite_preprocess(), next(clip.parameters()).device))
    exact = exact.detach().numpy()[0]
    cosine = features[0] @ exact / np.linalg.norm(features[0].astype(np.float32)) / np.linalg.norm(exact)
    assert cosine > 0.995  # bfloat16 in the cache
    again = FeatureCache(tmp_path / "cache", clip, lite_preprocess(), lambda *step: seen.append(step))
    np.testing.assert_array_equal(again.image_features(photos, "whole"), features)
    again.text_features(["salt", "salt", "pepper"])
    assert seen[1:] == [("texts", 2, 2)]


@pytest.mark.weights
def test_another_preprocessing_is_another_feature(clip: CustomTextCLIP, tmp_path: Path) -> None:
    plate("red", size=(300, 100)).save(tmp_path / "x.png")
    squash, shortest = (
        FeatureCache(tmp_path / "cache", clip, lite_preprocess(mode)).image_features([tmp_path / "x.png"], "whole")
        for mode in ("squash", "shortest")
    )
    assert np.abs(squash - shortest).max() > 0.01


def test_views_are_functions_of_content_and_name() -> None:
    spec, photo = lite_preprocess(), plate("red")
    whole, flip = (view_pixels(photo, view, spec, "aa") for view in ("whole", "whole-flip"))
    np.testing.assert_array_equal(np.flip(whole, axis=1), flip)
    crops = [view_pixels(photo, view, spec, "aa") for view in crop_views(2)]
    np.testing.assert_array_equal(crops[0], view_pixels(photo, "crop-0", spec, "aa"))
    assert (crops[0] != crops[1]).any()
    assert (crops[0] != view_pixels(photo, "crop-0", spec, "bb")).any()
    assert view_pixels(plate("red", size=(1, 1)), "crop-0", spec, "aa").shape == (224, 224, 3)
    with pytest.raises(ValueError, match="no view is called 'zoom'"):
        view_pixels(photo, "zoom", spec, "aa")


def test_wide_views_leave_little_out() -> None:
    """Seen on a slope of grey, whose range is the share of the width that a view shows."""
    slope = Image.fromarray(np.tile(np.arange(200, dtype=np.uint8), (200, 1))).convert("RGB")
    wide, narrow = (
        [np.ptp(view_pixels(slope, view, lite_preprocess(), "aa")[100, :, 0].astype(int)) for view in views]
        for views in (wide_views(20), crop_views(20))
    )
    assert min(wide) >= 195 * np.sqrt(0.7 * 0.75) > min(narrow)
    assert min(narrow) >= 195 * np.sqrt(0.35 * 0.75)
