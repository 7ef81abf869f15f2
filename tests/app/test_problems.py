from __future__ import annotations

import errno

import pytest

from app.engine.types import DeadlineError, SaturatedError, UnavailableError
from app.pictures import PictureCode, PictureError
from app.problems import PROBLEM_TYPES, Problem, as_problem, field_problem, validation_problem
from app.schemas.recipes import RecipeIn
from index.types import (
    BlobMissingError,
    CancelledOutError,
    FingerprintError,
    ItemExistsError,
    Kind,
    RevisionError,
    UnknownItemError,
    UnknownJobError,
)


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (UnknownItemError(Kind.RECIPE, "x"), 404, "unknown-item"),
        (UnknownJobError("x"), 404, "unknown-job"),
        (ItemExistsError(Kind.IMAGE, "x"), 412, "precondition-failed"),
        (RevisionError("changed"), 412, "precondition-failed"),
        (CancelledOutError("nothing is left"), 422, "cancelled-out"),
        (PictureError("no picture", PictureCode.CORRUPT), 422, "invalid-picture"),
        (SaturatedError(2.2), 503, "at-capacity"),
        (DeadlineError("late"), 504, "deadline"),
        (TimeoutError(), 504, "deadline"),
        (UnavailableError("gone"), 503, "unavailable"),
        (FingerprintError("another encoder"), 503, "unavailable"),
        (BlobMissingError("0" * 64), 500, "damaged"),
        (OSError(errno.ENOSPC, "no space left"), 507, "no-space"),
    ],
)
def test_known_errors_have_their_problem(error: Exception, status: int, slug: str) -> None:
    problem = as_problem(error)
    assert problem is not None
    assert (problem.status, problem.slug) == (status, slug)
    assert problem.detail.endswith(".")
    assert problem.detail[0].isupper()


def test_faults_are_no_problem_of_the_client() -> None:
    assert as_problem(KeyError("x")) is None
    assert as_problem(RuntimeError("x")) is None


def test_saturation_says_when_to_come_back() -> None:
    problem = as_problem(SaturatedError(2.2))
    assert problem is not None
    assert problem.headers["Retry-After"] == "3"


def test_every_slug_has_an_http_status() -> None:
    assert all(400 <= kind.status < 600 and kind.title for kind in PROBLEM_TYPES.values())


def test_field_problems_name_the_field() -> None:
    body = field_problem("k", "too large").body("/v1/x")
    assert body["errors"] == [{"field": "k", "detail": "too large"}]
    assert body["detail"] == "k: too large"
    assert body["instance"] == "/v1/x"


def test_validation_errors_name_fields_and_hide_internals() -> None:
    from pydantic import ValidationError

    with pytest.raises(ValidationError) as caught:
        RecipeIn.model_validate({"title": 5, "ingredient": []})
    problem = validation_problem(caught.value.errors(include_url=False), "recipe")
    fields = {each["field"]: each["detail"] for each in problem.extensions["errors"]}
    assert "recipe.title" in fields
    assert fields["recipe.ingredient"] == "there is no such field here"


def test_unknown_slug_is_a_programming_error() -> None:
    with pytest.raises(KeyError):
        _ = Problem("no-such-slug", "x").status
