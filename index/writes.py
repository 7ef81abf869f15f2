"""Applying writes: one transaction, a bounded number of statements whatever the number of items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam

from index.changeset import ChangeSet, Draft
from index.database import Database
from index.generations import require_active
from index.positional import CAPTIONS, INGREDIENTS
from index.schema import caption_words, changes, ingredient_words, items, links, pictures, recipes, tags, vectors
from index.text import caption_values, content_digest, normalize_captions, normalize_id, normalize_tag, tag_key
from index.types import (
    Delete,
    ItemExistsError,
    Kind,
    Picture,
    PutImage,
    PutRecipe,
    Recipe,
    RevisionError,
    Write,
    WriteResult,
    WriteStatus,
)
from index.vectors import check_unit_rows, to_blobs


def apply_writes(
    connection: Connection, database: Database, writes: Sequence[Write], generation: int
) -> list[WriteResult]:
    """Apply ``writes`` in order in the caller's transaction; on any error the caller rolls all of it back.

    Raises FingerprintError if ``generation`` is not the active one, UnknownItemError, ItemExistsError,
    RevisionError, ValueError on a vector, id, tag or text that can't be stored.
    """
    dim = require_active(connection, generation).dim
    for write in writes:
        _check(write, dim)
    results: list[WriteResult] = []
    for run in _runs(writes):
        changeset = ChangeSet(connection, database, _named(run))
        changeset.load_vectors(generation)
        statuses = [_apply(changeset, write) for write in run]
        _flush(connection, database, changeset)
        _flush_vectors(connection, database, changeset.drafts, generation)
        for write, status in zip(run, statuses, strict=True):
            draft = changeset.draft(_kind(write), write.id)
            revision = draft.revision if draft.deleted else draft.final_revision
            results.append(WriteResult(status, draft.pk, revision))
    return results


def change_link(connection: Connection, database: Database, recipe_id: str, image_id: str, *, linked: bool) -> bool:
    """Link or unlink two items; False if that changes nothing. Raises UnknownItemError."""
    changeset = ChangeSet(connection, database, [(Kind.RECIPE, recipe_id), (Kind.IMAGE, image_id)])
    recipe, image = changeset.existing(Kind.RECIPE, recipe_id), changeset.existing(Kind.IMAGE, image_id)
    changed = changeset.link(recipe, image) if linked else changeset.unlink(recipe, image)
    _flush(connection, database, changeset)
    return changed


def _flush(connection: Connection, database: Database, changeset: ChangeSet) -> None:
    """Write all that changed but the vectors, one statement a table."""
    now = datetime.now(UTC)
    drafts = changeset.drafts
    _flush_items(connection, database, drafts, now)
    written = [draft for draft in drafts if draft.content is not None]
    _flush_content(connection, database, written)
    _flush_links(connection, changeset)
    feed = [
        {"op": "delete" if draft.deleted else "put", "kind": draft.kind.value, "pk": draft.pk, "id": draft.id}
        for draft in drafts
        if draft.announced
    ]
    if feed:
        connection.execute(changes.insert(), feed)


def _kind(write: Write) -> Kind:
    match write:
        case PutRecipe():
            return Kind.RECIPE
        case PutImage():
            return Kind.IMAGE
        case Delete():
            return write.kind


def _named(writes: Sequence[Write]) -> Iterator[tuple[Kind, str]]:
    """The targets first, so that new items get their pks in the order of the writes; then the ends of links."""
    for write in writes:
        yield _kind(write), write.id
    for write in writes:
        if isinstance(write, PutRecipe):
            yield from ((Kind.IMAGE, image_id) for image_id in write.images or ())
        elif isinstance(write, PutImage):
            yield from ((Kind.RECIPE, recipe_id) for recipe_id in write.recipes or ())


def _runs(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Split so that no item is the target of two writes of a run."""
    run: list[Write] = []
    targets: set[tuple[Kind, str]] = set()
    for write in writes:
        target = (_kind(write), write.id)
        if target in targets:
            yield run
            run, targets = [], set()
        run.append(write)
        targets.add(target)
    if run:
        yield run


def _check(write: Write, dim: int) -> None:
    if isinstance(write, Delete):
        return
    if normalize_id(write.id) != write.id:
        raise ValueError(f"id {write.id!r} is not in NFC; normalise it before writing")
    check_unit_rows(write.vector[None], dim, f"vector of {write.id!r}")
    content = write.recipe if isinstance(write, PutRecipe) else write.picture
    for tag in content.tags:
        if normalize_tag(tag) != tag:
            raise ValueError(f"tag {tag!r} of {write.id!r} is not normalised; normalise it before writing")
    if "\0" in content.title:
        raise ValueError(f"title of {write.id!r} holds the character U+0000, which can't be stored; remove it")
    if isinstance(content, Picture) and normalize_captions(content.captions) != content.captions:
        raise ValueError(f"captions of {write.id!r} are not normalised; normalise them before writing")


def _apply(changeset: ChangeSet, write: Write) -> WriteStatus:
    draft = changeset.draft(_kind(write), write.id)
    if isinstance(write, Delete):
        changeset.existing(write.kind, write.id)
    _check_revision(draft, write.revision)
    match write:
        case PutRecipe():
            return _put(changeset, draft, write.recipe, write, write.images)
        case PutImage():
            return _put(changeset, draft, write.picture, write, write.recipes)
        case Delete():
            changeset.replace_links(draft, ())
            draft.exists, draft.deleted, draft.announced = False, True, True
            return WriteStatus.DELETED


def _put(
    changeset: ChangeSet,
    draft: Draft,
    content: Recipe | Picture,
    write: PutRecipe | PutImage,
    linked_ids: tuple[str, ...] | None,
) -> WriteStatus:
    created = not draft.exists
    digest = content_digest(content)
    changed = created or digest != draft.digest
    if changed:
        draft.content, draft.digest, draft.exists = content, digest, True
        draft.touch()
    if changed or not draft.has_vector:
        # A vector filled in changes no content, but the replicas must hear of it.
        draft.vector, draft.has_vector, draft.announced = write.vector, True, True
    if linked_ids is not None:
        before = draft.ordered_links()
        changeset.replace_links(draft, linked_ids)
        changed = changed or draft.ordered_links() != before
    if created:
        return WriteStatus.CREATED
    return WriteStatus.UPDATED if changed else WriteStatus.UNCHANGED


def _check_revision(draft: Draft, expected: int | None) -> None:
    if expected is None or (expected == draft.revision and draft.exists == (expected > 0)):
        return
    if expected == 0:
        raise ItemExistsError(draft.kind, draft.id)
    found = f"is at revision {draft.revision}" if draft.exists else "does not exist"
    raise RevisionError(f"the {draft.kind} {draft.id!r} {found}, not at revision {expected}; read it again")


def _flush_items(connection: Connection, database: Database, drafts: Sequence[Draft], now: datetime) -> None:
    gone = [draft.pk for draft in drafts if draft.deleted]
    if gone:
        connection.execute(items.delete().where(database.among(items.c.pk, gone)))
    new = [draft for draft in drafts if draft.exists and draft.is_new]
    if new:
        rows = [
            {
                "kind": draft.kind.value,
                "id": draft.id,
                "digest": draft.digest,
                "revision": draft.final_revision,
                "created_at": now,
                "updated_at": now,
            }
            for draft in new
        ]
        pks = connection.scalars(items.insert().returning(items.c.pk, sort_by_parameter_order=True), rows)
        for draft, pk in zip(new, pks, strict=True):
            draft.pk = pk
    fresh = {draft.pk for draft in new}
    changed = [
        {"at_pk": draft.pk, "new_digest": draft.digest, "new_revision": draft.final_revision, "now": now}
        for draft in drafts
        if draft.touched and not draft.deleted and draft.pk not in fresh
    ]
    if changed:
        update = items.update().values(
            digest=bindparam("new_digest"), revision=bindparam("new_revision"), updated_at=bindparam("now")
        )
        connection.execute(update.where(items.c.pk == bindparam("at_pk")), changed)


def _flush_content(connection: Connection, database: Database, written: Sequence[Draft]) -> None:
    if not written:
        return
    pks = [draft.pk for draft in written]
    for table in (recipes, pictures, tags, ingredient_words, caption_words):
        connection.execute(table.delete().where(database.among(table.c.pk, pks)))
    recipe_rows, picture_rows, tag_rows = [], [], []
    ingredient_rows: list[dict[str, object]] = []
    caption_rows: list[dict[str, object]] = []
    for draft in written:
        content = draft.content
        if isinstance(content, Recipe):
            recipe_rows.append(_recipe_row(draft.pk, content))
            ingredient_rows += INGREDIENTS.rows(draft.pk, content.ingredients)
        elif isinstance(content, Picture):
            picture_rows.append(_picture_row(draft.pk, content))
            caption_rows += CAPTIONS.rows(draft.pk, (caption.text for caption in content.captions))
        tag_rows += [
            {"pk": draft.pk, "position": place, "tag": tag, "key": tag_key(tag)}
            for place, tag in enumerate(content.tags if content is not None else ())
        ]
    for table, rows in (
        (recipes, recipe_rows),
        (pictures, picture_rows),
        (tags, tag_rows),
        (ingredient_words, ingredient_rows),
        (caption_words, caption_rows),
    ):
        if rows:
            connection.execute(table.insert(), rows)


def _recipe_row(pk: int, recipe: Recipe) -> dict[str, object]:
    return {
        "pk": pk,
        "title": recipe.title,
        "ingredients": list(recipe.ingredients),
        "instructions": list(recipe.instructions),
        "extra": dict(recipe.extra),
    }


def _picture_row(pk: int, picture: Picture) -> dict[str, object]:
    return {
        "pk": pk,
        "blob": picture.blob,
        "media_type": picture.media_type,
        "width": picture.width,
        "height": picture.height,
        "size": picture.size,
        "title": picture.title,
        "generated": picture.generated,
        "extra": dict(picture.extra),
        "captions": caption_values(picture.captions),
    }


def _flush_vectors(connection: Connection, database: Database, drafts: Sequence[Draft], generation: int) -> None:
    """Changed content makes the vectors of every generation stale, also of one that is being built."""
    stale = [draft.pk for draft in drafts if draft.content is not None]
    if stale:
        connection.execute(vectors.delete().where(database.among(vectors.c.pk, stale)))
    rows = [
        {"pk": draft.pk, "generation": generation, "vector": to_blobs(draft.vector[None])[0]}
        for draft in drafts
        if draft.vector is not None and not draft.deleted
    ]
    if rows:
        connection.execute(vectors.insert(), rows)


def _flush_links(connection: Connection, changeset: ChangeSet) -> None:
    before, after = changeset.stored_links, changeset.links_by_pk()
    removed = [{"r": pair[0], "i": pair[1]} for pair in before if after.get(pair) != before[pair]]
    if removed:
        at = (links.c.recipe_pk == bindparam("r")) & (links.c.image_pk == bindparam("i"))
        connection.execute(links.delete().where(at), removed)
    added = [
        {"recipe_pk": pair[0], "image_pk": pair[1], "position": places[0], "recipe_position": places[1]}
        for pair, places in after.items()
        if before.get(pair) != places
    ]
    if added:
        connection.execute(links.insert(), added)
