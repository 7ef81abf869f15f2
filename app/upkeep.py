"""What is done to a catalogue's files now and then, and at the end: its index saved, what nothing names swept."""

from __future__ import annotations

import asyncio
import logging

from app.services.drawn_files import DrawnFiles
from app.services.library import Thumbnails
from app.services.resources import Resources
from app.settings import Settings
from index.replica import IndexReplica
from index.types import IndexRoomError

logger = logging.getLogger(__name__)

_SWEEP_INTERVAL_S = 24 * 3600.0
_BLOB_GRACE_S = 24 * 3600.0


async def maintain(resources: Resources) -> None:
    """Save the index, and sweep blobs that nothing names, now and then."""
    interval = resources.settings.index_save_interval_s
    since_sweep = _SWEEP_INTERVAL_S
    while True:
        await asyncio.sleep(interval)
        await resources.executors.database(save, resources.replica)
        await resources.executors.database(_sweep_drawn, resources.settings)
        since_sweep += interval
        if since_sweep >= _SWEEP_INTERVAL_S:
            since_sweep = 0.0
            await resources.executors.database(_sweep, resources)


def _sweep_drawn(settings: Settings) -> None:
    try:
        DrawnFiles(settings.drawn_dir, settings.drawn_lifetime_s).sweep()
    except OSError as error:
        logger.warning("drawn pictures could not be swept: %s", error)


def _sweep(resources: Resources) -> None:
    try:
        removed = resources.blobs.sweep(resources.catalogue.blob_in_use, _BLOB_GRACE_S)
        Thumbnails(resources.settings.thumbnails_dir).sweep(resources.catalogue.blob_in_use)
    except Exception:
        logger.exception("the sweep of unused blobs failed")
        return
    if removed:
        logger.info("removed %d blobs that nothing names", removed)


def follow(replica: IndexReplica) -> None:
    """Catch up with the feed, so that the next search need not."""
    try:
        replica.sync()
    except IndexRoomError as error:
        logger.error("the index can't follow the catalogue: %s", error)


def save(replica: IndexReplica) -> None:
    follow(replica)
    try:
        replica.save()
    except OSError as error:
        # The index is a cache: without its file the next start takes longer, and nothing is lost.
        logger.error("the index could not be saved: %s", error)
