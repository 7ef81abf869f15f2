"""Sheets of drawn pictures, to be looked at: fixed prompts, and pictures beside the training photos nearest to them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from models.attention_figure import plain_letters
from models.files import write_file
from models.types import UInt8Array

#: What the contact sheet shows, of each prompt the seeds 0 to 5; the best six of more where candidates are re-ranked.
SHEET_PROMPTS = (
    "tomato soup",
    "green salad",
    "chocolate cake",
    "grilled steak",
    "spaghetti with tomato sauce",
    "roast chicken",
    "blueberry muffins",
    "a glass of red cocktail",
)
SHEET_SEEDS = 6
#: Pairs of a picture and the training photo nearest to it that are shown.
PAIRS = 16
_PAIR_COLUMNS = 4
_CAPTION, _GAP, _FONT = 18, 4, 12
_BLACK, _WHITE = "black", "white"


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A drawn picture and a photo, both uint8 (S, S, 3), and what is written below them."""

    drawn: UInt8Array
    photo: UInt8Array
    caption: str


def save_prompt_sheet(path: Path, prompts: Sequence[str], pictures: UInt8Array) -> None:
    """A row of pictures for each prompt, named above it, as PNG.

    Args:
        pictures: uint8 (prompts, seeds, S, S, 3).
    """
    count, side = pictures.shape[1:3]
    width, row = _GAP + count * (side + _GAP), _CAPTION + side + _GAP
    sheet = Image.new("RGB", (width, len(prompts) * row), _WHITE)
    for number, (prompt, own) in enumerate(zip(prompts, pictures, strict=True)):
        _write(sheet, _GAP, number * row, prompt, width - _GAP)
        for place, pixels in enumerate(own):
            sheet.paste(Image.fromarray(pixels), (_GAP + place * (side + _GAP), number * row + _CAPTION))
    _save(sheet, path)


def save_pairs(path: Path, pairs: Sequence[Pair]) -> None:
    """Drawn pictures, each with its photo to the right of it, four pairs in a row, as PNG.

    Raises:
        ValueError: there is no pair.
    """
    if not pairs:
        raise ValueError("there is no pair to show")
    side = len(pairs[0].drawn)
    width, height = 2 * side + 3 * _GAP, side + _CAPTION + _GAP
    rows = -(-len(pairs) // _PAIR_COLUMNS)
    sheet = Image.new("RGB", (_PAIR_COLUMNS * width, rows * height), _WHITE)
    for number, pair in enumerate(pairs):
        top, left = number // _PAIR_COLUMNS * height, number % _PAIR_COLUMNS * width
        sheet.paste(Image.fromarray(pair.drawn), (left, top))
        sheet.paste(Image.fromarray(pair.photo), (left + side + _GAP, top))
        _write(sheet, left, top + side, pair.caption, 2 * side + _GAP)
    _save(sheet, path)


def save_grid(path: Path, pictures: Sequence[UInt8Array], captions: Sequence[str], *, columns: int = 16) -> None:
    """Pictures uint8 (S, S, 3), ``columns`` in a row, each with its caption below it, as PNG.

    Raises:
        ValueError: there is no picture, or another number of captions.
    """
    if not pictures:
        raise ValueError("there is no picture to show")
    side = len(pictures[0])
    width, height = side + _GAP, side + _CAPTION + _GAP
    across = min(columns, len(pictures))
    sheet = Image.new("RGB", (across * width, -(-len(pictures) // across) * height), _WHITE)
    for number, (pixels, caption) in enumerate(zip(pictures, captions, strict=True)):
        top, left = number // across * height, number % across * width
        sheet.paste(Image.fromarray(pixels), (left, top))
        _write(sheet, left, top + side, caption, side)
    _save(sheet, path)


def _write(sheet: Image.Image, left: int, top: int, text: str, width: int) -> None:
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT)
    short = plain_letters(text)
    while len(short) > 1 and draw.textlength(short, font) > width:
        short = short.removesuffix("…")[:-1] + "…"
    draw.text((left, top + 2), short, _BLACK, font)


def _save(sheet: Image.Image, path: Path) -> None:
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    write_file(path, stream.getvalue())
