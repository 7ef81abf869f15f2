"""schema.org ``Recipe`` JSON-LD <-> :class:`index.types.Recipe`. Plain dictionaries in, plain dictionaries out.

Sources: https://schema.org/Recipe and Google's structured-data guide for recipes, which is what publishers follow.
Publishers also get it wrong in well-known ways (one string where a list belongs, HTML inside text, the older
``ingredients``), and those are read as what they mean.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from index.text import tag_key
from index.types import JsonValue, Recipe

CONTEXT = "https://schema.org"
MEDIA_TYPE = "application/ld+json"

# schema.org property <-> the key under which ``Recipe.extra`` keeps it; any other property keeps its own name.
_EXTRA_KEYS: Mapping[str, str] = {
    "recipeCuisine": "cuisine",
    "recipeCategory": "course",
    "recipeYield": "yield",
    "prepTime": "prep_time",
    "cookTime": "cook_time",
    "totalTime": "total_time",
    "datePublished": "date",
}
_PROPERTIES: Mapping[str, str] = {key: name for name, key in _EXTRA_KEYS.items()}
_INGREDIENTS = ("recipeIngredient", "ingredients")
# What has a place of its own in ``Recipe``, or belongs to the stored item instead of to its content.
_CONSUMED = frozenset({*_INGREDIENTS, "name", "headline", "recipeInstructions", "keywords", "image", "identifier"})
_MAX_DEPTH = 12
_MARKUP_BREAK = re.compile(r"<\s*(?:br|/p|/li|/div|/h[1-6])\b[^>]*>", re.IGNORECASE)
_MARKUP = re.compile(r"<[a-zA-Z/!][^>]*>")
_NUMBERING = re.compile(r"^(?:step\s+)?\d{1,3}[.):]\s+", re.IGNORECASE)


class SchemaOrgError(ValueError):
    """The document is not a usable schema.org recipe; the message is one clear sentence for the user."""


def find_recipes(document: object) -> Iterator[Mapping[str, JsonValue]]:
    """Yield every ``Recipe`` object of a JSON-LD document, in order.

    Looks through arrays, ``@graph``, ``mainEntity``, ``itemListElement`` and ``item``; a recipe nested in a recipe
    is part of it and not a second one.
    """
    yield from _find(document, 0)


def recipe_from_jsonld(document: Mapping[str, object]) -> Recipe:
    """Read one schema.org recipe.

    ``name`` becomes the title, ``recipeIngredient`` the ingredients, ``recipeInstructions`` (text, lists,
    ``HowToStep``, ``HowToSection``) the instructions and ``keywords`` the tags; ``recipeCuisine`` and its like go to
    ``extra`` under plain names (``cuisine``, ``course``, ``yield``, ``prep_time``, ``cook_time``, ``total_time``,
    ``date``); any other property is kept in ``extra`` under its own name.

    Raises:
        SchemaOrgError: not of type ``Recipe``, or without a name, an ingredient and an instruction.
    """
    if not is_recipe(document):
        raise SchemaOrgError('the JSON-LD object has no "@type": "Recipe"')
    ingredients = next((document[name] for name in _INGREDIENTS if document.get(name)), None)
    recipe = Recipe(
        title=" ".join(_lines(document.get("name") or document.get("headline"), 0)),
        ingredients=tuple(_lines(ingredients, 0)),
        instructions=tuple(_steps(document.get("recipeInstructions"))),
        tags=_keywords(document.get("keywords")),
        extra=_extra(document),
    )
    if not (recipe.title or recipe.ingredients or recipe.instructions):
        raise SchemaOrgError("the recipe has no name, no recipeIngredient and no recipeInstructions; give at least one")
    return recipe


def recipe_to_jsonld(
    recipe: Recipe, *, recipe_id: str | None = None, url: str | None = None, images: Iterable[str] = ()
) -> dict[str, JsonValue]:
    """Write a recipe as a schema.org object; text without markup is read back by :func:`recipe_from_jsonld` unchanged.

    ``recipe_id`` becomes ``identifier``, ``url`` the ``@id``, ``images`` (addresses) the ``image``. A key of
    ``extra`` that would hide one of these properties (``name``, ``@type`` ...) is left out.
    """
    document: dict[str, JsonValue] = {"@context": CONTEXT, "@type": "Recipe"}
    if url is not None:
        document["@id"] = url
    if recipe_id is not None:
        document["identifier"] = recipe_id
    if recipe.title:
        document["name"] = recipe.title
    addresses = list(images)
    if addresses:
        document["image"] = addresses
    if recipe.ingredients:
        document["recipeIngredient"] = list(recipe.ingredients)
    if recipe.instructions:
        document["recipeInstructions"] = [{"@type": "HowToStep", "text": line} for line in recipe.instructions]
    if recipe.tags:
        # A string of keywords is split at its commas by every reader, so a tag that holds one needs the list form.
        separable = not any("," in tag for tag in recipe.tags)
        document["keywords"] = ", ".join(recipe.tags) if separable else list(recipe.tags)
    for key, value in recipe.extra.items():
        name = _PROPERTIES.get(key, key)
        if name not in _CONSUMED and not name.startswith("@"):
            document.setdefault(name, value)
    return document


def recipe_identifier(document: Mapping[str, object]) -> str | None:
    """The publisher's own id: ``identifier`` as text, or as a ``PropertyValue``'s value; otherwise None."""
    identifier = document.get("identifier")
    if isinstance(identifier, Mapping):
        identifier = identifier.get("value")
    if isinstance(identifier, str | int) and not isinstance(identifier, bool):
        return str(identifier).strip() or None
    return None


def recipe_images(document: Mapping[str, object]) -> tuple[str, ...]:
    """Addresses of the recipe's pictures as written: text, ``ImageObject`` (``contentUrl``, ``url``) or lists."""
    return tuple(dict.fromkeys(_addresses(document.get("image"), 0)))


def is_recipe(value: object) -> bool:
    """Whether ``value`` is an object of schema.org type ``Recipe`` (alone, among others, or as a full address)."""
    if not isinstance(value, Mapping):
        return False
    types = value.get("@type")
    names = types if isinstance(types, list) else [types]
    return any(isinstance(name, str) and re.split(r"[/:#]", name)[-1] == "Recipe" for name in names)


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags as :mod:`index.text` compares and spells them, blank ones dropped; what can't be a tag is refused later,
    where the item is stored."""
    unique: dict[str, str] = {}
    for tag in tags:
        text = unicodedata.normalize("NFC", " ".join(tag.split()))
        if text:
            unique.setdefault(tag_key(text), text)
    return tuple(unique.values())


def _find(value: object, depth: int) -> Iterator[Mapping[str, JsonValue]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for entry in value:
            yield from _find(entry, depth + 1)
    elif isinstance(value, Mapping):
        if is_recipe(value):
            yield value
            return
        for key in ("@graph", "mainEntity", "mainEntityOfPage", "itemListElement", "item"):
            yield from _find(value.get(key), depth + 1)


def _text_lines(text: str) -> Iterator[str]:
    """Split text into lines without markup; entities are decoded twice, since publishers often encode twice."""
    plain = _MARKUP.sub("", _MARKUP_BREAK.sub("\n", html.unescape(html.unescape(text))))
    for line in plain.splitlines():
        cleaned = " ".join(unicodedata.normalize("NFC", line).split())
        if cleaned:
            yield cleaned


def _lines(value: object, depth: int) -> Iterator[str]:
    """Every line of text in a property that may be text, a number, a list or an object that names its text."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        yield from _text_lines(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, list):
        for entry in value:
            yield from _lines(entry, depth + 1)
    elif isinstance(value, Mapping):
        elements = value.get("itemListElement")
        if elements:
            heading = " ".join(_lines(value.get("name"), depth + 1))
            if heading:
                yield heading if heading.endswith(":") else f"{heading}:"
            yield from _lines(elements, depth + 1)
        else:
            yield from _lines(value.get("text") or value.get("item") or value.get("name"), depth + 1)


def _steps(value: object) -> Iterator[str]:
    # Only text that holds all steps at once numbers them by hand; in a list "2. rise" may be what the author means.
    numbered = isinstance(value, str)
    for line in _lines(value, 0):
        step = _NUMBERING.sub("", line) if numbered else line
        if step:
            yield step


def _keywords(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return clean_tags(part for line in _text_lines(value) for part in line.split(","))
    return clean_tags(_lines(value, 0))


def _addresses(value: object, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        if value.strip():
            yield value.strip()
    elif isinstance(value, list):
        for entry in value:
            yield from _addresses(entry, depth + 1)
    elif isinstance(value, Mapping):
        yield from _addresses(value.get("contentUrl") or value.get("url") or value.get("@id"), depth + 1)


def _extra(document: Mapping[str, object]) -> dict[str, JsonValue]:
    extra: dict[str, JsonValue] = {}
    for name, value in document.items():
        if name in _CONSUMED or name.startswith("@") or value is None:
            continue
        plain = _json(value, 0)
        # An author is nearly always a Person of whom nothing but the name is given.
        if name == "author" and isinstance(plain, Mapping) and set(plain) == {"@type", "name"}:
            plain = plain["name"]
        extra[_EXTRA_KEYS.get(name, name)] = plain
    return extra


def _json(value: object, depth: int) -> JsonValue:
    """A copy of ``value`` that is JSON and nothing else. Raises SchemaOrgError on what JSON can't hold."""
    if depth > _MAX_DEPTH:
        raise SchemaOrgError(f"the recipe is nested more than {_MAX_DEPTH} levels deep")
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise SchemaOrgError("the recipe holds a number that is not finite (NaN or Infinity)")
        return value
    if isinstance(value, Mapping):
        return {str(key): _json(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_json(entry, depth + 1) for entry in value]
    raise SchemaOrgError(f"the recipe holds a value of type {type(value).__name__}, which is not JSON")
