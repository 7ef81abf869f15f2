"""Where a model looked: its maps, and how they lie over the photo."""

from __future__ import annotations

from typing import Annotated, Self, TypeAlias

from pydantic import Field

from app.schemas.common import Response
from models.preprocess import Region
from models.types import Float32Array

_DIGITS = 5  # of a share of attention

AttentionRows: TypeAlias = Annotated[
    list[list[float]], Field(description="Rows of the grid from the top, each from the left; adds up to 1.")
]


def attention_rows(attention: Float32Array) -> list[list[float]]:
    """A map, float32 (rows, columns), as it is sent."""
    return [[round(share, _DIGITS) for share in row] for row in attention.astype(float).tolist()]


class GridOut(Response):
    """How many rows and columns an attention map has."""

    rows: int
    columns: int

    @classmethod
    def of(cls, grid: tuple[int, int]) -> Self:
        return cls(rows=grid[0], columns=grid[1])


class RegionOut(Response):
    """What of the upright photo the grid covers, in fractions of its width and height from its upper left corner; below
    0 and above 1 lies what was added around the photo."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def of(cls, region: Region) -> Self:
        return cls(**region._asdict())
