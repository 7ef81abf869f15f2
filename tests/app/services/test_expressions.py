from __future__ import annotations

import pytest

from app.problems import Problem, as_problem
from app.services.expressions import combination_from_expression
from app.services.query import Item, Photo, QueryTerm, Text
from index.algebra import DEFAULT_STRATEGY, Strategy
from index.expression import ExpressionError
from index.types import Kind


def test_operands_weights_labels_and_places() -> None:
    text = 'photo2 - 2:"green  onion" + @recipe/a - @b + 0.5:photo'
    combination = combination_from_expression(text, [b"one", b"two"], strategy=Strategy.BEST_SCORE, balance=0.25)
    assert combination.terms == (
        QueryTerm(operand=Photo(b"two"), weight=1.0, label="photo2", field="expression", column=1),
        QueryTerm(operand=Text("green onion"), weight=-2.0, label="green onion", field="expression", column=10),
        QueryTerm(operand=Item(Kind.RECIPE, "a"), weight=1.0, label="@recipe/a", field="expression", column=29),
        QueryTerm(operand=Item(None, "b"), weight=-1.0, label="@b", field="expression", column=41),
        QueryTerm(operand=Photo(b"one"), weight=0.5, label="photo", field="expression", column=46),
    )
    assert (combination.strategy, combination.balance) == (Strategy.BEST_SCORE, 0.25)
    assert combination_from_expression("rice").strategy is DEFAULT_STRATEGY


def test_photos_that_are_not_there_or_not_used() -> None:
    with pytest.raises(Problem, match="photo3 needs 3 uploaded pictures, but 2 were sent") as caught:
        combination_from_expression("rice + photo3", [b"one", b"two"])
    assert caught.value.extensions["column"] == 8
    with pytest.raises(Problem, match="picture 1 is not used"):
        combination_from_expression("photo2", [b"one", b"two"])
    with pytest.raises(ExpressionError):
        combination_from_expression("rice +")


def test_an_error_of_an_expression_is_a_problem_with_its_column() -> None:
    problem = as_problem(ExpressionError("something is wrong", 7))
    assert problem is not None
    assert problem.status == 422
    assert problem.detail == "expression: something is wrong (column 7)"
    assert problem.extensions["column"] == 7
    assert problem.extensions["errors"] == [{"field": "expression", "detail": "something is wrong", "column": 7}]
