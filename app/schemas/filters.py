"""Exact conditions on items, beside whatever a query ranks by."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from app.schemas.common import ItemId, Request, Tag
from index.types import Filter

FilterTags = Annotated[list[Tag], Field(max_length=100)]
FilterIds = Annotated[list[ItemId], Field(max_length=10_000)]


class FilterIn(Request):
    """Exact conditions, all of which must hold. Tags compare without regard to case."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tags_all": ["vegetarian"], "tags_none": ["dessert"]}]})

    tags_all: FilterTags = Field(default_factory=list)
    tags_any: FilterTags = Field(default_factory=list)
    tags_none: FilterTags = Field(default_factory=list)
    ids: FilterIds | None = Field(default=None, description="Only these.")
    exclude_ids: FilterIds = Field(default_factory=list, description="None of these.")
    has_image: bool | None = Field(default=None, description="Recipes with (or without) a linked photo.")
    has_recipe: bool | None = Field(default=None, description="Photos with (or without) a linked recipe.")
    generated: bool | None = Field(default=None, description="Photos drawn by a model (or not).")

    def to_filter(self) -> Filter:
        return Filter(
            tags_all=tuple(self.tags_all),
            tags_any=tuple(self.tags_any),
            tags_none=tuple(self.tags_none),
            ids=None if self.ids is None else tuple(self.ids),
            exclude_ids=tuple(self.exclude_ids),
            has_image=self.has_image,
            has_recipe=self.has_recipe,
            generated=self.generated,
        )
