"""What is known of a photo by its recipe: for each fact true, false, or nothing said."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.data import RecipeExample
from models.questions.diets import sweet, vegetarian
from models.questions.dishes import NO_DISH, SIDE_THINGS, SMOOTH, SWEET, course_of, dish_kind, head_of, technique_of
from models.questions.ingredients import Ingredient, asked_ingredients, ingredient_of
from models.types import RecipeText
from models.words.names import IngredientNames, tokens

_OPTIONAL = re.compile(r"\boptional\b|\baccompaniments?\b|\bserv(?:e|ing) with\b|\bif desired\b", re.IGNORECASE)
_OR = re.compile(r"\bor\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Facts:
    """Attributes:
    ingredients: of each ingredient that is surely seen or surely not there, which of both.
    answers: the answer to each other type of question that has one, by type.
    kind: the kind of dish, None where the title does not say it.
    """

    ingredients: Mapping[str, bool]
    answers: Mapping[str, str]
    kind: str | None = None


def facts_of(recipe: RecipeExample, names: IngredientNames) -> Facts:
    """The facts of a recipe. One of a title alone says what kind of dish it is and what it is mainly made of, but not
    what is not in it."""
    title, lines = recipe.text.title, recipe.text.ingredients
    tags = {tag.casefold() for tag in recipe.tags}
    named = _named(title)
    kind = dish_kind(title)
    if kind in SWEET and any(each.kind != "other" for each in _named(head_of(title))):
        kind = None  # crab cakes
    found: dict[str, bool] = {}
    answers: dict[str, str | None] = {"dish": None if kind in NO_DISH else kind, "course": course_of(kind, tags)}
    if lines:
        found = _ingredients(recipe.text, tags, names, kind, named)
        answers["taste"] = _choose(sweet(lines, tags, kind), "sweet", "savoury")
        if answers["taste"] == "savoury":
            answers["vegetarian"] = _choose(vegetarian(lines, tags, title), "yes", "no")
        answers["technique"] = technique_of(title, kind, tags, recipe.text.instructions)
    answers["main_ingredient"] = _main(title, found if lines else None, kind)
    return Facts(found, {name: answer for name, answer in answers.items() if answer}, kind)


def agreed(facts: Sequence[Facts]) -> Facts:
    """What all the recipes of one photo agree on, each of them saying it."""
    first, *others = facts
    ingredients = dict(first.ingredients)
    answers = dict(first.answers)
    for other in others:
        ingredients = {name: value for name, value in ingredients.items() if other.ingredients.get(name) is value}
        answers = {name: answer for name, answer in answers.items() if other.answers.get(name) == answer}
    same = all(other.kind == first.kind for other in others)
    return Facts(ingredients, answers, first.kind if same else None)


def _choose(value: bool | None, yes: str, no: str) -> str | None:
    return None if value is None else yes if value else no


def _named(title: str) -> list[Ingredient]:
    """The ingredients that a title names, in its order, by the longest ending at each place."""
    words = list(tokens(title))
    found: list[str] = []
    end = len(words)
    while end > 0:
        for start in range(max(0, end - 4), end):
            name = ingredient_of_phrase(words[start:end])
            if name is not None:
                found.append(name)
                end = start
                break
        else:
            end -= 1
    return [asked_ingredients()[name] for name in dict.fromkeys(reversed(found))]


def ingredient_of_phrase(words: Sequence[str]) -> str | None:
    """The ingredient whose name is exactly these words."""
    phrase = " ".join(words)
    name = ingredient_of(phrase)
    return name if name is not None and phrase in asked_ingredients()[name].endings else None


def _ingredients(
    text: RecipeText, tags: set[str], names: IngredientNames, kind: str | None, named: Sequence[Ingredient]
) -> dict[str, bool]:
    sure: set[str] = set()
    for line in text.ingredients:
        own = {_asked(line, names)} if _OPTIONAL.search(line) is None else set()
        alternatives = {_asked(part, names) for part in _OR.split(line)[1:]} - {None} - own
        if not alternatives:
            sure |= {name for name in own if name}
    called = {ingredient.name for ingredient in named}
    mentioned = "".join(
        f" {' '.join(tokens(part))} ." for part in (text.title, *text.ingredients, *text.instructions, *tags)
    )
    found: dict[str, bool] = {}
    for name, ingredient in asked_ingredients().items():
        if name in sure:
            if name in called or (ingredient.visibility == "shown" and kind not in SMOOTH):
                found[name] = True
        elif not any(f" {phrase} " in mentioned for phrase in ingredient.mentions):
            found[name] = False
    return found


def _asked(line: str, names: IngredientNames) -> str | None:
    """The asked ingredient of a line, the first of its names."""
    return next((asked for name in names.of_line(line) if (asked := ingredient_of(name))), None)


def _main(title: str, found: Mapping[str, bool] | None, kind: str | None) -> str | None:
    """The one ingredient that the title names and that the recipe has, of which a dish can mainly be made; of several
    the one meat or fish. What stands before "with" counts before what stands after it."""
    if kind == "drink" or kind in SIDE_THINGS:
        return None
    for part in (head_of(title), title):
        mains = [each for each in _named(part) if each.main and (found is None or found.get(each.name))]
        chosen = [each for each in mains if each.kind != "other"] or mains
        if chosen:
            return chosen[0].name if len(chosen) == 1 else None
    return None
