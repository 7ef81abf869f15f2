from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.attention_figure import PANEL, panel_photo, to_png
from models.captioning.figure import attention_figure
from models.captioning.types import Caption, CaptionedWord, CaptionOptionError
from models.preprocess import Region
from models.types import Float32Array, UInt8Array

WHITE_PHOTO = Image.new("RGB", (240, 240), (200, 200, 200))
GAP, LABEL = 8, 34  # pixels of the layout: between panels, below each


def _caption(*words: str, maps: Float32Array | None = None) -> Caption:
    if maps is None:
        maps = np.full((len(words), 3, 3), 1 / 9, dtype=np.float32)
    return Caption(" ".join(words), tuple(CaptionedWord(word, -0.5) for word in words), -1.0, maps)


def _looking_at(row: int, column: int, rows: int = 4, columns: int = 4) -> Float32Array:
    attention = np.zeros((1, rows, columns), dtype=np.float32)
    attention[0, row, column] = 1
    return attention


def _panel(figure: Image.Image, place: int, wh: tuple[int, int] = (240, 240)) -> UInt8Array:
    """A panel of the first row."""
    left = GAP + place * (wh[0] + GAP)
    return np.asarray(figure)[GAP : GAP + wh[1], left : left + wh[0]]


def test_the_photo_comes_first_and_as_it_is() -> None:
    figure = attention_figure(WHITE_PHOTO, _caption("a", maps=_looking_at(0, 0)))
    assert figure.mode == "RGB"
    assert figure.size == (GAP + 2 * (240 + GAP), GAP + 240 + LABEL + GAP)
    assert (_panel(figure, 0) == 200).all()


def test_the_brightest_place_is_where_the_map_is_highest() -> None:
    panel = _panel(attention_figure(WHITE_PHOTO, _caption("a", maps=_looking_at(1, 2))), 1)[..., 0]
    assert panel[60:120, 120:180].mean() > 4 * panel[180:, :60].mean()
    assert panel[90, 150] == panel.max() > 190
    assert 0 < panel.min() < 30


def test_brightness_is_relative_to_each_map() -> None:
    sharp, faint = _looking_at(1, 2), 0.0625 + 0.001 * _looking_at(1, 2)
    figure = attention_figure(WHITE_PHOTO, _caption("a", "b", maps=np.concatenate([sharp, faint])))
    np.testing.assert_allclose(_panel(figure, 1).astype(int), _panel(figure, 2).astype(int), atol=1)


def test_a_map_that_looks_everywhere_alike_leaves_the_photo() -> None:
    assert (_panel(attention_figure(WHITE_PHOTO, _caption("a")), 1) == 200).all()


def test_the_map_lies_over_the_region_that_was_seen() -> None:
    """A photo twice as wide as high whose middle was cropped: the map's corner is the crop's, and no more is light."""
    photo = Image.new("RGB", (480, 240), (200, 200, 200))
    panel = _panel(
        attention_figure(photo, _caption("a", maps=_looking_at(0, 0)), region=Region(0.25, 0, 0.75, 1)), 1, (240, 120)
    )[..., 0]
    assert panel[:30, 60:90].mean() > 100
    assert (panel[:, :59] == panel.min()).all()
    assert (panel[:, 181:] == panel.min()).all()


def test_of_a_padded_square_only_what_lies_over_the_photo_is_drawn() -> None:
    """A photo twice as wide as high in the middle of a square: its upper left is in the second row of four."""
    photo = Image.new("RGB", (480, 240), (200, 200, 200))
    region = Region(0, -0.5, 1, 1.5)
    panel = _panel(attention_figure(photo, _caption("a", maps=_looking_at(1, 0)), region=region), 1, (240, 120))[..., 0]
    assert panel[:60, :60].mean() > 4 * panel[60:, 120:].mean()
    outside = _panel(attention_figure(photo, _caption("a", maps=_looking_at(0, 0)), region=region), 1, (240, 120))
    assert outside[60:].max() < 40


def test_panels_wrap_into_rows() -> None:
    words = [f"w{number}" for number in range(13)]
    figure = attention_figure(WHITE_PHOTO, _caption(*words))
    assert figure.size == (GAP + 6 * (240 + GAP), GAP + 3 * (240 + LABEL + GAP))
    assert attention_figure(WHITE_PHOTO, _caption(*words), panel=60, columns=4).width == GAP + 4 * (120 + GAP)


def test_each_word_stands_below_its_panel() -> None:
    figure = np.asarray(attention_figure(WHITE_PHOTO, _caption("plate", "of")))
    below = figure[GAP + 240 : GAP + 240 + LABEL]
    for place, written in ((0, False), (1, True), (2, True)):
        left = GAP + place * (240 + GAP)
        assert (below[:, left : left + 240].min() < 100) == written


@pytest.mark.parametrize(
    "word",
    [
        "x" * 300,
        "Donaudampfschifffahrtsgesellschaft" * 2,
        "crème",
        "日本料理",
        "🍝",
        "שלום",
        "a\nb",
        "\t",
        "",
        "\ud800",
    ],
)
def test_any_word_is_drawn_within_its_panel(word: str) -> None:
    figure = np.asarray(attention_figure(WHITE_PHOTO, _caption(word, "end")))
    assert figure.shape == (GAP + 240 + LABEL + GAP, GAP + 3 * (240 + GAP), 3)
    first = GAP + 240 + GAP
    assert (figure[:, first - GAP : first] == 255).all()
    assert (figure[:, first + 240 : first + 240 + GAP] == 255).all()


def test_accents_that_the_font_lacks_are_left_out() -> None:
    drawn = [attention_figure(WHITE_PHOTO, _caption(word)).tobytes() for word in ("crème", "creme", "crime")]
    assert drawn[0] == drawn[1] != drawn[2]


@settings(max_examples=25)
@given(
    width=st.integers(1, 500),
    height=st.integers(1, 500),
    grid=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    left=st.floats(-3, 0.9),
    span=st.floats(0.001, 4),
)
def test_any_photo_grid_and_region_can_be_drawn_and_always_alike(
    width: int, height: int, grid: tuple[int, int], left: float, span: float
) -> None:
    region = Region(left, 0, max(left + span, 0.001), 1)
    photo = Image.new("RGB", (width, height), "red")
    maps = np.random.default_rng(0).random((2, *grid)).astype(np.float32)
    first, second = (attention_figure(photo, _caption("a", "b", maps=maps), region=region, panel=64) for _ in range(2))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("shape", [(1, 1), (20_000, 1), (1, 20_000), (3000, 2000)])
def test_panels_of_any_photo_have_one_size(shape: tuple[int, int]) -> None:
    assert max(panel_photo(Image.new("RGB", shape)).size) == PANEL
    assert attention_figure(Image.new("L", shape), _caption("a")).height <= GAP + PANEL + LABEL + GAP


def test_a_caption_without_words_is_the_photo_alone() -> None:
    figure = attention_figure(WHITE_PHOTO, _caption(maps=np.zeros((0, 3, 3), dtype=np.float32)))
    assert figure.width == GAP + 240 + GAP


def test_what_can_not_be_drawn_is_refused() -> None:
    plain = Caption("a", (CaptionedWord("a", -0.5),), -1.0)
    with pytest.raises(CaptionOptionError, match="ask for it with attention"):
        attention_figure(WHITE_PHOTO, plain)
    with pytest.raises(ValueError, match="2 words need as many maps"):
        attention_figure(WHITE_PHOTO, _caption("a", "b", maps=_looking_at(0, 0)))
    with pytest.raises(ValueError, match="no numbers"):
        attention_figure(WHITE_PHOTO, _caption("a", maps=np.full((1, 2, 2), np.nan, dtype=np.float32)))
    with pytest.raises(ValueError, match="at least 1"):
        attention_figure(WHITE_PHOTO, _caption("a"), columns=0)


def test_the_file_of_a_figure_holds_its_pixels() -> None:
    figure = attention_figure(WHITE_PHOTO, _caption("a"))
    with Image.open(BytesIO(to_png(figure))) as read:
        assert read.format == "PNG"
        assert read.tobytes() == figure.tobytes()
