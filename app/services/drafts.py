"""Items on their way into the catalogue: checked, decoded, and told apart from what is stored already."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from app.ids import check_id, new_id
from app.pictures import PictureLimits, decode
from app.problems import Problem, as_problem
from app.services.items import ItemError, ItemOutcome, PictureItem, RecipeItem
from index.text import normalize_tags
from index.types import (
    Float32Array,
    ItemExistsError,
    Kind,
    Picture,
    PutImage,
    PutRecipe,
    Recipe,
    StoredImage,
    StoredRecipe,
    UnknownItemError,
    WriteResult,
)
from models.preprocess import to_pixels
from models.types import ImagePreprocess, RecipeText, UInt8Array


@dataclass(slots=True, eq=False)
class Draft:
    """One item in the making. It ends with an ``error`` or a ``result``."""

    kind: Kind
    item: RecipeItem | PictureItem
    id: str | None = None
    recipe: Recipe | None = None
    picture: Picture | None = None
    payload: RecipeText | UInt8Array | None = None  # what has yet to be encoded
    vector: Float32Array | None = None
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] | None = None
    error: ItemError | None = None
    result: WriteResult | None = None

    @property
    def ready(self) -> bool:
        return self.error is None and self.vector is not None

    def fail(self, error: Exception) -> None:
        self.error = item_error(error, self.kind)

    def outcome(self) -> ItemOutcome:
        return ItemOutcome(kind=self.kind, id=self.id or self.item.id, result=self.result, error=self.error)

    def write(self) -> PutRecipe | PutImage:
        """The write of a ready draft."""
        assert self.id is not None
        assert self.vector is not None
        revision = self.item.revision
        if self.recipe is not None:
            return PutRecipe(id=self.id, recipe=self.recipe, vector=self.vector, revision=revision, images=self.links)
        assert self.picture is not None
        return PutImage(id=self.id, picture=self.picture, vector=self.vector, revision=revision, recipes=self.links)


def item_error(error: Exception, kind: Kind) -> ItemError:
    """Why an item can't be stored. Raises ``error`` itself where it is a fault of ours."""
    if isinstance(error, UnknownItemError) and error.kind is not kind:
        field = "image_ids" if kind is Kind.RECIPE else "recipe_ids"
        return ItemError("invalid-request", f"{field}: {error}.", field)
    if isinstance(error, ItemExistsError):
        return ItemError("precondition-failed", f"{error}.")
    problem = as_problem(error)
    if problem is not None and problem.status < 500:
        return ItemError(problem.slug, problem.detail)
    if isinstance(error, ValueError):
        return ItemError("invalid-request", f"{error}.")
    raise error


def draft_recipe(item: RecipeItem) -> Draft:
    """Check a recipe and its ids; what is wrong is in the draft's ``error``."""
    draft = Draft(Kind.RECIPE, item)
    try:
        draft.id = new_id() if item.id is None else check_id(item.id)
        draft.links = _ids(item.image_ids)
        draft.tags = _tags(item.recipe.tags)
        text = recipe_text(item.recipe)
        draft.recipe = replace(
            item.recipe,
            title=text.title,
            ingredients=text.ingredients,
            instructions=text.instructions,
            tags=draft.tags,
        )
        draft.payload = text
    except (Problem, ValueError) as error:
        draft.fail(error)
    return draft


def draft_picture(item: PictureItem) -> Draft:
    """Check what is said about a photo; its bytes come later."""
    draft = Draft(Kind.IMAGE, item)
    try:
        draft.id = new_id() if item.id is None else check_id(item.id)
        draft.links = _ids(item.recipe_ids)
        draft.tags = _tags(item.tags)
    except (Problem, ValueError) as error:
        draft.fail(error)
    return draft


def recipe_text(recipe: Recipe) -> RecipeText:
    """The recipe as an encoder sees it. Raises ValueError on an empty one."""
    return RecipeText(recipe.title, recipe.ingredients, recipe.instructions)


def reuse_recipe(draft: Draft, stored: StoredRecipe, vector: Float32Array | None) -> None:
    """Take the stored vector where the text is the same: tags and other data don't change it."""
    if draft.error is None and vector is not None and draft.payload == recipe_text(stored.recipe):
        draft.vector, draft.payload = vector, None


def picture_bytes(item: PictureItem) -> bytes:
    """Raises ValueError where a path can't be read."""
    if isinstance(item.data, bytes):
        return item.data
    return _read(item.data)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"the file {path.name!r} can't be read: {error.strerror}") from None


def open_picture(
    draft: Draft,
    data: bytes,
    stored: StoredImage | None,
    vector: Float32Array | None,
    limits: PictureLimits,
    spec: ImagePreprocess,
) -> None:
    """Fill in the picture, and either its pixels or, where the stored bytes are the same, the stored vector.

    Raises:
        PictureError: the bytes are not a picture that is taken.
    """
    item = draft.item
    assert isinstance(item, PictureItem)
    sha256 = hashlib.sha256(data).hexdigest()
    if stored is not None and stored.picture.blob == sha256 and vector is not None:
        draft.vector = vector
        draft.picture = replace(
            stored.picture, title=item.title.strip(), tags=draft.tags, generated=item.generated, extra=item.extra
        )
        return
    decoded = decode(data, limits, target_side=spec.size)
    draft.picture = Picture(
        blob=sha256,
        media_type=decoded.media_type,
        width=decoded.width,
        height=decoded.height,
        size=len(data),
        title=item.title.strip(),
        tags=draft.tags,
        generated=item.generated,
        extra=item.extra,
    )
    draft.payload = to_pixels(decoded.image, spec)


def _ids(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(dict.fromkeys(check_id(value) for value in values))


def _tags(values: Iterable[str]) -> tuple[str, ...]:
    try:
        return normalize_tags(values)
    except ValueError as error:
        raise ValueError(f"tags: {error}") from None
