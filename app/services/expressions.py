"""Queries written as text, with the pictures that were uploaded beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.problems import field_problem, place_problem
from app.services.query import MAX_PHOTOS, Combination, Item, Operand, Photo, QueryTerm, Text
from index.algebra import DEFAULT_STRATEGY, Strategy
from index.expression import ExpressionTerm, ItemOperand, PhotoOperand, TextOperand, format_operand, parse


def combination_from_expression(
    text: str,
    photos: Sequence[bytes] = (),
    *,
    strategy: Strategy = DEFAULT_STRATEGY,
    balance: float | None = None,
) -> Combination:
    """``photo + pasta - rice`` as a query; ``photo`` is the first of ``photos`` (bytes of files), ``photo2`` the next.

    Raises:
        ExpressionError: ``text`` is no expression.
        Problem: 422: it names a photo that was not uploaded, or doesn't name one that was.
    """
    parsed = parse(text)
    terms = tuple(
        QueryTerm(
            operand=_operand(term, photos),
            weight=term.weight,
            label=format_operand(term.operand),
            field="expression",
            column=term.column,
        )
        for term in parsed.terms
    )
    used = (term.operand.number for term in parsed.terms if isinstance(term.operand, PhotoOperand))
    require_all_used(used, len(photos), "expression")
    return Combination(terms=terms, strategy=strategy, balance=balance)


def uploaded(number: int, photos: Sequence[bytes], field: str, column: int | None = None) -> Photo:
    """The picture of this number, from 1. Raises Problem 422 where there is none, which says what to do."""
    if number <= len(photos):
        return Photo(photos[number - 1])
    if number > MAX_PHOTOS:
        detail = f"at most {MAX_PHOTOS} pictures can be uploaded, so none is after photo{MAX_PHOTOS}"
        raise place_problem("invalid-request", detail, field, column)
    name = "photo" if number == 1 else f"photo{number}"
    sent = {0: "none was", 1: "1 was"}.get(len(photos), f"{len(photos)} were")
    detail = f"{name} needs {number} uploaded picture{'s' if number > 1 else ''}, but {sent} sent; add the file"
    raise place_problem("invalid-request", detail, field, column)


def require_all_used(used: Iterable[int], count: int, field: str) -> None:
    """Raises Problem 422 where one of ``count`` uploaded pictures is not used."""
    unused = sorted(set(range(1, count + 1)) - set(used))
    if unused:
        name = "photo" if unused[0] == 1 else f"photo{unused[0]}"
        raise field_problem(field, f"the uploaded picture {unused[0]} is not used; name it {name} or don't send it")


def _operand(term: ExpressionTerm, photos: Sequence[bytes]) -> Operand:
    match term.operand:
        case PhotoOperand(number):
            return uploaded(number, photos, "expression", term.column)
        case ItemOperand(item_id, kind):
            return Item(kind, item_id)
        case TextOperand(text):
            return Text(text)
