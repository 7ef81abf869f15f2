"""Photos that are opened for the encoder, the captioner, or both."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from unittest.mock import patch

import numpy as np

from app.pictures import PictureLimits, decode
from app.services import drafts
from app.services.auto_captions import CaptionPlan
from app.services.drafts import PictureDraft, draft_picture, open_picture
from app.services.items import PictureItem
from index.types import Picture, StoredImage
from models.captioning.types import CaptionOptions
from models.types import ImagePreprocess
from tests.app.fakes import picture

LIMITS = PictureLimits(max_bytes=10**7)
PHOTO = picture("tomato", "rice", "meat", size=(640, 480), format="JPEG")
ENCODER = ImagePreprocess(size=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
PLAN = CaptionPlan("captioner", ImagePreprocess(size=96, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)), CaptionOptions())
VECTOR = np.eye(1, 8, dtype=np.float32)[0]


def stored() -> StoredImage:
    sha256, now = hashlib.sha256(PHOTO).hexdigest(), datetime.now(UTC)
    photo = Picture(blob=sha256, media_type="image/jpeg", width=640, height=480, size=len(PHOTO))
    return StoredImage(pk=1, id="p", digest="", revision=1, created_at=now, updated_at=now, picture=photo)


def opened(known: StoredImage | None, plan: CaptionPlan | None) -> tuple[PictureDraft, int]:
    """The draft, and how often the file was decoded for it."""
    draft = draft_picture(PictureItem(data=PHOTO, id="p"))
    draft.caption_plan = plan
    with patch.object(drafts, "decode", wraps=decode) as decoding:
        open_picture(draft, PHOTO, known, None if known is None else VECTOR, LIMITS, ENCODER)
    return draft, decoding.call_count


def test_one_decode_serves_both_models() -> None:
    draft, decodes = opened(None, PLAN)
    assert decodes == 1
    assert draft.payload is not None
    assert draft.payload.shape == (16, 16, 3)
    assert draft.to_caption is not None
    assert draft.to_caption.pixels.shape == (96, 96, 3)


def test_a_known_photo_is_decoded_for_a_caption_alone_and_gives_the_same_pixels() -> None:
    assert opened(stored(), None)[1] == 0
    known, decodes = opened(stored(), PLAN)
    assert (decodes, known.payload is None, known.vector is VECTOR) == (1, True, True)
    new, _ = opened(None, PLAN)
    assert known.to_caption is not None
    assert new.to_caption is not None
    assert np.array_equal(known.to_caption.pixels, new.to_caption.pixels)
    assert known.picture == new.picture
