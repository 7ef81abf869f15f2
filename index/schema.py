"""The catalogue's tables, as they are in a fresh database; index.migrations leads older ones there."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)

from index.types import SchemaError


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime. SQLite forgets the zone, so it is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData()

# SQLite counts on its own only in a column that is exactly INTEGER PRIMARY KEY.
_BigKey = BigInteger().with_variant(Integer, "sqlite")


def _item_pk(*, primary_key: bool = True, name: str = "pk") -> Column[int]:
    return Column(name, _BigKey, ForeignKey("items.pk", ondelete="CASCADE"), primary_key=primary_key, nullable=False)


items = Table(
    "items",
    metadata,
    Column("pk", _BigKey, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("id", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("kind", "id", name="uq_items_kind_id"),
    Index("ix_items_kind_pk", "kind", "pk"),
    sqlite_autoincrement=True,
)

recipes = Table(
    "recipes",
    metadata,
    _item_pk(),
    Column("title", Text, nullable=False),
    Column("ingredients", JSON, nullable=False),
    Column("instructions", JSON, nullable=False),
    Column("extra", JSON, nullable=False),
)

pictures = Table(
    "pictures",
    metadata,
    _item_pk(),
    Column("blob", String(64), nullable=False),
    Column("media_type", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("generated", Boolean, nullable=False),
    Column("extra", JSON, nullable=False),
    Column("captions", JSON, nullable=False, server_default=text("'[]'")),
    Index("ix_pictures_blob", "blob"),
)

tags = Table(
    "tags",
    metadata,
    _item_pk(),
    Column("position", Integer, primary_key=True),
    Column("tag", Text, nullable=False),
    Column("key", Text, nullable=False),
    Index("ix_tags_key_pk", "key", "pk"),
)

links = Table(
    "links",
    metadata,
    _item_pk(name="recipe_pk"),
    _item_pk(name="image_pk"),
    Column("position", Integer, nullable=False),  # the photo's place among the recipe's photos
    Column("recipe_position", Integer, nullable=False),  # the recipe's place among the photo's recipes
    Index("ix_links_image_pk", "image_pk"),
)

generations = Table(
    "generations",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("fingerprint", Text, nullable=False, unique=True),
    Column("encoder", Text, nullable=False),
    Column("dim", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

# pk comes first in the key: deletes cascade through it, and there are hardly ever more than two generations.
vectors = Table(
    "vectors",
    metadata,
    _item_pk(),
    Column("generation", Integer, ForeignKey("generations.number", ondelete="CASCADE"), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

changes = Table(
    "changes",
    metadata,
    Column("seq", _BigKey, primary_key=True, autoincrement=True),
    Column("op", String(8), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("pk", BigInteger, nullable=False),
    Column("id", Text, nullable=False),
    sqlite_autoincrement=True,
)

jobs = Table(
    "jobs",
    metadata,
    Column("number", _BigKey, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("params", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("detail", Text, nullable=False),
    Column("cancel_requested", Boolean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("owner", Text),
    Column("lease_until", UtcDateTime),
    Column("done", Integer, nullable=False),
    Column("total", Integer),
    Column("created", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("error_count", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Index("ix_jobs_state", "state"),
    sqlite_autoincrement=True,
)

job_errors = Table(
    "job_errors",
    metadata,
    Column("job_number", _BigKey, ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("item", Text, nullable=False),
    Column("detail", Text, nullable=False),
)


def _words_table(name: str) -> Table:
    """The rows of a positional index; see index.positional."""
    return Table(
        name,
        metadata,
        _item_pk(),
        Column("place", Integer, primary_key=True),
        Column("word", Text, nullable=False),
        Index(f"ix_{name}_word", "word", "pk", "place"),
        sqlite_with_rowid=False,
    )


# For filters by ingredient and by what captions say.
ingredient_words = _words_table("ingredient_words")
caption_words = _words_table("caption_words")

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)


def read_meta(connection: Connection, key: str) -> str:
    """One value of the ``meta`` table. Raises SchemaError where it is missing."""
    value = connection.scalar(meta.select().with_only_columns(meta.c.value).where(meta.c.key == key))
    if not isinstance(value, str):
        raise SchemaError(f"the database's meta table lacks {key!r}: it is no catalogue, or a damaged one")
    return value
