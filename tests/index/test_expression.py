from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from index.expression import (
    MAX_LENGTH,
    MAX_TERMS,
    Expression,
    ExpressionError,
    ExpressionTerm,
    ItemOperand,
    Operand,
    PhotoOperand,
    TextOperand,
    format_expression,
    parse,
)
from index.text import normalize_id
from index.types import Kind


def read(text: str) -> list[tuple[Operand, float]]:
    return [(term.operand, term.weight) for term in parse(text).terms]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("photo + pasta - rice", [(PhotoOperand(), 1), (TextOperand("pasta"), 1), (TextOperand("rice"), -1)]),
        ("2:dessert - chocolate", [(TextOperand("dessert"), 2), (TextOperand("chocolate"), -1)]),
        ('0.5:"green onion" - @my-id', [(TextOperand("green onion"), 0.5), (ItemOperand("my-id"), -1)]),
        ("- rice", [(TextOperand("rice"), -1)]),
        ("+ rice", [(TextOperand("rice"), 1)]),
        (" - 2.5:rice\t+\n.5:tea ", [(TextOperand("rice"), -2.5), (TextOperand("tea"), 0.5)]),
        ("green onion + 3:hot soup", [(TextOperand("green onion"), 1), (TextOperand("hot soup"), 3)]),
        ("gluten-free - coca-cola", [(TextOperand("gluten-free"), 1), (TextOperand("coca-cola"), -1)]),
        ("rice − tea", [(TextOperand("rice"), 1), (TextOperand("tea"), -1)]),
        ("photo1 - PHOTO2 + 2:photo", [(PhotoOperand(1), 1), (PhotoOperand(2), -1), (PhotoOperand(1), 2)]),
        ('"photo" + photos', [(TextOperand("photo"), 1), (TextOperand("photos"), 1)]),
        ('"a \\"b\\" \\\\" + "x + y"', [(TextOperand('a "b" \\'), 1), (TextOperand("x + y"), 1)]),
        (
            '@image/a-b - @recipe/"my  id"',
            [(ItemOperand("a-b", Kind.IMAGE), 1), (ItemOperand("my  id", Kind.RECIPE), -1)],
        ),
        ("@2:x + 2:@image", [(ItemOperand("2:x"), 1), (ItemOperand("image"), 2)]),
        ("  jalapen\u0303o   soup ", [(TextOperand("jalape\u00f1o soup"), 1)]),
        ("寿司 - 🍕", [(TextOperand("寿司"), 1), (TextOperand("🍕"), -1)]),
        ("7up + mac&cheese + 50% + M&M's", [(TextOperand(t), 1) for t in ("7up", "mac&cheese", "50%", "M&M's")]),
    ],
)
def test_what_is_read(text: str, expected: list[tuple[Operand, float]]) -> None:
    assert read(text) == expected
    assert parse(format_expression(parse(text))) == parse(text)


def test_columns_are_where_terms_start_as_typed() -> None:
    text = 'jalapen\u0303o soup - 2:"x" + @id'
    assert [term.column for term in parse(text).terms] == [1, text.index("2") + 1, text.index("@") + 1]


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "empty"),
        (" \n", 1, "empty"),
        ("rice -", 6, "nothing follows '-'"),
        ("+", 1, "nothing follows '+'"),
        ("rice + - tea", 8, "second operator"),
        ("- - tea", 3, "second operator"),
        ('rice + "tea', 8, "not closed"),
        ('rice + "tea\\"', 8, "not closed"),
        ('"a\\n"', 3, "backslash"),
        ('"a\\', 3, "backslash"),
        ('""', 1, "empty"),
        ('rice - 2:" "', 10, "empty"),
        ('"a"b', 4, "space"),
        ('a "b"', 3, "operator is missing"),
        ('"b" a', 5, "operator is missing"),
        ("a 2:b", 3, "operator is missing"),
        ("@a b", 4, "operator is missing"),
        ("photo of soup", 7, "photo"),
        ("soup photo", 6, "photo"),
        ("0:rice", 1, "above 0"),
        ("rice + 0.0:rice", 8, "above 0"),
        ("100.5:rice", 1, "at most 100"),
        (f"{'9' * 400}:rice", 1, "at most 100"),
        ("1e3:rice", 1, "no weight"),
        ("nan:rice", 1, "no weight"),
        (":rice", 1, "no weight"),
        ("2:", 1, "nothing follows the weight"),
        ("2: rice", 1, "nothing follows the weight"),
        ("2:3:rice", 3, "no weight"),
        ("pasta -rice", 7, "space after"),
        ("-2:rice", 1, "space after"),
        ("pasta- rice", 6, "space before"),
        ("photo+pasta", 1, "sticks to photo"),
        ("photo2-pasta", 1, "sticks to photo"),
        ("pasta – rice", 7, "operators are"),
        ("pasta * rice", 7, "operators are"),
        ('5"pan', 2, "straight quotes"),
        ("“green onion”", 1, "straight quotes"),
        ("photo0", 1, "counted from 1"),
        ("photo02", 1, "counted from 1"),
        ("@", 1, "empty"),
        ("@image/", 1, "empty"),
        ("@dish/x", 1, "no kind"),
        ("@/x", 1, "no kind"),
        ("@image/a/b", 1, "'/'"),
        ('@"a/b"', 1, "'/'"),
        ('@" a"', 1, "white space"),
        ('@a"b', 3, "quote"),
        ("@.", 1, "reserved"),
        ("a\x00b", 2, "U+0000"),
        ("a\ud800", 2, "U+D800"),
        ("a" * (MAX_LENGTH + 1), MAX_LENGTH + 1, "at most 1,000"),
        ("a" + " + a" * MAX_TERMS, 4 * MAX_TERMS + 1, "more than 50"),
    ],
)
def test_errors_point_at_their_column(text: str, column: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert words in caught.value.message
    assert caught.value.column == column
    assert str(caught.value) == f"{caught.value.message} (column {column})"


def test_the_limits_themselves_are_allowed() -> None:
    assert len(parse("a" + " + a" * (MAX_TERMS - 1)).terms) == MAX_TERMS
    assert parse("100:" + "a" * (MAX_LENGTH - 4)).terms[0].weight == 100


@given(st.text(max_size=60) | st.text('ab"\\@:/+-− 0.2photo', max_size=40))
def test_any_text_is_read_or_refused_at_a_column_of_it(text: str) -> None:
    column = 1
    try:
        expression = parse(text)
        assert parse(format_expression(expression)) == expression
    except ExpressionError as error:
        column = error.column
    assert 1 <= column <= max(1, len(text) + 1)


def _texts() -> st.SearchStrategy[str]:
    alphabet = st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from('+-−:@"\\ photo2')
    return (
        st.text(alphabet, min_size=1, max_size=12)
        .map(lambda text: " ".join(unicodedata.normalize("NFC", text).split()))
        .filter(bool)
    )


def _is_id(text: str) -> bool:
    try:
        return normalize_id(text) == text
    except ValueError:
        return False


operands: st.SearchStrategy[Operand] = st.one_of(
    st.builds(PhotoOperand, st.integers(1, 8)),
    st.builds(ItemOperand, _texts().filter(_is_id), st.none() | st.sampled_from(Kind)),
    st.builds(TextOperand, _texts()),
)
weights = st.floats(1e-6, 100, allow_nan=False).flatmap(lambda weight: st.sampled_from([weight, -weight, 1.0, -1.0]))


@given(st.lists(st.builds(ExpressionTerm, operands, weights), min_size=1, max_size=8).map(tuple))
@example((ExpressionTerm(TextOperand("- rice")), ExpressionTerm(TextOperand("2:a"), -1.0)))
@example((ExpressionTerm(ItemOperand('a  "b'), 2.0), ExpressionTerm(ItemOperand("x", Kind.IMAGE))))
def test_writing_is_the_inverse_of_reading(terms: tuple[ExpressionTerm, ...]) -> None:
    text = format_expression(Expression(terms))
    assume(len(text) <= MAX_LENGTH)
    assert parse(text) == Expression(terms)


def test_only_what_must_be_is_quoted() -> None:
    text = '2:gluten-free pasta - "photo" + photo2 - @recipe/a-b + 0.25:"1:2"'
    assert format_expression(parse(text)) == text
