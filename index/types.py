"""The plain types of the index room: what the catalogue stores and the vector index answers. No faiss here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

# The types of searching are part of this room's types: they are imported from here.
from index.search_types import Filter as Filter
from index.search_types import Float32Array as Float32Array
from index.search_types import Hit as Hit
from index.search_types import Int64Array as Int64Array
from index.search_types import Score as Score
from index.search_types import Selection as Selection
from index.search_types import VectorIndex as VectorIndex

JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"


class Kind(StrEnum):
    """The two kinds of item. Public ids are unique within a kind; ``pk`` is unique over both."""

    RECIPE = "recipe"
    IMAGE = "image"


# --- errors -------------------------------------------------------------------------------------------------


class IndexRoomError(Exception):
    """Base of this room's errors; the message is one clear sentence for the user."""


class UnknownItemError(IndexRoomError):
    """No item has this id."""

    def __init__(self, kind: Kind, item_id: str) -> None:
        super().__init__(f"no {kind} has the id {item_id!r}")
        self.kind, self.item_id = kind, item_id


class ItemExistsError(IndexRoomError):
    """An item has this id already and the write asked for a new one."""

    def __init__(self, kind: Kind, item_id: str) -> None:
        super().__init__(f"a {kind} with the id {item_id!r} exists already")
        self.kind, self.item_id = kind, item_id


class RevisionError(IndexRoomError):
    """The item was changed since the caller read it (optimistic locking by ``revision``)."""


class FingerprintError(IndexRoomError):
    """The vectors of this catalogue were made by another encoder."""


class CancelledOutError(IndexRoomError):
    """The terms of a query cancel out: their sum is (nearly) zero and has no direction."""


class NegativeOnlyError(IndexRoomError, ValueError):
    """A query that only subtracts, for a strategy that needs something to start from."""


class CorruptIndexError(IndexRoomError):
    """A saved index fails its checksum or can't be read; it is rebuilt from the catalogue."""


class IncompleteGenerationError(IndexRoomError):
    """A generation can't become the active one while an item lacks its vector in it."""


class SchemaError(IndexRoomError):
    """The database was written by a newer version of the program, or isn't a catalogue."""


class BlobMissingError(IndexRoomError):
    """The blob store has no blob of this name."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"the blob {sha256} is not in the store; `tastespace doctor` lists the pictures that need it")
        self.sha256 = sha256


class BlobCorruptError(IndexRoomError):
    """A blob's bytes don't have the hash that is its name."""

    def __init__(self, sha256: str) -> None:
        super().__init__(f"the blob {sha256} is damaged: its bytes have another hash; upload the picture again")
        self.sha256 = sha256


class UnknownJobError(IndexRoomError):
    """No job has this id."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"no job has the id {job_id!r}")
        self.job_id = job_id


class LeaseLostError(IndexRoomError):
    """The caller no longer holds this job: its lease ran out and another runner took it, or it has ended."""


# --- items --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe's content. ``tags`` are NFC, trimmed, unique and keep their order; ``extra`` is any other
    JSON the client gave (cuisine, course, url, yield, ...), kept and returned untouched."""

    title: str = ""
    ingredients: tuple[str, ...] = ()
    instructions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PictureCaption:
    """A sentence about a photo: by the ``model`` of that name in a ``style`` of its own, or, where both are empty, by
    a person."""

    text: str
    style: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A photo's content: where its bytes are and what is known of them."""

    blob: str  # sha256 of the bytes, hex: the name in the blob store
    media_type: str
    width: int  # pixels, after EXIF rotation
    height: int
    size: int  # bytes
    title: str = ""
    tags: tuple[str, ...] = ()
    generated: bool = False  # drawn by a model, not taken with a camera
    captions: tuple[PictureCaption, ...] = ()
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the catalogue adds to any item. ``digest`` (hex sha256 over content) tells an unchanged upsert;
    ``revision`` starts at 1 and grows by one with each change of content or links."""

    pk: int
    id: str
    digest: str
    revision: int
    created_at: datetime  # UTC, aware
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecipe(Stored):
    recipe: Recipe
    image_ids: tuple[str, ...] = ()  # in the order of linking


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage(Stored):
    picture: Picture
    recipe_ids: tuple[str, ...] = ()


# --- writing ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRecipe:
    """Insert or replace a recipe. ``vector`` is unit-norm float32 (dim,). With ``revision`` the stored one must
    match (0: must not exist yet); ``images`` None keeps the links, otherwise they become exactly these ids."""

    id: str
    recipe: Recipe
    vector: Float32Array
    revision: int | None = None
    images: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutImage:
    """Insert or replace a photo; its blob must be in the store already."""

    id: str
    picture: Picture
    vector: Float32Array
    revision: int | None = None
    recipes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Delete an item with its vector, tags and links (never the items it was linked with)."""

    kind: Kind
    id: str
    revision: int | None = None


Write: TypeAlias = "PutRecipe | PutImage | Delete"


class WriteStatus(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class WriteResult:
    status: WriteStatus
    pk: int
    revision: int


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the feed, written in the transaction that it describes."""

    seq: int
    op: str  # "put" (content, links and vector as they are now) or "delete"
    kind: Kind
    pk: int
    id: str


# --- reading ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing: pks in order and the cursor of the next page (None: this was the last)."""

    pks: tuple[int, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """Where the catalogue stands: the last change's ``seq`` (0: none) and the active generation (0: none)."""

    seq: int
    generation: int


@dataclass(frozen=True, slots=True)
class TagCount:
    """A tag as it is most often spelt, and how many items carry it."""

    tag: str
    count: int


@dataclass(frozen=True, slots=True)
class Generation:
    """A set of vectors made by one encoder. Exactly one is active."""

    number: int
    fingerprint: str
    encoder: str
    dim: int
    active: bool
