"""How questions are worded. The wording never depends on the answer."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from models.questions.ingredients import Ingredient

WORDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ingredient": (
            "{is_there} {x} in it?",
            "{is_there} {x} in this dish?",
            "{is_there} any {x} in this?",
            "does it contain {x}?",
            "does this dish have {x} in it?",
            "is it made with {x}?",
            "can you see {x} in the photo?",
        ),
        "choice": (
            "which of these is it made with: {options}?",
            "which of these ingredients is in it: {options}?",
            "which one is in this dish: {options}?",
            "what does it contain: {options}?",
            "which of these can be seen: {options}?",
        ),
        "main_ingredient": (
            "what is the main ingredient?",
            "what is it mainly made of?",
            "what is the main ingredient of this dish?",
            "which ingredient is there most of?",
            "what is this dish based on?",
        ),
        "dish": (
            "what kind of dish is it?",
            "what kind of dish is this?",
            "what type of food is it?",
            "what dish is shown?",
            "what is this?",
        ),
        "course": (
            "which course is it?",
            "what course is this dish for?",
            "which part of a meal is it?",
            "is it a starter, a main course or something else?",
            "when in a meal is it served?",
        ),
        "vegetarian": (
            "is it vegetarian?",
            "is this dish vegetarian?",
            "can a vegetarian eat this?",
            "is it free of meat and fish?",
            "is this suitable for vegetarians?",
        ),
        "taste": (
            "is it sweet or savoury?",
            "does it taste sweet or savoury?",
            "is this dish sweet or savoury?",
            "sweet or savoury?",
            "would you call it sweet or savoury?",
        ),
        "technique": (
            "how was it cooked?",
            "how is it prepared?",
            "how was this dish made?",
            "what was the cooking method?",
            "is it baked, fried, grilled or cooked another way?",
        ),
    }
)

#: Wordings that no training question has, to see whether a model understands more than those that it was shown.
UNSEEN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ingredient": ("did they use {x} for this dish?", "would i find {x} in this?", "{is_there} {x} on the plate?"),
        "choice": ("one of these is in the dish, which: {options}?", "what can you see in it, {options}?"),
        "main_ingredient": ("what ingredient is this dish mainly made of?", "what is there most of in this dish?"),
        "dish": ("what kind of food is shown in the photo?", "what type of dish is this?"),
        "course": ("for which course is this served?", "what part of the meal is this dish?"),
        "vegetarian": ("does it suit vegetarians?", "could a vegetarian have this dish?"),
        "taste": ("is the taste sweet or savoury?", "is this a sweet or a savoury dish?"),
        "technique": ("what method was it cooked by?", "in what way was this cooked?"),
    }
)


def ask(templates: Sequence[str], rng: random.Random, ingredient: Ingredient | None = None, options: str = "") -> str:
    """One of the wordings, filled in."""
    is_there = "are there" if ingredient and ingredient.plural else "is there"
    return rng.choice(templates).format(is_there=is_there, x=ingredient.name if ingredient else "", options=options)


def listed(options: Sequence[str]) -> str:
    """ "a, b, c or d"."""
    return f"{', '.join(options[:-1])} or {options[-1]}"
