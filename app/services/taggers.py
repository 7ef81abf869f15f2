"""The trained tag weights of one process: those that fit its encoder, or why there are none."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from app.services.items import AutoTags
from index.text import tag_key
from index.types import Picture
from models.tagging.head import TagHead
from models.tagging.scoring import rank_tags
from models.tagging.types import TaggerUnavailableError
from models.tagging.weights import SHIPPED_TAGS
from models.tagging.zero_shot import ZeroShotCalibration
from models.types import EncoderInfo, Float32Array

logger = logging.getLogger(__name__)

#: Where a photo's ``extra`` names the tags that were added by the head.
AUTO_TAGS = "auto_tags"
MAX_TAGS = 100  # of a photo, as clients may send them


@dataclass(frozen=True, slots=True, eq=False)
class Taggers:
    """The trained head and its zero-shot calibration; both None where ``reason`` says why."""

    trained: TagHead | None
    calibration: ZeroShotCalibration | None
    reason: str = ""

    @classmethod
    def load(cls, encoder: EncoderInfo, folder: Path | None) -> Self:
        """The weights in ``folder``; without one those that ship, which need not fit every encoder.

        Raises:
            TaggerUnavailableError: the weights in ``folder`` can't be used.
        """
        try:
            where = folder or SHIPPED_TAGS
            return cls(TagHead.load(encoder, where), ZeroShotCalibration.load(encoder, where))
        except TaggerUnavailableError as error:
            if folder is not None:
                raise
            logger.info("photos can be tagged by vocabularies of one's own alone: %s", error)
            return cls(None, None, str(error))

    def head(self) -> TagHead:
        """Raises TaggerUnavailableError that names the remedy where there is none."""
        if self.trained is None:
            raise TaggerUnavailableError(self.reason)
        return self.trained

    def with_tags(self, picture: Picture, vector: Float32Array, wanted: AutoTags) -> Picture:
        """``picture`` with the head's tags after its own, and its ``extra`` naming them.

        A photo's tags are those of its stored vector, of float16, so that storing it again changes nothing.

        Args:
            vector: unit-norm (dim,).

        Raises:
            TaggerUnavailableError: there is no head.
        """
        head = self.head()
        least = head.threshold if wanted.min_probability is None else wanted.min_probability
        stored = vector.astype(np.float16).astype(np.float32)
        stored /= np.linalg.norm(stored)
        own = {tag_key(tag) for tag in picture.tags}
        found = rank_tags(head, stored, k=MAX_TAGS, min_probability=least)
        added = [each.tag for each in found if tag_key(each.tag) not in own][: max(0, MAX_TAGS - len(own))]
        return replace(picture, tags=(*picture.tags, *added), extra={**picture.extra, AUTO_TAGS: added})


def automatic_tags(picture: Picture) -> list[str]:
    """Those of a photo's tags that the head gave and nobody has taken away since."""
    named = picture.extra.get(AUTO_TAGS)
    if not isinstance(named, list | tuple):
        return []
    return [tag for tag in picture.tags if tag in named]
