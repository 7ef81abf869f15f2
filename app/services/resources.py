"""What services work with."""

from __future__ import annotations

from dataclasses import dataclass

from app.engine.types import Engine
from app.executors import Executors
from app.metrics import Metrics
from app.pictures import PictureLimits
from app.services.taggers import Taggers
from app.services.words import Words
from app.settings import Settings
from index.blobs import BlobStore
from index.catalogue import Catalogue
from index.replica import IndexReplica
from index.types import Generation


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Everything opened by :class:`app.runtime.Runtime`, which owns it. ``generation`` is the engine's encoder's."""

    settings: Settings
    catalogue: Catalogue
    blobs: BlobStore
    replica: IndexReplica
    engine: Engine
    executors: Executors
    metrics: Metrics
    generation: Generation
    words: Words
    taggers: Taggers

    @property
    def picture_limits(self) -> PictureLimits:
        return PictureLimits(max_bytes=self.settings.max_body_bytes, max_pixels=self.settings.max_pixels)
