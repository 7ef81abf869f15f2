"""The catalogue: items, tags, links, vectors and the feed of changes in one SQL database, which is the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Literal, Self, overload

from sqlalchemy import and_, func, select

from index import generations as generation_store
from index import reads
from index.database import Database
from index.filters import conditions, select_items
from index.positional import CAPTIONS, INGREDIENTS
from index.schema import items, pictures, vectors
from index.types import (
    Change,
    FeedPosition,
    Filter,
    Float32Array,
    Generation,
    Int64Array,
    Kind,
    Page,
    Selection,
    StoredImage,
    StoredRecipe,
    TagCount,
    UnknownItemError,
    Write,
    WriteResult,
)
from index.writes import apply_writes, change_link

_EVERYTHING = Filter()
_VECTORS_A_CHUNK = 4096


class Catalogue:
    """Every method is one transaction and may be called from any thread; several processes may share the database.

    Reads see one snapshot. Writes are serialised over all processes, so the feed is in the order of commits.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, url: str) -> Self:
        """Open, create or migrate ``sqlite:///PATH`` or ``postgresql://...``. Raises ValueError, SchemaError."""
        return cls(Database(url))

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- writing ----------------------------------------------------------------------------------------

    def write(self, writes: Sequence[Write], *, generation: int) -> list[WriteResult]:
        """Apply ``writes`` in order, all or none; results in the same order.

        A put whose content digest and links are unchanged does nothing, except that it fills in a missing vector.
        An item's revision grows by one however many writes of the list touch it, and every touched item gets one
        entry in the feed. ``generation`` is the number of the active generation, which made the vectors.

        Raises UnknownItemError (a link to, or delete of, a missing item), ItemExistsError (revision 0 and it
        exists), RevisionError, FingerprintError (another generation is active), ValueError.
        """
        with self.database.write() as connection:
            return apply_writes(connection, self.database, writes, generation)

    def link(self, recipe_id: str, image_id: str) -> bool:
        """Link a photo to a recipe, as its last; False if it is linked already. Raises UnknownItemError."""
        with self.database.write() as connection:
            return change_link(connection, self.database, recipe_id, image_id, linked=True)

    def unlink(self, recipe_id: str, image_id: str) -> bool:
        """False if they aren't linked. Raises UnknownItemError."""
        with self.database.write() as connection:
            return change_link(connection, self.database, recipe_id, image_id, linked=False)

    # --- items ------------------------------------------------------------------------------------------

    @overload
    def get(self, kind: Literal[Kind.RECIPE], item_id: str) -> StoredRecipe: ...
    @overload
    def get(self, kind: Literal[Kind.IMAGE], item_id: str) -> StoredImage: ...
    @overload
    def get(self, kind: Kind, item_id: str) -> StoredRecipe | StoredImage: ...
    def get(self, kind: Kind, item_id: str) -> StoredRecipe | StoredImage:
        """One item with its tags and links. Raises UnknownItemError."""
        with self.database.read() as connection:
            held = (items.c.kind == kind.value, self.database.among(items.c.id, [item_id]))
            pk = connection.scalar(select(items.c.pk).where(*held))
            if pk is None:
                raise UnknownItemError(kind, item_id)
            if kind is Kind.RECIPE:
                return reads.load_recipes(connection, self.database, [pk])[0]
            return reads.load_images(connection, self.database, [pk])[0]

    @overload
    def get_many(self, kind: Literal[Kind.RECIPE], pks: Iterable[int]) -> list[StoredRecipe]: ...
    @overload
    def get_many(self, kind: Literal[Kind.IMAGE], pks: Iterable[int]) -> list[StoredImage]: ...
    @overload
    def get_many(self, kind: Kind, pks: Iterable[int]) -> list[StoredRecipe] | list[StoredImage]: ...
    def get_many(self, kind: Kind, pks: Iterable[int]) -> list[StoredRecipe] | list[StoredImage]:
        """Items in the order of ``pks``; what has vanished meanwhile is left out."""
        wanted = [int(pk) for pk in pks]
        with self.database.read() as connection:
            if kind is Kind.RECIPE:
                return reads.load_recipes(connection, self.database, wanted)
            return reads.load_images(connection, self.database, wanted)

    def ids_to_pks(self, kind: Kind, ids: Iterable[str]) -> dict[str, int]:
        """The pks of those ids that exist."""
        held = (items.c.kind == kind.value, self.database.among(items.c.id, list(ids)))
        with self.database.read() as connection:
            return {row.id: row.pk for row in connection.execute(select(items.c.id, items.c.pk).where(*held))}

    def digests(self, kind: Kind, ids: Iterable[str], *, generation: int | None = None) -> dict[str, str]:
        """The content digests of those ids that exist (and, with ``generation``, have their vector of it)."""
        query = select(items.c.id, items.c.digest).where(
            items.c.kind == kind.value, self.database.among(items.c.id, list(ids))
        )
        if generation is not None:
            query = query.join(vectors, and_(vectors.c.pk == items.c.pk, vectors.c.generation == generation))
        with self.database.read() as connection:
            return {row.id: row.digest for row in connection.execute(query)}

    def page(
        self,
        kind: Kind,
        *,
        cursor: str | None = None,
        limit: int = 100,
        filter: Filter = _EVERYTHING,  # noqa: A002
    ) -> Page:
        """One page in the order of creation. Raises ValueError on a bad cursor, limit or filter."""
        with self.database.read() as connection:
            return reads.page(connection, self.database, kind, cursor, limit, filter)

    def count(self, kind: Kind, filter: Filter = _EVERYTHING) -> int:  # noqa: A002
        """How many items match. Raises ValueError on a bad filter."""
        held = conditions(self.database, kind, filter)
        with self.database.read() as connection:
            return connection.scalar(select(func.count()).select_from(items).where(*held)) or 0

    def select(self, kind: Kind, filter: Filter) -> Selection:  # noqa: A002
        """The filter resolved to pks, for :meth:`VectorIndex.search`. Raises ValueError on a bad filter."""
        with self.database.read() as connection:
            return select_items(connection, self.database, kind, filter)

    def tag_counts(self, kind: Kind, prefix: str = "", limit: int = 100) -> list[TagCount]:
        """The most used tags that start with ``prefix`` (without regard to case), most used first."""
        with self.database.read() as connection:
            return reads.tag_counts(connection, self.database, kind, prefix, limit)

    def rebuild_words(self) -> None:
        """Make the words that filters by ingredient and by caption read anew from all recipes' lines and captions."""
        with self.database.write() as connection:
            INGREDIENTS.refill(connection)
            CAPTIONS.refill(connection)

    # --- blobs ------------------------------------------------------------------------------------------

    def blob_references(self) -> Iterator[str]:
        """The names of all blobs that a picture needs, each once."""
        after = ""
        column = pictures.c.blob
        while True:
            with self.database.read() as connection:
                query = select(column).distinct().where(column > after).order_by(column).limit(1000)
                names = list(connection.scalars(query))
            if not names:
                return
            yield from names
            after = names[-1]

    def images_of_blobs(self, names: Iterable[str]) -> list[str]:
        """The ids of the photos whose bytes are one of these blobs."""
        held = self.database.among(pictures.c.blob, list(names))
        query = select(items.c.id).join(pictures, pictures.c.pk == items.c.pk).where(held).order_by(items.c.pk)
        with self.database.read() as connection:
            return list(connection.scalars(query))

    def blob_in_use(self, sha256: str) -> bool:
        with self.database.read() as connection:
            return connection.scalar(select(pictures.c.pk).where(pictures.c.blob == sha256).limit(1)) is not None

    # --- the feed and the vectors -----------------------------------------------------------------------

    def head(self) -> int:
        """The sequence number of the last change, 0 before the first."""
        return self.position().seq

    def position(self) -> FeedPosition:
        """The head of the feed and the active generation, in one cheap query."""
        with self.database.read() as connection:
            return generation_store.position(connection)

    def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """Up to ``limit`` changes later than the sequence number ``after``, in order."""
        with self.database.read() as connection:
            return reads.read_changes(connection, after, limit)

    def vectors(
        self, kind_or_pks: Kind | Iterable[int], generation: int, *, chunk: int = _VECTORS_A_CHUNK
    ) -> Iterator[tuple[Int64Array, Float32Array]]:
        """Stream ``(pks (n,), vectors (n, dim))`` by ascending pk, at most ``chunk`` rows at a time.

        Of the given pks, those without a vector are left out. Every chunk is a transaction of its own. Raises
        FingerprintError if there is no such generation.
        """
        with self.database.read() as connection:
            dim = generation_store.get_generation(connection, generation).dim
        if isinstance(kind_or_pks, Kind):
            after = 0
            while True:
                with self.database.read() as connection:
                    found = reads.read_vectors_after(connection, kind_or_pks, after, chunk, generation, dim)
                if not len(found[0]):
                    return
                yield found
                after = int(found[0][-1])
        wanted = sorted({int(pk) for pk in kind_or_pks})
        for start in range(0, len(wanted), chunk):
            with self.database.read() as connection:
                part = wanted[start : start + chunk]
                found = reads.read_vectors(connection, self.database, part, generation, dim)
            if len(found[0]):
                yield found

    # --- generations ------------------------------------------------------------------------------------

    def generations(self) -> list[Generation]:
        """The active generation and any that is being filled."""
        with self.database.read() as connection:
            return generation_store.list_generations(connection)

    def active_generation(self) -> Generation | None:
        """None before the first :meth:`ensure_generation`."""
        with self.database.read() as connection:
            return generation_store.active_generation(connection)

    def ensure_generation(self, fingerprint: str, encoder: str, dim: int) -> Generation:
        """The active generation, created on first use. Raises FingerprintError if another encoder made it."""
        with self.database.write() as connection:
            return generation_store.ensure_generation(connection, fingerprint, encoder, dim)

    def begin_generation(self, fingerprint: str, encoder: str, dim: int) -> Generation:
        """A generation to be filled by :meth:`put_vectors`; an unfinished one of this fingerprint goes on."""
        with self.database.write() as connection:
            return generation_store.begin_generation(connection, fingerprint, encoder, dim)

    def put_vectors(
        self, generation: int, pks: Sequence[int], vectors: Float32Array, *, digests: Sequence[str] | None = None
    ) -> int:
        """Store vectors (n, dim) of a generation; returns how many were kept. Raises FingerprintError, ValueError.

        Give the ``digests`` of the content that was encoded: an item that was changed since is left out (it stays
        among :meth:`missing_vectors`), as is one that was deleted.
        """
        with self.database.write() as connection:
            return generation_store.put_vectors(
                connection, self.database, generation, [int(pk) for pk in pks], vectors, digests
            )

    def missing_vectors(self, generation: int, limit: int, *, kind: Kind | None = None, after: int = 0) -> list[int]:
        """Up to ``limit`` pks, ascending and greater than ``after``, that lack their vector of ``generation``."""
        with self.database.read() as connection:
            return generation_store.missing_vectors(connection, generation, limit, kind, after)

    def activate_generation(self, number: int) -> Generation:
        """Swap in a filled generation and drop the others, atomically; replicas of the others then refuse to answer.

        Raises IncompleteGenerationError while an item lacks its vector, FingerprintError on an unknown number.
        """
        with self.database.write() as connection:
            return generation_store.activate_generation(connection, number)

    def drop_generation(self, number: int) -> None:
        """Give up a generation that is being filled. Raises IndexRoomError on the active one."""
        with self.database.write() as connection:
            generation_store.drop_generation(connection, number)
