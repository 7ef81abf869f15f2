"""A sheet of queries and their answers, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from app.evaluation.arithmetic import Benchmark, answers
from app.evaluation.methods import strategies
from app.evaluation.queries import Edit, Query
from index.algebra import Strategy

_TILE = (200, 140)  # width, height of a photo in pixels
_CAPTION = 34
_GAP = 12
_FRAME = 5
_ANSWERS = 5
_GREEN, _GREY, _BLACK, _WHITE = "#1a9c3c", "#c4c4c4", "black", "white"
_LONGEST = 34  # letters of a caption's line


def draw_contact_sheet(benchmark: Benchmark, strategy: Strategy, path: Path, *, rows: int = 12, seed: int = 0) -> None:
    """Draw swaps, one a row: the reference photo and its edit, then the first five answers, right ones framed in green.

    The queries are drawn by ``seed`` from those whose target has at least two tags (from all, where there are fewer),
    not chosen by how well they went. Written as PNG.
    """
    asked = _draw(benchmark.queries[Edit.SWAP], rows, seed)
    method = next(method for method in strategies(benchmark.world) if method.name == strategy)
    width = _GAP + (1 + _ANSWERS) * (_TILE[0] + _GAP)
    height = _GAP + len(asked) * (_TILE[1] + _CAPTION + _GAP)
    sheet = Image.new("RGB", (width, height), _WHITE)
    for number, query in enumerate(asked):
        top = _GAP + number * (_TILE[1] + _CAPTION + _GAP)
        photo = benchmark.photos[query.reference]
        edit = f"- {query.removed} + {query.added}"
        _paste(sheet, 0, top, photo.path, _BLACK, [edit, ", ".join(sorted(photo.tags))])
        right = set(query.right.tolist())
        for place, row in enumerate(answers(method, query)[:_ANSWERS].tolist(), start=1):
            found = benchmark.photos[row]
            tags = _lines(", ".join(sorted(found.tags)))
            _paste(sheet, place, top, found.path, _GREEN if row in right else _GREY, tags)
    sheet.save(path, format="PNG")


def _draw(queries: Sequence[Query], rows: int, seed: int) -> list[Query]:
    several = [query for query in queries if len(query.target) > 1]
    pool = several if len(several) >= rows else list(queries)
    chosen = np.random.default_rng(seed).choice(len(pool), min(rows, len(pool)), replace=False)
    return [pool[index] for index in np.sort(chosen).tolist()]


def _paste(sheet: Image.Image, column: int, top: int, path: Path, frame: str, caption: Sequence[str]) -> None:
    left = _GAP + column * (_TILE[0] + _GAP)
    with Image.open(path) as image:
        inner = (_TILE[0] - 2 * _FRAME, _TILE[1] - 2 * _FRAME)
        tile = ImageOps.expand(ImageOps.fit(image.convert("RGB"), inner), _FRAME, frame)
    sheet.paste(tile, (left, top))
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(caption[:2]):
        text = line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."
        draw.text((left, top + _TILE[1] + 2 + 15 * number), text, _BLACK, ImageFont.load_default(12))


def _lines(text: str) -> list[str]:
    """``text`` in two lines, broken at a blank."""
    head = text[:_LONGEST].rsplit(" ", 1)[0] if len(text) > _LONGEST else text
    return [head, text[len(head) :].strip()]
