import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from models.captioning.vision import MapTower, VisionConfig
from models.data import DataError
from models.joint.towers import normalise_pixels
from models.photos import open_photo
from models.preprocess import to_pixels
from models.training import feature_maps
from models.training.feature_maps import MapCache, MapStore
from tests.pictures import plate


def test_maps_by_key_survive_the_process(tmp_path: Path) -> None:
    maps = np.arange(5 * 2 * 3, dtype=np.float16).reshape(5, 2, 3)
    keys = [bytes([i]) * 32 for i in range(5)]
    store = MapStore(tmp_path)
    store.add(keys[:3], maps[:3])
    store.add(keys[3:], maps[3:])
    for reader in (store, MapStore(tmp_path)):
        table = reader.table([keys[4], keys[0], keys[4]])
        assert len(table) == 3
        np.testing.assert_array_equal(table.gather([1, 0, 2]), maps[[0, 4, 4]])
        assert keys[1] in reader
        with pytest.raises(KeyError):
            reader.table([b"x" * 32])


@pytest.mark.fault
def test_a_part_whose_keys_were_not_written_is_not_there(tmp_path: Path) -> None:
    store = MapStore(tmp_path)
    store.add([b"a" * 32], np.ones((1, 2, 2), dtype=np.float16))
    next(tmp_path.glob("*.keys")).unlink()
    store = MapStore(tmp_path)
    assert b"a" * 32 not in store
    store.add([b"a" * 32], np.zeros((1, 2, 2), dtype=np.float16))
    assert not MapStore(tmp_path).table([b"a" * 32]).gather([0]).any()


@pytest.mark.weights
def test_photos_are_computed_once_by_content_view_and_tower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_maps, "_PHOTOS_PER_PART", 2)
    photos = [tmp_path / f"{i}.png" for i in range(3)]
    for i, path in enumerate(photos):
        plate("red", size=(64, 64), seed=i).save(path)
    photos.append(tmp_path / "copy.png")
    shutil.copy(photos[0], photos[3])
    seen: list[tuple[str, int, int]] = []
    config = VisionConfig(image_size=64)
    tower = MapTower(config)
    cache = MapCache(tmp_path / "maps", tower, "", lambda *step: seen.append(step))
    table = cache.maps(photos, "whole")
    assert seen == [("maps (whole)", 2, 3), ("maps (whole)", 3, 3)]
    assert table.gather([0, 1]).shape == (2, 4, 320)
    np.testing.assert_array_equal(table.gather([0]), table.gather([3]))
    with torch.inference_mode():
        pixels = np.stack([to_pixels(open_photo(path), config.preprocess) for path in photos])
        expected = tower.stages(normalise_pixels(pixels, config.preprocess, torch.device("cpu"))).numpy()
    found = table.gather([0, 1, 2, 3]).astype(np.float32)
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
    seen.clear()
    MapCache(tmp_path / "maps", tower, "", lambda *step: seen.append(step)).maps(photos, "whole")
    assert seen == []
    MapCache(tmp_path / "maps", tower, "other", lambda *step: seen.append(step)).maps(photos[:1], "whole")
    cache.maps(photos[:1], "crop-0")
    assert [what for what, *_ in seen] == ["maps (whole)", "maps (crop-0)"]
    with pytest.raises(ValueError, match="no view is called"):
        cache.maps(photos, "upside-down")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"broken\.png"):
        cache.maps([tmp_path / "broken.png"], "whole")
