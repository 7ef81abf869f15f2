import numpy as np
import pytest
import torch

from models.captioning.vision import MapTower, VisionConfig, tensors_digest
from models.joint.lite import LiteConfig
from models.joint.towers import build_clip, normalise_pixels
from models.training.start import Start

pytestmark = pytest.mark.weights


def _pixels(config: VisionConfig, photos: int = 2) -> torch.Tensor:
    size = config.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (photos, size, size, 3), dtype=np.uint8)
    return normalise_pixels(pixels, config.preprocess, torch.device("cpu"))


@pytest.mark.parametrize("size", [64, 72])
def test_the_pooled_map_is_what_the_encoder_sees(size: int) -> None:
    config = VisionConfig(image_size=size)
    tower = MapTower(config)
    with torch.inference_mode():
        pixels = _pixels(config)
        maps = tower(pixels)
        pooled = build_clip("tf_efficientnet_lite0", size).encode_image(pixels)
    rows, columns = config.grid
    assert maps.shape == (2, rows * columns, tower.width) == (2, rows * columns, 1280)
    torch.testing.assert_close(maps.mean(dim=1), pooled, atol=1e-4, rtol=1e-4)


def test_locations_go_row_by_row() -> None:
    """What changes in the upper right corner of the photo changes the map there, and hardly in the lower left."""
    config = VisionConfig(image_size=160, stage="stages")
    tower = MapTower(config)
    with torch.inference_mode():
        pixels = _pixels(config, 1)
        changed = pixels.clone()
        changed[:, :, :32, -32:] = 1.0
        difference = (tower(changed) - tower(pixels)).square().sum(-1).sqrt().view(config.grid)
    assert difference[:2, -2:].mean() > 3 * difference[-2:, :2].mean()


def test_the_narrow_map_makes_the_wide_one() -> None:
    config = VisionConfig(vision="tf_efficientnet_lite2", image_size=64)
    tower = MapTower(config)
    narrow = MapTower(VisionConfig(vision="tf_efficientnet_lite2", image_size=64, stage="stages"))
    assert (tower.stage_width, tower.width, narrow.width) == (352, 1280, 352)
    with torch.inference_mode():
        pixels = _pixels(config)
        torch.testing.assert_close(tower(pixels), tower.finish(narrow(pixels)))


def test_tuned_tensors_replace_pretrained_ones_and_others_are_refused() -> None:
    config = VisionConfig(image_size=64)
    tuned = {"conv_head.weight": torch.zeros(1280, 320, 1, 1)}
    with torch.inference_mode():
        assert not MapTower(config, tuned)(_pixels(config)).var(dim=1).any()
    assert not any(parameter.requires_grad for parameter in MapTower(config, tuned).parameters())
    with pytest.raises(ValueError, match=r"has no tensors named classifier\.weight"):
        MapTower(config, {"classifier.weight": torch.zeros(3)})
    with pytest.raises(ValueError, match="don't fit"):
        MapTower(config, {"conv_head.weight": torch.zeros(3)})


def test_digests_of_tuned_towers_are_those_of_trainings() -> None:
    tuned = {"b": torch.ones(2), "a": torch.zeros(3)}
    assert tensors_digest(tuned) == Start(LiteConfig(), trunk=tuned).tuned
    assert tensors_digest({}) == ""
