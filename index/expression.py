r"""Queries as text: ``photo + pasta - rice``, ``2:dessert - chocolate``, ``0.5:"green onion" - @my-id``.

The grammar, in the EBNF of ISO 14977, where a space is any white space::

    expression = [ sign ] , term , { sign , term } ;           (* up to 50 terms and 1,000 characters *)
    sign       = "+" | "-" | "−" ;                             (* a space or an end of the text on both sides *)
    term       = [ weight , ":" ] , ( photo | item | phrase ) ;
    weight     = digit , { digit } , [ "." , { digit } ] | "." , digit , { digit } ;    (* above 0, up to 100 *)
    photo      = "photo" , [ number ] ;                        (* an uploaded picture: photo, photo2 ...; in any case *)
    item       = "@" , [ ( "image" | "recipe" ) , "/" ] , ( id | quoted ) ;    (* no kind: the photo, else the recipe *)
    phrase     = word , { space , word } | quoted ;
    quoted     = '"' , { character - ( '"' | "\" ) | '\"' | "\\" } , '"' ;
    id         = idchar , { idchar } ;                         (* idchar: all but space, '"' and "/" *)
    word       = wordchar , { wordchar } ;                     (* wordchar: all but space, '"' and ":" *)

A sign within a word belongs to it (``gluten-free``, ``coca-cola``). A word that starts or ends with one, that is only
punctuation, or that glues one to ``photo``, is more likely a mistake than meant, and is refused. All of that is text
where it is quoted: ``"photo"`` is the word. Texts are in NFC, each run of white space one space.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NoReturn, TypeAlias

from index.text import normalize_id
from index.types import IndexRoomError, Kind

MAX_LENGTH = 1000  # characters
MAX_TERMS = 50
MAX_WEIGHT = 100.0

_SIGNS = "+-\u2212"  # the last is the minus sign of typesetting
_WEIGHT = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+):")
_PHOTO = re.compile(r"photo([0-9]*)", re.IGNORECASE | re.ASCII)
_PHOTO_AND_SIGN = re.compile(rf"photo[0-9]*[{re.escape(_SIGNS)}]", re.IGNORECASE | re.ASCII)
_KINDS = ", ".join(f"@{kind}/ID" for kind in Kind)


class ExpressionError(IndexRoomError, ValueError):
    """The text is no expression. ``message`` is one clause with the remedy; ``column`` counts the characters of the
    text from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"{message} (column {column})")
        self.message, self.column = message, column


@dataclass(frozen=True, slots=True)
class PhotoOperand:
    """An uploaded picture, by its place among them, from 1."""

    number: int = 1


@dataclass(frozen=True, slots=True)
class ItemOperand:
    """A stored item; without a kind the photo of this id, or else the recipe."""

    id: str
    kind: Kind | None = None


@dataclass(frozen=True, slots=True)
class TextOperand:
    """Words or a tag."""

    text: str


Operand: TypeAlias = "PhotoOperand | ItemOperand | TextOperand"


@dataclass(frozen=True, slots=True)
class ExpressionTerm:
    """An operand, its weight (negative: subtracted), and the column where it starts, which equality doesn't count."""

    operand: Operand
    weight: float = 1.0
    column: int = field(default=1, compare=False)


@dataclass(frozen=True, slots=True)
class Expression:
    terms: tuple[ExpressionTerm, ...]


def parse(text: str) -> Expression:
    """Read an expression in the grammar of this module. Raises ExpressionError."""
    _check_characters(text)
    terms: list[ExpressionTerm] = []
    sign: _Sign | None = None
    last: _Piece | None = None
    for token in _tokens(text):
        if isinstance(token, _Sign):
            if sign is not None:
                _fail("a second operator follows the first; leave one out, or quote a text", token.column)
            sign = token
        elif last is not None and sign is None:
            last = _joined(last, token)
            terms[-1] = last.term(terms[-1].weight)
        else:
            if len(terms) == MAX_TERMS:
                _fail(f"there are more than {MAX_TERMS} terms; leave some out", token.column)
            size = 1.0 if token.weight is None else token.weight
            terms.append(token.term(size if sign is None or sign.character == "+" else -size))
            sign, last = None, token
    if sign is not None:
        _fail(f"nothing follows {sign.character!r}; add a term or leave the operator out", sign.column)
    if not terms:
        _fail("the expression is empty; write one such as: photo + pasta - rice", 1)
    return Expression(tuple(terms))


def format_expression(expression: Expression) -> str:
    """The inverse of :func:`parse`: ``parse(format_expression(e)) == e`` for what it gives."""
    parts: list[str] = []
    for term in expression.terms:
        if parts or term.weight < 0:
            parts.append("-" if term.weight < 0 else "+")
        size = abs(term.weight)
        weight = "" if size == 1 else f"{Decimal(repr(size)):f}".removesuffix(".0") + ":"
        parts.append(weight + format_operand(term.operand))
    return " ".join(parts)


def format_operand(operand: Operand) -> str:
    """An operand as it stands in an expression, quoted where it must be."""
    match operand:
        case PhotoOperand(number):
            return "photo" if number == 1 else f"photo{number}"
        case ItemOperand(item_id, kind):
            before = "@" if kind is None else f"@{kind}/"
            return before + (item_id if _reads_as(f"{before}{item_id}", operand) else _quoted(item_id))
        case TextOperand(text):
            return text if _reads_as(text, operand) else _quoted(text)


def _reads_as(text: str, operand: Operand) -> bool:
    try:
        return parse(text) == Expression((ExpressionTerm(operand),))
    except ExpressionError:
        return False


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# --- tokens -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sign:
    character: str
    column: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """A term without its sign, or one word of it; ``bare``: unquoted words, which another one continues."""

    operand: Operand
    weight: float | None
    column: int
    bare: bool = False

    def term(self, weight: float) -> ExpressionTerm:
        return ExpressionTerm(self.operand, weight, self.column)


def _joined(last: _Piece, piece: _Piece) -> _Piece:
    """Two neighbours without an operator between them as one phrase."""
    first, second = last.operand, piece.operand
    if not (last.bare and piece.bare and piece.weight is None):
        _fail("an operator is missing before this: put + or - between the terms, or quote a phrase", piece.column)
    if not (isinstance(first, TextOperand) and isinstance(second, TextOperand)):
        _fail(
            "photo stands for the uploaded picture and is no part of a phrase: put + or - between the terms, "
            "or quote the phrase",
            piece.column,
        )
    return _Piece(TextOperand(f"{first.text} {second.text}"), last.weight, last.column, bare=True)


def _tokens(text: str) -> Iterator[_Sign | _Piece]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text[at] in _SIGNS and _ends(text, at + 1):
            yield _Sign(text[at], at + 1)
            at += 1
        else:
            piece, at = _piece(text, at)
            yield piece


def _piece(text: str, start: int) -> tuple[_Piece, int]:
    """The weight and operand that start at ``start``, and where they end."""
    at, weight, column = start, None, start + 1
    if found := _WEIGHT.match(text, start):
        weight, at = _weight(found[0], column), found.end()
        if _ends(text, at):
            _fail(f"nothing follows the weight {found[0]!r}; put the term right after it, as in 2:rice", column)
    if text[at] == '"':
        raw, end = _quoted_text(text, at)
        if not (quoted := _normal(raw)):
            _fail("the quoted text is empty; write something between the quotes", at + 1)
        return _Piece(TextOperand(quoted), weight, column), end
    if text[at] == "@":
        item, end = _item(text, at)
        return _Piece(item, weight, column), end
    end = _word_end(text, at)
    return _Piece(_word(text[at:end], at + 1), weight, column, bare=True), end


def _weight(prefix: str, column: int) -> float:
    weight = float(prefix[:-1])
    if not 0 < weight <= MAX_WEIGHT:
        _fail(f"the weight {prefix[:40]!r} must be above 0 and at most {MAX_WEIGHT:g}; subtract with '-'", column)
    return weight


def _item(text: str, start: int) -> tuple[ItemOperand, int]:
    at, kind = start + 1, None
    end = _word_end(text, at)
    before, slash, _ = text[at:end].partition("/")
    if slash and '"' not in before:
        if before not in tuple(Kind):
            _fail(f"'@{before}/' names no kind of item; write {_KINDS}, or @ID alone", start + 1)
        kind, at = Kind(before), at + len(before) + 1
    if text[at : at + 1] == '"':
        item_id, end = _quoted_text(text, at)
    else:
        item_id = text[at:end]
        if (quote := item_id.find('"')) >= 0:
            _fail('a quote stands within an id; quote the id as a whole, with \\" for the quote', at + quote + 1)
    try:
        return ItemOperand(normalize_id(item_id), kind), end
    except ValueError as error:
        _fail(f"after '@', the {error}", start + 1)


def _quoted_text(text: str, start: int) -> tuple[str, int]:
    """The text in the quotes that open at ``start``, and where what follows them starts."""
    characters: list[str] = []
    at = start + 1
    while at < len(text) and text[at] != '"':
        if text[at] == "\\":
            if text[at + 1 : at + 2] not in ('"', "\\"):
                _fail('a backslash escapes only " and \\; double it to mean the backslash itself', at + 1)
            at += 1
        characters.append(text[at])
        at += 1
    if at >= len(text):
        _fail("the quote that opens here is not closed; add a closing quote", start + 1)
    if not _ends(text, at + 1):
        _fail("after a closing quote there must be a space; add one, or escape the quote with \\", at + 2)
    return "".join(characters), at + 1


def _word(word: str, column: int) -> Operand:
    if (quote := re.search('["\u201c\u201d\u201e]', word)) is not None:
        straight = "a quote stands within a word" if quote[0] == '"' else f"{quote[0]} is no quote of this grammar"
        _fail(f'{straight}; put a whole phrase between straight quotes (")', column + quote.start())
    if word[0] in _SIGNS:
        _fail(f"{word[0]!r} sticks to what follows; put a space after it, or quote a text that starts so", column)
    if word[-1] in _SIGNS:
        _fail(
            f"{word[-1]!r} sticks to what is before; put a space before it, or quote the text", column + len(word) - 1
        )
    head, colon, _ = word.partition(":")
    if colon:
        _fail(f"{head[:40]!r} before ':' is no weight; write one as 2 or 0.5, or quote a text that has a ':'", column)
    if all(unicodedata.category(character)[0] == "P" or unicodedata.category(character) == "Sm" for character in word):
        _fail(f"{word[:40]!r} is neither a word nor an operator; the operators are + and -", column)
    if _PHOTO_AND_SIGN.match(word):
        _fail("an operator sticks to photo; put spaces around it, or quote a text", column)
    if (photo := _PHOTO.fullmatch(word)) is not None:
        if photo[1].startswith("0"):
            _fail("photos are counted from 1: photo (or photo1), photo2 ...; quote a text", column)
        return PhotoOperand(int(photo[1] or 1))
    return TextOperand(_normal(word))


def _word_end(text: str, at: int) -> int:
    while not _ends(text, at):
        at += 1
    return at


def _ends(text: str, at: int) -> bool:
    return at >= len(text) or text[at].isspace()


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _check_characters(text: str) -> None:
    if len(text) > MAX_LENGTH:
        _fail(f"the expression has {len(text)} characters; at most {MAX_LENGTH:,} are allowed", MAX_LENGTH + 1)
    for place, character in enumerate(text):
        if unicodedata.category(character) in ("Cc", "Cs") and not character.isspace():
            _fail(f"the character U+{ord(character):04X} is a control or half a character; remove it", place + 1)


def _fail(message: str, column: int) -> NoReturn:
    raise ExpressionError(message, column)
