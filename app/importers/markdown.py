"""Recipes written as Markdown pages with front matter (Hugo, Jekyll): one page in, its parts out. No files here."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import Enum
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.importers.base import parse_json
from index.types import JsonValue

MAX_FRONT_MATTER = 64 * 1024  # characters
_MAX_DEPTH = 8
_FENCES: Mapping[str, str] = {"---": "yaml", "+++": "toml"}
_INGREDIENTS = re.compile(r"\b(ingredients?|zutaten|ingredienti|ingredientes?)\b")
_DIRECTIONS = re.compile(
    r"\b(directions?|instructions?|method|preparation|steps?|procedure|zubereitung|procedimento|preparacion)\b(?! time)"
)
# "⏲️ Prep time: 10 min": the facts that recipe collections list above the ingredients.
_FACT = re.compile(r"^\W*(prep|cook|total|servings?|yield|makes|serves)\w*(?:\s*time)?\s*:?\s+(.+)$", re.IGNORECASE)
_FACT_KEYS: Mapping[str, str] = {"prep": "prep_time", "cook": "cook_time", "total": "total_time"}
# Template calls that stand inside links and would keep CommonMark from seeing the picture.
_LIQUID_SITE = re.compile(r"\{\{\s*site\.\w+\s*\}\}")
_LIQUID_PATH = re.compile(r"""\{\{\s*["']([^"'{}]+)["'][^{}]*\}\}""")
_FIGURE = re.compile(r"""\{\{[<%]\s*(?:figure|img|image)\b[^{}]*?\bsrc=["']([^"'{}]+)["'][^{}]*\}\}""")
_SHORTCODE = re.compile(r"\{\{[<%][^{}]*\}\}|\{%[^{}]*%\}|\{:[^{}]*\}")


class PageError(ValueError):
    """The page can't be read; the message is one clear sentence."""


class _Section(Enum):
    INTRODUCTION = "introduction"
    INGREDIENTS = "ingredients"
    DIRECTIONS = "directions"
    OTHER = "other"


@dataclass(slots=True)
class Page:
    """What a page says: its front matter as JSON values, and the recipe in its body."""

    front: dict[str, JsonValue]
    heading: str = ""  # the first heading of level 1
    ingredients: list[str] = field(default_factory=list)
    directions: list[str] = field(default_factory=list)
    description: list[str] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    pictures: list[str] = field(default_factory=list)  # as written, in order


def parse_page(text: str) -> Page:
    """Read a page of Markdown with YAML, TOML or JSON front matter (or none).

    Sections are told by the words of their headings. A heading below a section's own becomes a line that ends with a
    colon (``Sauce:``); a list entry is a line, and so is a paragraph.

    Raises:
        PageError: the front matter is malformed, too long, or uses YAML aliases.
    """
    front, body = _split(text)
    page = Page(front=front)
    body = _FIGURE.sub(r"![](<\1>)", _LIQUID_PATH.sub(r"\1", _LIQUID_SITE.sub("", body)))
    tokens = MarkdownIt("commonmark", {"maxNesting": 20}).parse(_SHORTCODE.sub("", body))
    _read_body(tokens, page)
    return page


def _split(text: str) -> tuple[dict[str, JsonValue], str]:
    lines = text.lstrip("\ufeff\n\r ").splitlines()
    fence = lines[0].rstrip() if lines else ""
    if fence not in _FENCES:
        return _split_json(text)
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() == fence:
            return _front(_FENCES[fence], "\n".join(lines[1:number])), "\n".join(lines[number + 1 :])
    raise PageError(f"the front matter that {fence} opens is never closed")


def _split_json(text: str) -> tuple[dict[str, JsonValue], str]:
    if not text.startswith("{\n"):
        return {}, text
    head, closing, body = text.partition("\n}\n")
    return (_front("json", head + "\n}"), body) if closing else ({}, text)


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases: ten lines of them can stand for gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)


def _front(kind: str, text: str) -> dict[str, JsonValue]:
    if len(text) > MAX_FRONT_MATTER:
        raise PageError(f"the front matter is longer than {MAX_FRONT_MATTER // 1024} KiB")
    try:
        if kind == "yaml":
            value = yaml.load(text, _PlainLoader)
        elif kind == "toml":
            value = tomllib.loads(text)
        else:
            value = parse_json(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise PageError(f"the {kind.upper()} front matter can't be read: {reason}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PageError("the front matter is not a table of names and values")
    return {str(key): _json(entry, 0) for key, entry in value.items()}


def _json(value: object, depth: int) -> JsonValue:
    if depth > _MAX_DEPTH:
        raise PageError("the front matter is nested too deeply")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, dict):
        return {str(key): _json(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_json(entry, depth + 1) for entry in value]
    return str(value)


def _read_body(tokens: Sequence[Token], page: Page) -> None:
    section, level = _Section.INTRODUCTION, 1
    heading: int | None = None
    for token in tokens:
        if token.type == "heading_open":
            heading = int(token.tag[1:])
        elif token.type == "heading_close":
            heading = None
        elif token.type == "inline":
            if heading is None:
                _add(page, section, token)
                continue
            text = " ".join(_plain(token, page))
            named = _section(text)
            if named is not None and not (named is section and heading > level):
                section, level = named, heading
            elif heading == 1 and section is _Section.INTRODUCTION:
                page.heading = page.heading or text
            elif heading > level and section in (_Section.INGREDIENTS, _Section.DIRECTIONS):
                lines = page.ingredients if section is _Section.INGREDIENTS else page.directions
                lines.append(text if text.endswith(":") else f"{text}:")
            elif heading <= level or section is not _Section.OTHER:
                section, level = _introduction_or_other(section, page), heading


def _introduction_or_other(section: _Section, page: Page) -> _Section:
    """A heading such as "Description" before any section still introduces the dish."""
    started = page.ingredients or page.directions or section is not _Section.INTRODUCTION
    return _Section.OTHER if started else _Section.INTRODUCTION


def _add(page: Page, section: _Section, token: Token) -> None:
    lines = _plain(token, page)
    if section is _Section.INGREDIENTS:
        page.ingredients.extend(lines if token.level <= 1 else [" ".join(lines)] if lines else [])
    elif section is _Section.DIRECTIONS:
        if lines:
            page.directions.append(" ".join(lines))
    elif section is _Section.INTRODUCTION:
        text = " ".join(lines)
        fact = _FACT.match(text)
        if fact and token.level > 1:
            page.facts.setdefault(_FACT_KEYS.get(fact[1].lower(), "yield"), fact[2].strip())
        elif text:
            page.description.append(text)


def _plain(token: Token, page: Page) -> list[str]:
    """The visible text of an inline token, line by line; its pictures go to ``page.pictures``."""
    text = "".join(_visible(token.children or [], page))
    lines = (" ".join(unicodedata.normalize("NFC", line).split()) for line in text.splitlines())
    return [line for line in lines if line]


def _visible(children: Sequence[Token], page: Page) -> Iterator[str]:
    for child in children:
        if child.type == "image":
            page.pictures.append(str(child.attrs.get("src", "")))
        elif child.type in ("text", "code_inline"):
            yield child.content
        elif child.type in ("softbreak", "hardbreak"):
            yield "\n"


def _section(heading: str) -> _Section | None:
    plain = unicodedata.normalize("NFD", heading.casefold())
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    if _INGREDIENTS.search(plain):
        return _Section.INGREDIENTS
    if _DIRECTIONS.search(plain):
        return _Section.DIRECTIONS
    return None
