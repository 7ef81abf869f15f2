"""Items on their way into the catalogue: checked, decoded, and told apart from what is stored already."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from app.engine.types import PhotoToCaption
from app.ids import check_id, new_id
from app.pictures import PictureLimits, decode, is_drawn
from app.problems import Problem, as_problem, sentence
from app.services.auto_captions import CaptionPlan, with_caption
from app.services.items import Bundle, BundleOutcome, ItemError, ItemOutcome, PictureItem, RecipeItem
from app.services.taggers import Taggers
from index.text import normalize_captions, normalize_tags
from index.types import (
    Float32Array,
    Kind,
    Picture,
    PictureCaption,
    PutImage,
    PutRecipe,
    Recipe,
    StoredImage,
    StoredRecipe,
    UnknownItemError,
    WriteResult,
)
from models.captioning.types import Caption
from models.preprocess import to_pixels
from models.types import ImagePreprocess, RecipeText, UInt8Array


@dataclass(slots=True, eq=False, kw_only=True)
class RecipeDraft:
    """A recipe in the making. It ends with an ``error`` or a ``result``."""

    item: RecipeItem
    id: str
    recipe: Recipe = field(default_factory=Recipe)
    links: tuple[str, ...] | None = None
    payload: RecipeText | None = None  # what has yet to be encoded
    vector: Float32Array | None = None
    error: ItemError | None = None
    result: WriteResult | None = None

    @property
    def kind(self) -> Kind:
        return Kind.RECIPE

    def write(self) -> PutRecipe | None:
        """The write; None unless all is well."""
        if self.error is not None or self.vector is None:
            return None
        return PutRecipe(
            id=self.id, recipe=self.recipe, vector=self.vector, revision=self.item.revision, images=self.links
        )


@dataclass(slots=True, eq=False, kw_only=True)
class PictureDraft:
    """A photo in the making. It ends with an ``error`` or a ``result``."""

    item: PictureItem
    id: str
    tags: tuple[str, ...] = ()
    captions: tuple[PictureCaption, ...] = ()
    caption_plan: CaptionPlan | None = None  # of an automatic caption
    picture: Picture | None = None
    links: tuple[str, ...] | None = None
    payload: UInt8Array | None = None  # what has yet to be encoded
    to_caption: PhotoToCaption | None = None  # what has yet to be captioned
    vector: Float32Array | None = None
    error: ItemError | None = None
    result: WriteResult | None = None

    @property
    def kind(self) -> Kind:
        return Kind.IMAGE

    def write(self) -> PutImage | None:
        """The write; None unless all is well."""
        if self.error is not None or self.vector is None or self.picture is None:
            return None
        return PutImage(
            id=self.id, picture=self.picture, vector=self.vector, revision=self.item.revision, recipes=self.links
        )

    def add_auto_tags(self, taggers: Taggers) -> None:
        """Let the picture have the head's tags, where they are asked for and all is well. Raises
        TaggerUnavailableError where there is no head."""
        wanted = self.item.auto_tags
        if wanted is not None and self.error is None and self.picture is not None and self.vector is not None:
            self.picture = taggers.with_tags(self.picture, self.vector, wanted)

    def add_caption(self, captions: Sequence[Caption]) -> None:
        """Let the picture have the best of ``captions``; what is in the way of that becomes the draft's error."""
        if self.error is not None or self.picture is None or self.caption_plan is None:
            return
        if not captions or not captions[0].text.strip():
            self.error = ItemError("captioning-failed", "The model found no caption for this photo.")
            return
        try:
            self.picture = with_caption(self.picture, captions[0], self.caption_plan.model)
        except ValueError as error:
            self.error = ItemError("invalid-request", f"captions: {error}.", "captions")


Draft: TypeAlias = "RecipeDraft | PictureDraft"


@dataclass(slots=True)
class Parcel:
    """The drafts of a bundle."""

    recipe: RecipeDraft | None
    pictures: tuple[PictureDraft, ...]

    @property
    def drafts(self) -> tuple[Draft, ...]:
        """Photos first, so that the recipe can be linked with them."""
        return (*self.pictures, *((self.recipe,) if self.recipe else ()))

    def link(self) -> None:
        """Let the recipe have those photos that can be stored."""
        if self.recipe is None or not self.pictures:
            return
        given = self.recipe.item.image_ids
        ids = [draft.id for draft in self.pictures if draft.error is None]
        self.recipe.links = tuple(dict.fromkeys([*(given or ()), *ids])) if ids else given

    def outcome(self) -> BundleOutcome:
        return BundleOutcome(
            recipe=_outcome(self.recipe) if self.recipe else None,
            pictures=tuple(_outcome(draft) for draft in self.pictures),
        )


def parcel(bundle: Bundle) -> Parcel:
    """Check what a bundle says; what is wrong with an item is in its draft's ``error``."""
    recipe = None if bundle.recipe is None else _draft_recipe(bundle.recipe)
    return Parcel(recipe, tuple(draft_picture(item) for item in bundle.pictures))


def draft_picture(item: PictureItem) -> PictureDraft:
    """Check what is said about a photo; its bytes come later."""
    draft = PictureDraft(item=item, id=item.id or new_id())
    try:
        if item.id is not None:
            draft.id = check_id(item.id)
        draft.links = _ids(item.recipe_ids)
        draft.tags = _tags(item.tags)
        draft.captions = _captions(item.captions)
    except (Problem, ValueError) as error:
        draft.error = item_error(error, Kind.IMAGE)
    return draft


def refuse_doubles(drafts: Sequence[Draft]) -> None:
    """Of two items with one id in a call, which one counts would be chance: the second is refused."""
    seen: set[tuple[Kind, str]] = set()
    for draft in drafts:
        key = (draft.kind, draft.id)
        if draft.error is None and key in seen:
            draft.error = ItemError("conflict", f"The id {draft.id!r} stands twice in this call.", "id")
        seen.add(key)


def item_error(error: Exception, kind: Kind) -> ItemError:
    """Why an item can't be stored. Raises ``error`` itself where it is not the item's own fault."""
    if isinstance(error, UnknownItemError) and error.kind is not kind:
        field = "image_ids" if kind is Kind.RECIPE else "recipe_ids"
        return ItemError("invalid-request", f"{field}: {error}.", field)
    problem = as_problem(error)
    if problem is not None and problem.status < 500:
        return ItemError(problem.slug, problem.detail)
    if isinstance(error, ValueError):
        return ItemError("invalid-request", sentence(error))
    raise error


def recipe_text(recipe: Recipe) -> RecipeText:
    """The recipe as an encoder sees it. Raises ValueError on an empty one."""
    return RecipeText(recipe.title, recipe.ingredients, recipe.instructions)


def reuse_recipe(draft: RecipeDraft, stored: StoredRecipe, vector: Float32Array | None) -> None:
    """Take the stored vector where the text is the same: tags and other data don't change it."""
    if vector is not None and draft.payload == recipe_text(stored.recipe):
        draft.vector, draft.payload = vector, None


def picture_bytes(item: PictureItem) -> bytes:
    """Raises ValueError where a path can't be read."""
    return _read(item.data) if isinstance(item.data, Path) else item.data


def open_picture(
    draft: PictureDraft,
    data: bytes,
    stored: StoredImage | None,
    vector: Float32Array | None,
    limits: PictureLimits,
    spec: ImagePreprocess,
) -> None:
    """Fill in the picture, and either its pixels or, where the stored bytes are the same, the stored vector; and the
    pixels for the captioner where it is to write a caption.

    Raises:
        PictureError: the bytes are not a picture that is taken.
    """
    item = draft.item
    sha256 = hashlib.sha256(data).hexdigest()
    picture = None
    if stored is not None and stored.picture.blob == sha256 and vector is not None:
        draft.vector, picture = vector, stored.picture
    plan = draft.caption_plan
    if picture is None or plan is not None:
        # The larger side also where the vector is known: a photo that is stored again must get the same caption.
        side = spec.size if plan is None else max(spec.size, plan.preprocess.size)
        decoded = decode(data, limits, target_side=side)
        if plan is not None:
            draft.to_caption = PhotoToCaption(to_pixels(decoded.image, plan.preprocess), plan.options)
        if picture is None:
            draft.payload = to_pixels(decoded.image, spec)
            picture = Picture(
                blob=sha256,
                media_type=decoded.media_type,
                width=decoded.width,
                height=decoded.height,
                size=len(data),
            )
    draft.picture = replace(
        picture,
        title=item.title.strip(),
        tags=draft.tags,
        captions=draft.captions,
        # Also of a file that is stored already: what is said of that one may be what a client said.
        generated=is_drawn(data) if item.generated is None else item.generated,
        extra=item.extra,
    )


def _draft_recipe(item: RecipeItem) -> RecipeDraft:
    draft = RecipeDraft(item=item, id=item.id or new_id())
    try:
        if item.id is not None:
            draft.id = check_id(item.id)
        draft.links = _ids(item.image_ids)
        text = recipe_text(item.recipe)
        draft.recipe = replace(
            item.recipe,
            title=text.title,
            ingredients=text.ingredients,
            instructions=text.instructions,
            tags=_tags(item.recipe.tags),
        )
        draft.payload = text
    except (Problem, ValueError) as error:
        draft.error = item_error(error, Kind.RECIPE)
    return draft


def _outcome(draft: Draft) -> ItemOutcome:
    return ItemOutcome(kind=draft.kind, id=draft.id, result=draft.result, error=draft.error)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"the file {path.name!r} can't be read: {error.strerror}") from None


def _ids(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(dict.fromkeys(check_id(value) for value in values))


def _tags(values: Iterable[str]) -> tuple[str, ...]:
    try:
        return normalize_tags(values)
    except ValueError as error:
        raise ValueError(f"tags: {error}") from None


def _captions(values: Iterable[PictureCaption]) -> tuple[PictureCaption, ...]:
    try:
        return normalize_captions(values)
    except ValueError as error:
        raise ValueError(f"captions: {error}") from None
