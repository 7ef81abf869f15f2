"""Photos, sent or stored, as a model beside the encoder sees them."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from app.pictures import PictureLimits, decode
from app.services.query import Item, Photo
from app.services.resources import Resources
from app.services.timings import Timings
from index.types import BlobMissingError, Kind
from models.attention_figure import panel_photo
from models.preprocess import Region, seen_region, to_pixels
from models.types import ImagePreprocess, UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class PhotoView:
    """A photo by a model's own preprocessing.

    Attributes:
        pixels: uint8 (size, size, 3).
        region: what of the photo the pixels show.
        panel: the photo in the size of a figure's panel, where there is to be one; the photo itself may be hundreds of
            megabytes.
    """

    pixels: UInt8Array
    region: Region
    panel: Image.Image | None = None


def view_photo(data: bytes, limits: PictureLimits, spec: ImagePreprocess, panel: int | None = None) -> PhotoView:
    """Decode a photo; ``panel`` is the longer side of a figure's panel, None where there is to be no figure.

    Raises:
        PictureError: the file is no picture.
    """
    image = decode(data, limits, target_side=spec.size).image
    small = None if panel is None else panel_photo(image, panel)
    return PhotoView(to_pixels(image, spec), seen_region(image.size, spec), small)


async def read_view(
    resources: Resources, photo: Photo | Item, spec: ImagePreprocess, timings: Timings, panel: int | None = None
) -> PhotoView:
    """The same of a photo that was sent or is stored; the stages ``fetch`` and ``decode`` are timed.

    Raises:
        UnknownItemError: the photo is not there.
        BlobMissingError, BlobCorruptError: its file is missing or damaged.
        PictureError: the file is no picture.
    """
    if isinstance(photo, Photo):
        data = photo.data
    else:
        with timings.stage("fetch"):
            data = await resources.executors.database(_stored, resources, photo.id)
    with timings.stage("decode"):
        return await resources.executors.decode(view_photo, data, resources.picture_limits, spec, panel)


def _stored(resources: Resources, item_id: str) -> bytes:
    image = resources.catalogue.get(Kind.IMAGE, item_id)
    try:
        return resources.blobs.read(image.picture.blob)
    except BlobMissingError:
        # Where the photo was deleted or replaced meanwhile, nothing is missing.
        now = resources.catalogue.get(Kind.IMAGE, item_id)
        if now.picture.blob == image.picture.blob:
            raise
        return resources.blobs.read(now.picture.blob)
