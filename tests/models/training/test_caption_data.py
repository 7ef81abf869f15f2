from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.captioning.vocabulary import END, PAD, CaptionVocabulary
from models.data import DataError
from models.training.caption_data import CaptionedPhotos, CaptionSet, captioned_photos, mixed_batches
from tests.models.training.caption_world import write_captions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("captions")
    write_captions(path, photos=4, held=1)
    return path


def test_photos_with_their_words(folder: Path) -> None:
    found = captioned_photos(folder, "train", "general")
    assert len(found.photos) == 3
    assert found.texts[0] == ("A red plate on a table .", "The cook's red dish")
    assert found.words[0] == [["a", "red", "plate", "on", "a", "table"], ["the", "cook", "'s", "red", "dish"]]
    assert found.first(1).photos == found.photos[:1]
    assert captioned_photos(folder, "train", "general", most=5).texts[0] == ("The cook's red dish",)
    assert captioned_photos(folder, "train", "general", most=4).photos == []
    with pytest.raises(DataError, match="test"):
        captioned_photos(folder, "test", "general")


def test_names_of_dishes_lose_what_stands_in_brackets(tmp_path: Path) -> None:
    (tmp_path / "recipes.jsonl").write_text(
        '{"id": "1", "title": "Crème Brûlée (for [a] two) [easy]", "image": "1.png", "split": "train"}\n'
        '{"id": "2", "title": "(nothing)", "image": "2.png", "split": "train"}\n'
    )
    found = captioned_photos(tmp_path, "train", "dish")
    assert found.words == [[["crème", "brûlée"]]]
    assert found.photos == [tmp_path / "1.png"]


def _set() -> CaptionSet:
    general = CaptionedPhotos("general", [Path("a"), Path("b")], [("",), ("",)], [[["x"], ["x", "y", "z"]], [["y"]]])
    dish = CaptionedPhotos("dish", [Path("c")], [("",)], [[["soup", "x"]]])
    return CaptionSet([general, dish], CaptionVocabulary(["x", "y", "soup"]))


def test_a_batch_has_starts_ends_and_padding() -> None:
    captions = _set()
    batch = captions.batch(np.array([3, 0, 1]))
    general, dish = 3, 4
    x, y, soup = 5, 6, 7
    assert batch.photos.tolist() == [2, 0, 0]
    assert batch.inputs[:, 0].tolist() == [[dish, soup, x, PAD], [general, x, PAD, PAD], [general, x, y, 1]]
    assert batch.targets[:, 0].tolist() == [[soup, x, END, PAD], [x, END, PAD, PAD], [x, y, 1, END]]
    assert batch.lengths.tolist() == [[3], [2], [4]]
    assert captions.batch(np.array([0])).inputs.shape == (1, 1, 2)
    assert captions.photo_starts == [general, general, dish]
    assert captions.photos_by_style["dish"].tolist() == [2]


@given(
    general=st.integers(1, 300), dish=st.integers(1, 40), batch=st.integers(1, 32), share=st.floats(0.05, 0.9),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_an_epoch_has_every_general_caption_once_and_dishes_by_their_share(
    general: int, dish: int, batch: int, share: float, seed: int
) -> None:
    lengths = np.random.default_rng(1).integers(1, 20, general + dish)
    styles = {"general": np.arange(general), "dish": np.arange(general, general + dish)}
    batches = mixed_batches(styles, lengths, batch, share, np.random.default_rng(seed))  # type: ignore[arg-type]
    rows = np.concatenate(batches)
    assert sorted(rows[rows < general]) == list(range(general))
    dishes = rows[rows >= general]
    assert len(dishes) == max(1, round(general * share / (1 - share)))
    # No dish comes again before all have had their turn.
    counts = np.bincount(dishes - general, minlength=dish)
    assert counts.max() - counts.min() <= 1
    again = mixed_batches(styles, lengths, batch, share, np.random.default_rng(seed))  # type: ignore[arg-type]
    assert all(np.array_equal(one, other) for one, other in zip(batches, again, strict=True))


def test_batches_are_mixed_and_of_similar_length() -> None:
    lengths = np.random.default_rng(1).integers(1, 20, 4000)
    styles = {"general": np.arange(3000), "dish": np.arange(3000, 4000)}
    batches = mixed_batches(styles, lengths, 40, 0.25, np.random.default_rng(0))  # type: ignore[arg-type]
    assert len(batches) == 100
    for rows in batches:
        assert np.count_nonzero(rows >= 3000) == 10
        assert np.ptp(lengths[rows[rows < 3000]]) <= 2


def test_one_style_alone_is_read_whole() -> None:
    rows = np.concatenate(_set().epoch(2, 0.5, np.random.default_rng(0)))
    assert len(rows) == 6
    alone = mixed_batches({"dish": np.arange(5)}, np.ones(5, dtype=np.int64), 2, 0.25, np.random.default_rng(0))
    assert sorted(np.concatenate(alone)) == list(range(5))
