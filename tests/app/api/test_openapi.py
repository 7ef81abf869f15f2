from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from app.api.openapi import ref
from app.factory import create_app
from app.problems import MEDIA_TYPE
from app.schemas.answering import AskPhoto, PhotoAnswers
from app.schemas.captioning import CaptionPhoto, PhotoCaptions
from app.schemas.common import MultiStatus, ProblemDetails
from app.schemas.filters import FilterIn
from app.schemas.generation import DrawnPictures, DrawPictures
from app.schemas.images import ImageFields, ImageIn, ImageOut, ImagePage, ImagePatch
from app.schemas.ingredients import AnalogyOut, SimilarOut
from app.schemas.jobs import FolderImport, JobOut, JobPageOut
from app.schemas.recipes import RecipeFields, RecipeIn, RecipeOut, RecipePage, RecipePart, RecipePatch
from app.schemas.search import ImageHits, ImageSearch, RecipeHits, RecipeSearch
from app.schemas.system import Alive, Models, Ready, Service, TagsOut
from app.settings import Settings


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings(builtin_catalogue=False)).openapi()


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _refs(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref" and isinstance(inner, str):
                yield inner
            else:
                yield from _refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _refs(inner)


def test_every_route_says_what_it_does(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        assert operation.get("summary"), name
        assert operation.get("description"), name
        assert operation.get("tags"), name
    ids = [operation["operationId"] for _, operation in _operations(document)]
    assert len(ids) == len(set(ids))


def test_every_route_documents_its_problems(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        if "/v1/" not in name:
            continue
        responses = operation["responses"]
        assert {"401", "422", "500"} <= set(responses), name
        for status, response in responses.items():
            if status >= "400":
                content = response["content"][MEDIA_TYPE]
                assert content["schema"] == ref(ProblemDetails), name
                for example in content["examples"].values():
                    assert ProblemDetails.model_validate(example["value"]).status == int(status)
        if "{item_id}" in name:
            assert "404" in responses, name


def test_every_body_and_answer_has_an_example(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def shown(content: dict[str, Any]) -> bool:
        schema = content.get("schema", {})
        target = schemas.get(schema.get("$ref", "").rpartition("/")[2], schema)
        return bool(content.get("example") or content.get("examples") or target.get("examples"))

    for name, operation in _operations(document):
        contents = [*operation.get("requestBody", {}).get("content", {}).values()]
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                contents += response.get("content", {}).values()
        for content in contents:
            if content.get("schema", {}).get("additionalProperties") is True:
                continue  # the list of problem types describes itself
            assert shown(content), (name, content)
    for name, operation in _operations(document):
        if name.split()[0] in ("POST", "PUT", "PATCH") and not name.endswith(("/cancel", "{image_id}")):
            assert operation["requestBody"]["content"], name


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for reference in _refs(document):
        assert reference.startswith("#/components/schemas/"), reference
        assert reference.rpartition("/")[2] in schemas, reference


@pytest.mark.parametrize(
    "model",
    [
        Alive,
        AnalogyOut,
        AskPhoto,
        CaptionPhoto,
        DrawPictures,
        DrawnPictures,
        FilterIn,
        FolderImport,
        ImageFields,
        ImageHits,
        ImageIn,
        ImageOut,
        ImagePage,
        ImagePatch,
        ImageSearch,
        JobOut,
        JobPageOut,
        Models,
        MultiStatus,
        PhotoAnswers,
        PhotoCaptions,
        ProblemDetails,
        Ready,
        RecipeFields,
        RecipeHits,
        RecipeIn,
        RecipeOut,
        RecipePage,
        RecipePart,
        RecipePatch,
        RecipeSearch,
        Service,
        SimilarOut,
        TagsOut,
    ],
)
def test_examples_are_valid(model: type[BaseModel]) -> None:
    examples = model.model_json_schema()["examples"]
    assert examples
    for example in examples:
        model.model_validate(example)


def test_a_tag_may_be_text_or_weighted(document: dict[str, Any]) -> None:
    choices = document["components"]["schemas"]["WeightedTag"]["anyOf"]
    assert [choice["type"] for choice in choices] == ["string", "object"]


def test_uploads_are_described_as_forms(document: dict[str, Any]) -> None:
    for path, field in (
        ("/v1/images", "files"),
        ("/v1/search/recipes", "file"),
        ("/v1/imports", "file"),
        ("/v1/captions", "file"),
    ):
        content = document["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]
        assert field in content["schema"]["properties"]
        assert content["schema"]["required"] == [field]


def test_automatic_tags_and_captions_can_be_asked_for_in_every_body_of_an_import(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/imports"]["post"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    folder = document["components"]["schemas"]["FolderImport"]["properties"]
    address = {each["name"]: each["schema"] for each in operation["parameters"] if each["in"] == "query"}
    uploads = document["paths"]["/v1/images"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    for fields in (form, folder, address, uploads["properties"]):
        assert fields["auto_tags"]["type"] == "boolean"
        assert "auto_tags_min" in fields
        assert fields["auto_captions"]["type"] == "boolean"
        assert "auto_captions_style" in fields
    assert "409" in operation["responses"]


@pytest.mark.parametrize("path", ["/v1/captions", "/v1/answers"])
def test_where_a_model_looked_can_be_had_as_a_figure(document: dict[str, Any], path: str) -> None:
    operation = document["paths"][path]["post"]
    assert set(operation["responses"]["200"]["content"]) == {"application/json", "image/png"}
    assert {"404", "406", "409", "413", "415", "422", "503", "504"} <= set(operation["responses"])


def test_pictures_are_drawn_at_once_or_by_a_job(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/images/generations"]["post"]
    assert {"200", "202", "404", "409", "415", "422", "503", "504"} <= set(operation["responses"])
    assert operation["requestBody"]["content"]["application/json"]["schema"] == ref(DrawPictures)
    files = document["paths"]["/v1/images/generations/files/{name}"]["get"]["responses"]["200"]["content"]
    assert set(files) == {"image/png", "image/jpeg", "image/webp"}


def test_a_question_is_told_with_its_limits(document: dict[str, Any]) -> None:
    content = document["paths"]["/v1/answers"]["post"]["requestBody"]["content"]
    form = content["multipart/form-data"]["schema"]
    assert form["required"] == ["file", "question"]
    stored = document["components"]["schemas"]["AskPhoto"]["properties"]["question"]
    for question in (form["properties"]["question"], stored):
        assert (question["minLength"], question["maxLength"]) == (1, 500)
