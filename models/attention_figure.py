"""Where a model looked, drawn as in Xu et al. 2015 (figures 1 and 5): the photo, then panels of the photo darkened but
where the model looked."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.preprocess import Region
from models.types import Float32Array

WHOLE = Region(0.0, 0.0, 1.0, 1.0)
PANEL = 240  # pixels: a panel's longer side
COLUMNS = 6

_NARROWEST = 120  # a word must find room below a photo of any shape
_GAP = 8
_LINE = 34
_FONT_SIZES = range(22, 12, -2)
_DARKEST = 0.12  # what is left of the light where the model didn't look: enough to tell the place
_PAPER, _INK = "white", "black"
_PNG_LEVEL = 3  # a third of the time of Pillow's 6, for a twentieth more bytes


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One look: its map, float32 (rows, columns), and the lines of text below it."""

    attention: Float32Array
    lines: tuple[str, ...]


def panel_photo(photo: Image.Image, panel: int = PANEL) -> Image.Image:
    """``photo`` in the size of a panel, its longer side ``panel`` pixels; a small one is enlarged."""
    scale = panel / max(photo.size)
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    rgb = photo if photo.mode == "RGB" else photo.convert("RGB")
    return rgb if size == rgb.size else rgb.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)


def panels_figure(
    photo: Image.Image, panels: Sequence[Panel], *, region: Region = WHOLE, panel: int = PANEL, columns: int = COLUMNS
) -> Image.Image:
    """The photo, then for each of ``panels`` the photo darkened but where the model looked, with its lines below.

    Brightness is relative to each map's own maximum and minimum, so panels show where a model looked, not how surely.

    Args:
        photo: upright, of any size.
        region: what of the photo the maps lie over (:func:`models.preprocess.seen_region`); the rest is dark.
        panel: longer side of a panel in pixels.
        columns: panels in a row.

    Returns:
        RGB; the same input gives the same pixels.

    Raises:
        ValueError: a map holds no numbers, or ``panel`` or ``columns`` is below 1.
    """
    if panel < 1 or columns < 1:
        raise ValueError("panel and columns must be at least 1")
    if not all(np.isfinite(each.attention).all() for each in panels):
        raise ValueError("the attention maps hold values that are no numbers")
    small = panel_photo(photo, panel)
    light = np.asarray(small, dtype=np.float32)
    count = 1 + len(panels)
    label = _LINE * max((len(each.lines) for each in panels), default=1)
    cell = (max(small.width, _NARROWEST), small.height + label)
    rows = -(-count // columns)
    size = (_GAP + min(count, columns) * (cell[0] + _GAP), _GAP + rows * (cell[1] + _GAP))
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place in range(count):
        left = _GAP + place % columns * (cell[0] + _GAP)
        top = _GAP + place // columns * (cell[1] + _GAP)
        at = (left + (cell[0] - small.width) // 2, top)
        if place == 0:
            sheet.paste(small, at)
            continue
        shown = panels[place - 1]
        seen = _brightness(shown.attention, region, small.size)
        sheet.paste(Image.fromarray((light * seen[..., None]).round().astype(np.uint8)), at)
        for line, written in enumerate(shown.lines):
            text, font = _fitting(written, cell[0] - _GAP)
            middle = (left + cell[0] / 2, top + small.height + (line + 0.5) * _LINE)
            draw.text(middle, text, _INK, font, anchor="mm")
    return sheet


def to_png(figure: Image.Image) -> bytes:
    """A figure as the bytes of a file."""
    buffer = BytesIO()
    figure.save(buffer, "PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def _brightness(attention: Float32Array, region: Region, wh: tuple[int, int]) -> Float32Array:
    """Between the darkest and 1 for each pixel of a panel, (height, width)."""
    floor, peak = float(attention.min()), float(attention.max())
    # A map that looks everywhere alike leaves the photo as it is.
    relative = np.ones_like(attention) if peak <= floor else (attention - floor) / (peak - floor)
    width, height = wh
    seen = np.zeros((height, width), dtype=np.float32)
    across = _overlap(region.left, region.right, width, attention.shape[1])
    down = _overlap(region.top, region.bottom, height, attention.shape[0])
    grid = Image.fromarray(relative.astype(np.float32))
    box = (across[2], down[2], across[3], down[3])
    part = grid.resize((across[1] - across[0], down[1] - down[0]), Image.Resampling.BICUBIC, box)
    seen[down[0] : down[1], across[0] : across[1]] = np.asarray(part).clip(0.0, 1.0)
    return _DARKEST + (1 - _DARKEST) * seen


def _overlap(start: float, end: float, pixels: int, cells: int) -> tuple[int, int, float, float]:
    """Along one side: from which to which pixel of a panel the map lies, and what part of the map's cells that is."""
    first, last = max(0.0, start), min(1.0, end)
    from_pixel = min(pixels - 1, round(first * pixels))
    to_pixel = max(from_pixel + 1, round(last * pixels))
    per_cell = cells / (end - start)
    return from_pixel, to_pixel, max(0.0, (first - start) * per_cell), min(float(cells), (last - start) * per_cell)


def _fitting(line: str, width: int) -> tuple[str, ImageFont.FreeTypeFont | ImageFont.ImageFont]:
    """The line in the largest font in which it fits below a panel, cut where it fits in none."""
    text = plain_letters(line)
    font = ImageFont.load_default(_FONT_SIZES[0])
    for size in _FONT_SIZES:
        font = ImageFont.load_default(size)
        if font.getlength(text) <= width:
            return text, font
    while text and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}...", font


def plain_letters(line: str) -> str:
    """Without line breaks, which would spill into the next row, and without accents, which Pillow's font lacks."""
    decomposed = unicodedata.normalize("NFKD", line)
    return "".join(each for each in decomposed if not unicodedata.combining(each) and each.isprintable())
