"""``/v1/images``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request

from app.api.auto_captions import AUTO_CAPTIONS, form_auto_captions
from app.api.auto_tags import AUTO_TAGS, form_auto_tags
from app.api.bodies import (
    JSON,
    MERGE_PATCH,
    form_file,
    form_files,
    form_text,
    read_form,
    read_json,
    strict_json,
    validated,
)
from app.api.conditions import expected_revision, is_fresh
from app.api.deps import (
    CaptionQuery,
    CursorQuery,
    ExpandQuery,
    IngredientQuery,
    ItemIdDep,
    LimitQuery,
    RuntimeDep,
    TagQuery,
    listing_filter,
)
from app.api.openapi import FILE, WRITE_PROBLEMS, body, form_content, json_content, problems, ref
from app.api.present import (
    addresses,
    deleted_meanwhile,
    etag,
    expanded_out,
    image_out,
    multi_status,
    next_page,
    outcome_problem,
)
from app.problems import field_problem
from app.runtime import Runtime
from app.schemas.common import MultiStatus, merge_patch
from app.schemas.images import ImageFields, ImageIn, ImageOut, ImagePage, ImagePatch
from app.services.filtering import resolve
from app.services.ingest import PictureChange
from app.services.items import Bundle, ItemOutcome, PictureItem
from index.types import Kind, Picture, PictureCaption, StoredImage, UnknownItemError, WriteStatus

router = APIRouter(prefix="/images", tags=["images"])

_MODEL_PROBLEMS = ("tagger-unavailable", "captioner-unavailable", "captioning-failed")
_WRITE_PROBLEMS = (*WRITE_PROBLEMS, "invalid-picture", *_MODEL_PROBLEMS)
_AUTOMATIC = {**AUTO_TAGS, **AUTO_CAPTIONS}
_UPLOAD = form_content(
    {
        "files": {"type": "array", "items": dict(FILE), "description": "JPEG, PNG, WebP, GIF or AVIF."},
        "metadata": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"type": "array", "items": ref(ImageIn)},
            "description": "A JSON list with one object per file, in the same order.",
        },
        **_AUTOMATIC,
    },
    ["files"],
    {"files": ["(bytes of carbonara.jpg)"], "metadata": '[{"id": "carbonara-1", "tags": ["pasta"]}]'},
)
_ONE_FILE = form_content(
    {
        "file": dict(FILE),
        "metadata": {"type": "string", "contentMediaType": "application/json", "contentSchema": ref(ImageFields)},
        **_AUTOMATIC,
    },
    ["file"],
    {"file": "(bytes of carbonara.jpg)", "metadata": '{"title": "A plate of carbonara", "tags": ["pasta"]}'},
)


@router.post(
    "",
    summary="Upload a photo, or several",
    response_model=ImageOut,
    status_code=201,
    responses={
        200: {"model": ImageOut, "description": "A photo with this id was there and now has this content."},
        207: {"model": MultiStatus, "description": "Several files were sent: one result each, in their order."},
        **problems(*_WRITE_PROBLEMS),
    },
    openapi_extra=body(_UPLOAD),
)
async def create_images(request: Request, runtime: RuntimeDep) -> Response:
    """A multipart form with 1 or more `files` and, if you like, `metadata`: a JSON list with an object for each file.

    With `auto_tags` the tags that the photo shows follow yours; `auto_tags` of the answer says which they are. With
    `auto_captions` a caption by the service's captioner follows yours. A file whose metadata says that this service
    drew it is stored as `generated`, unless you say otherwise.
    Identical bytes are stored once, whatever their number of ids."""
    most = runtime.settings.max_upload_files
    async with read_form(request, max_files=most, fields=frozenset({*_AUTOMATIC, "files", "metadata"})) as form:
        files = form_files(form, "files")
        said = _metadata(form, len(files))
        items = [await _item(form, file, fields, fields.id) for file, fields in zip(files, said, strict=True)]
    if len(items) == 1:
        outcome = await runtime.ingest.put_image(items[0])
        return await _stored_answer(request, runtime, outcome)
    outcomes = await runtime.ingest.put_many([Bundle(pictures=(item,)) for item in items])
    answer = multi_status([outcome.parts[0] for outcome in outcomes], addresses(request))
    return JSONResponse(answer.model_dump(mode="json"), 207)


@router.get("", summary="List photos", response_model=ImagePage, responses=problems("bad-request"))
async def list_images(
    request: Request,
    runtime: RuntimeDep,
    cursor: CursorQuery = None,
    limit: LimitQuery = 50,
    tags: TagQuery = [],  # noqa: B006 - FastAPI copies defaults
    ingredients: IngredientQuery = [],  # noqa: B006
    captions: CaptionQuery = [],  # noqa: B006
    expand: ExpandQuery = False,
    has_recipe: Annotated[bool | None, Query(description="Only photos with (or without) a recipe.")] = None,
    generated: Annotated[bool | None, Query(description="Only photos drawn by a model (or not).")] = None,
) -> ImagePage:
    """In the order in which they were stored, page by page."""
    held = listing_filter(tags, ingredients, captions=captions, has_recipe=has_recipe, generated=generated)
    wanted = await resolve(held, runtime.resources, expand=expand)
    items, following = await runtime.library.page(Kind.IMAGE, wanted.filter, cursor=cursor, limit=limit)
    where = addresses(request)
    return ImagePage(
        items=[image_out(item, where) for item in items if isinstance(item, StoredImage)],
        next_cursor=following,
        next=next_page(request, following),
        expanded_ingredients=expanded_out(wanted.names),
    )


@router.get(
    "/{item_id}",
    summary="Get what is known of a photo",
    response_model=ImageOut,
    responses={
        304: {"description": "The copy with the ETag of `If-None-Match` is the present one."},
        **problems("unknown-item", "invalid-id"),
    },
)
async def get_image(request: Request, runtime: RuntimeDep, item_id: ItemIdDep) -> Response:
    """The picture itself is at `links.file`."""
    item = await runtime.library.image(item_id)
    if is_fresh(request, etag(item)):
        return Response(status_code=304, headers={"ETag": etag(item)})
    return _answer(request, item)


@router.put(
    "/{item_id}",
    summary="Store a photo under an id",
    response_model=ImageOut,
    responses={201: {"model": ImageOut, "description": "The photo is new."}, **problems(*_WRITE_PROBLEMS)},
    openapi_extra=body(_ONE_FILE),
)
async def put_image(request: Request, runtime: RuntimeDep, item_id: ItemIdDep) -> Response:
    """A multipart form with one `file` and, if you like, `metadata`, a JSON object. Replaces the whole photo;
    `If-Match` and `If-None-Match: *` are honoured."""
    async with read_form(request, max_files=1, fields=frozenset({*_AUTOMATIC, "file", "metadata"})) as form:
        file = form_file(form, "file")
        text = form_text(form, "metadata")
        fields = ImageIn() if text is None else validated(ImageIn, strict_json(text.encode(), "metadata"), "metadata")
        if fields.id is not None and fields.id != item_id:
            raise field_problem("metadata.id", "differs from the id in the address; leave it out")
        revision = await expected_revision(request, lambda: runtime.library.image(item_id))
        item = await _item(form, file, fields, item_id, revision)
    outcome = await runtime.ingest.put_image(item)
    return await _stored_answer(request, runtime, outcome)


@router.patch(
    "/{item_id}",
    summary="Change what is said about a photo",
    response_model=ImageOut,
    responses=problems(*_WRITE_PROBLEMS),
    openapi_extra=body(json_content(ImagePatch, MERGE_PATCH), json_content(ImagePatch)),
)
async def patch_image(request: Request, runtime: RuntimeDep, item_id: ItemIdDep) -> Response:
    """A JSON merge patch of `title`, `tags`, `captions`, `recipe_ids` and `extra`; the picture stays. `captions` are
    your own, in place of all that are there."""
    patch = await read_json(request, MERGE_PATCH, JSON)
    if not isinstance(patch, Mapping):
        raise field_problem("body", "send an object with the fields to change")
    validated(ImagePatch, {name: value for name, value in patch.items() if name != "extra"})

    def change(stored: StoredImage) -> PictureChange:
        merged = merge_patch(_fields(stored), patch)
        if "recipe_ids" in patch:
            merged.setdefault("recipe_ids", [])  # null empties
        return _changed(stored.picture, validated(ImageFields, merged), own_captions="captions" in patch)

    revision = await expected_revision(request, lambda: runtime.library.image(item_id))
    outcome = await runtime.ingest.change_image(item_id, change, revision=revision)
    return await _stored_answer(request, runtime, outcome)


@router.delete(
    "/{item_id}",
    summary="Delete a photo",
    status_code=204,
    responses=problems("unknown-item", "invalid-id", "precondition-failed"),
)
async def delete_image(request: Request, runtime: RuntimeDep, item_id: ItemIdDep) -> Response:
    """Its recipes stay; its file is swept later unless another photo has the same bytes."""
    revision = await expected_revision(request, lambda: runtime.library.image(item_id))
    await runtime.ingest.delete(Kind.IMAGE, item_id, revision)
    return Response(status_code=204)


def _metadata(form: FormData, count: int) -> Sequence[ImageIn]:
    text = form_text(form, "metadata")
    if text is None:
        return [ImageIn()] * count
    values = strict_json(text.encode(), "metadata")
    if isinstance(values, Mapping) and count == 1:
        values = [values]
    if not isinstance(values, list) or len(values) != count:
        raise field_problem("metadata", f"send a JSON list with one object for each of the {count} files")
    return [validated(ImageIn, value, f"metadata.{place}") for place, value in enumerate(values)]


async def _item(
    form: FormData, file: UploadFile, fields: ImageFields, item_id: str | None, revision: int | None = None
) -> PictureItem:
    return PictureItem(
        data=await file.read(),
        id=item_id,
        title=fields.title,
        tags=tuple(fields.tags),
        generated=fields.generated,
        extra=fields.extra,
        revision=revision,
        recipe_ids=None if fields.recipe_ids is None else tuple(fields.recipe_ids),
        captions=_own(fields),
        auto_tags=form_auto_tags(form),
        auto_captions=form_auto_captions(form),
    )


def _fields(stored: StoredImage) -> dict[str, Any]:
    picture = stored.picture
    return {"title": picture.title, "tags": list(picture.tags), "extra": dict(picture.extra)}


def _changed(picture: Picture, fields: ImageFields, *, own_captions: bool) -> PictureChange:
    captions = _own(fields) if own_captions else picture.captions
    changed = replace(picture, title=fields.title, tags=tuple(fields.tags), captions=captions, extra=fields.extra)
    return PictureChange(changed, None if fields.recipe_ids is None else tuple(fields.recipe_ids))


def _own(fields: ImageFields) -> tuple[PictureCaption, ...]:
    return tuple(PictureCaption(text) for text in fields.captions)


async def _stored_answer(request: Request, runtime: Runtime, outcome: ItemOutcome) -> Response:
    if outcome.result is None:
        raise outcome_problem(outcome)
    try:
        item = await runtime.library.image(outcome.id)
    except UnknownItemError:
        raise deleted_meanwhile() from None
    created = outcome.result.status is WriteStatus.CREATED
    headers = {"Location": addresses(request).image(item.id)} if created else {}
    return _answer(request, item, status=201 if created else 200, headers=headers)


def _answer(
    request: Request, item: StoredImage, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    content = image_out(item, addresses(request)).model_dump(mode="json")
    return JSONResponse(content, status, headers={"ETag": etag(item), **(headers or {})})
