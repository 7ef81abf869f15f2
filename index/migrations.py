"""From a database of any earlier version to the present tables."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from typing import TypeAlias

from sqlalchemy import Connection, inspect, text

from index.positional import INGREDIENTS
from index.schema import caption_words, ingredient_words, meta, metadata, read_meta
from index.types import SchemaError

logger = logging.getLogger(__name__)

Migration: TypeAlias = Callable[[Connection], None]


def _index_ingredients(connection: Connection) -> None:
    ingredient_words.create(connection)
    INGREDIENTS.refill(connection)


def _store_captions(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE pictures ADD COLUMN captions JSON DEFAULT '[]' NOT NULL"))
    caption_words.create(connection)


# Step i leads from version i + 1 to version i + 2. A fresh database gets the present tables at once, so a step
# must leave an older database with exactly these. Never change a step that was released.
MIGRATIONS: tuple[Migration, ...] = (_index_ingredients, _store_captions)


def migrate(connection: Connection, steps: Sequence[Migration] = MIGRATIONS) -> None:
    """Create the tables, or lead an older database through the missing steps, in the caller's transaction.

    Raises SchemaError if the database is newer than this program or holds foreign tables of these names.
    """
    newest = len(steps) + 1
    present = set(inspect(connection).get_table_names())
    if meta.name not in present:
        clash = sorted(present & set(metadata.tables))
        if clash:
            raise SchemaError(f"the database has a table {clash[0]!r} but is no catalogue; give another database")
        metadata.create_all(connection)
        connection.execute(
            meta.insert(),
            [{"key": "schema_version", "value": str(newest)}, {"key": "catalogue_id", "value": uuid.uuid4().hex}],
        )
        return
    version = int(read_meta(connection, "schema_version"))
    if version > newest:
        raise SchemaError(
            f"the catalogue has schema version {version}, this program knows only up to {newest}; upgrade tastespace"
        )
    if version == newest:
        return
    logger.info("upgrading the catalogue from schema version %d to %d", version, newest)
    for step in steps[version - 1 :]:
        step(connection)
    connection.execute(meta.update().where(meta.c.key == "schema_version").values(value=str(newest)))
