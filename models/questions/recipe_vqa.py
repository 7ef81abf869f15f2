"""RecipeVQA: questions about photos of dishes, answered by their recipes.

The rule, in short (docs/recipe-vqa.md has it in full). A recipe does not say what its photo shows, so only what can be
expected to be seen is asked, and whatever is doubtful is left out rather than guessed:

- An ingredient is in it if a line of the recipe is it (:mod:`models.questions.ingredients`), neither as an option nor
  as an alternative, and it is in sight: in dishes where things are blended, baked in or melted only if the dish is
  called by it. It is not in it if nothing in title, lines, instructions and tags speaks of it, or of what might be it.
  Between the two it is not asked about.
- Kind of dish, course, technique, diet and taste come from titles, tags and words (:mod:`models.questions.dishes`,
  :mod:`models.questions.diets`), each only where the signs agree.
- One photo of several recipes has the facts that all of them have.
- A photo that shows next to nothing, and a training photo that is nearly one of a measured split, or whose recipe is,
  has no questions.

Then answers are balanced (:mod:`models.questions.balance`) in each split by itself: yes and no for each ingredient,
options of a choice by ingredient and place, and frequent answers of the other types are thinned out.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from models.data import DataError, RecipeExample, read_recipes
from models.questions.balance import distractors, even_out, negatives
from models.questions.facts import Facts, agreed, facts_of
from models.questions.ingredients import asked_ingredients
from models.questions.photos import Looks, by_photo, leaks
from models.questions.summary import QuestionSummary, summarize
from models.questions.wordings import UNSEEN, WORDINGS, ask, listed
from models.reasoning.questions import Question, write_questions
from models.words.names import IngredientNames
from models.words.store import SHIPPED_FOLDER, load_words

OnQuestions: TypeAlias = Callable[[str, int, int], None]

TRAIN = "train"
#: The split whose questions are those of ``val`` in wordings that no training question has.
PARAPHRASED = "val-paraphrased"
#: Training photos that an ingredient, or an answer of another type, has at least.
MIN_PHOTOS = 20
_OPTIONS = 4
_CHOICES_A_PHOTO = 2
_SINGLE = ("main_ingredient", "dish", "course", "vegetarian", "taste", "technique")


@dataclass(frozen=True, slots=True)
class _Photo:
    id: str
    image: Path
    facts: Facts


@dataclass(frozen=True, slots=True)
class _Ask:
    """A question before it is worded. ``about`` is an ingredient, or the options of a choice."""

    photo: _Photo
    type: str
    answer: str
    about: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BuiltQuestions:
    """What was written: a summary of it, and how many photos have no question, by reason."""

    summary: QuestionSummary
    left_out: Mapping[str, int]


def build_recipe_vqa(
    recipes: Path, out: Path, *, seed: int = 0, min_photos: int = MIN_PHOTOS, on_progress: OnQuestions | None = None
) -> BuiltQuestions:
    """Make the questions of a folder of recipes with photos and write them to ``out``; the photos stay where they are.

    Args:
        recipes: folder with ``recipes.jsonl``; its splits are the splits of the questions.
        out: folder for ``questions.jsonl`` and ``dataset.json``.
        seed: decides wordings and choices: the same seed over the same recipes gives the same file.
        min_photos: training photos that an ingredient, or an answer of another type, has at least.
        on_progress: called with (what, done, total).

    Raises:
        DataError: the recipes can't be read, a photo is broken, or no question could be made.
        WordsUnavailableError: the names of ingredients that come with the package are damaged.
    """
    report = on_progress or (lambda *_: None)
    photos, left_out = _photos(read_recipes(recipes), report)
    if not photos.get(TRAIN):
        raise DataError(f"{recipes} has no photos of split {TRAIN!r}, which says what is asked about")
    known = _known(photos[TRAIN], min_photos)
    questions: list[Question] = []
    for split, own in photos.items():
        asks = _asks(own, known, random.Random(f"{seed} {split}"))
        questions += _worded(asks, split, WORDINGS, random.Random(f"{seed} {split} wordings"))
        if split == "val":
            questions += _worded(asks, PARAPHRASED, UNSEEN, random.Random(f"{seed} {split} unseen"))
    if not questions:
        raise DataError(f"no question could be made of {recipes}; its recipes need photos, ingredients and titles")
    summary = summarize(questions)
    about = {"name": "recipe-vqa", "image_root": _relative(recipes, out), "seed": seed, **_about(summary, left_out)}
    write_questions(out, questions, about)
    return BuiltQuestions(summary, left_out)


def _about(summary: QuestionSummary, left_out: Mapping[str, int]) -> dict[str, Any]:
    return {
        "description": "questions about photos of dishes, answered by rule from their recipes",
        "licence": "that of the recipes and photos",
        "left_out": dict(left_out),
        "types": summary.to_json(),
    }


def _photos(recipes: Sequence[RecipeExample], report: OnQuestions) -> tuple[dict[str, list[_Photo]], dict[str, int]]:
    """The photos of each split with their facts, and how many were left out, by reason."""
    groups = by_photo(recipes)
    by_split: dict[str, list[list[RecipeExample]]] = {}
    for group in groups:
        # A photo of two splits belongs to the measured one.
        split = min((recipe.split for recipe in group), key=lambda name: (name == TRAIN, name))
        by_split.setdefault(split, []).append([recipe for recipe in group if recipe.split == split])
    looks = {split: Looks.of([_photo(group) for group in own], report) for split, own in by_split.items()}
    leaking, blank = 0, 0
    kept: dict[str, list[list[RecipeExample]]] = {}
    for split, own in by_split.items():
        dull = looks[split].blank
        known = np.zeros(len(own), dtype=np.bool_)
        for other in by_split:
            if split == TRAIN and other != TRAIN:
                known |= leaks(own, by_split[other], looks[split], looks[other])
        kept[split] = [group for group, out in zip(own, dull | known, strict=True) if not out]
        leaking, blank = leaking + int(known.sum()), blank + int((dull & ~known).sum())
    names = IngredientNames(frozenset(load_words(SHIPPED_FOLDER).names))
    total, done = sum(map(len, kept.values())), 0
    photos: dict[str, list[_Photo]] = {}
    for split in sorted(kept):
        photos[split] = []
        for group in kept[split]:
            facts = agreed([facts_of(recipe, names) for recipe in group])
            photos[split].append(_Photo(group[0].id, _photo(group), facts))
            done += 1
            report("recipes", done, total)
    return photos, {
        "training photos that a measured split has nearly, too": leaking,
        "photos that show next to nothing": blank,
        "further recipes of a photo": sum(recipe.image is not None for recipe in recipes) - len(groups),
    }


def _photo(group: Sequence[RecipeExample]) -> Path:
    return next(recipe.image for recipe in group if recipe.image is not None)


def _known(photos: Sequence[_Photo], least: int) -> dict[str, frozenset[str]]:
    """The ingredients and the answers of each other type that enough training photos have."""
    counts = {kind: Counter(each.facts.answers.get(kind) for each in photos) for kind in _SINGLE}
    counts["ingredient"] = Counter(name for each in photos for name, there in each.facts.ingredients.items() if there)
    return {
        kind: frozenset(answer for answer, count in found.items() if answer is not None and count >= least)
        for kind, found in counts.items()
    }


def _asks(photos: Sequence[_Photo], known: Mapping[str, frozenset[str]], rng: random.Random) -> list[_Ask]:
    asks = [*_yes_or_no(photos, known["ingredient"], rng), *_choices(photos, known["ingredient"], rng)]
    for kind in _SINGLE:
        answers = {
            place: answer
            for place, photo in enumerate(photos)
            if (answer := photo.facts.answers.get(kind)) is not None and answer in known[kind]
        }
        if len(set(answers.values())) > 1:
            asks += [_Ask(photos[place], kind, answers[place]) for place in even_out(answers, rng)]
    return asks


def _yes_or_no(photos: Sequence[_Photo], known: frozenset[str], rng: random.Random) -> list[_Ask]:
    there = [(place, name) for place, photo in enumerate(photos) for name in _names(photo, known, there=True)]
    absent = {
        name: [place for place, photo in enumerate(photos) if photo.facts.ingredients.get(name) is False]
        for name in asked_ingredients()
        if name in known
    }
    contexts = [_context(photo.facts) for photo in photos]
    asks: list[_Ask] = []
    for (place, name), negative in zip(there, negatives(there, absent, contexts, rng), strict=True):
        if negative is not None:
            asks.append(_Ask(photos[place], "ingredient", "yes", (name,)))
            asks.append(_Ask(photos[negative[0]], "ingredient", "no", (name,)))
    return asks


def _choices(photos: Sequence[_Photo], known: frozenset[str], rng: random.Random) -> list[_Ask]:
    chosen: list[tuple[_Photo, str]] = []
    for photo in photos:
        names = _names(photo, known, there=True)
        chosen += [(photo, name) for name in rng.sample(names, min(_CHOICES_A_PHOTO, len(names)))]
    absent = [_names(photo, known, there=False) for photo, _ in chosen]
    asks: list[_Ask] = []
    places = Counter({name: rng.randrange(_OPTIONS) for name in sorted(known)})
    for (photo, name), wrong in zip(
        chosen, distractors([name for _, name in chosen], absent, _OPTIONS - 1, rng), strict=True
    ):
        if wrong is not None:
            # Each ingredient is the right one at each place in turn.
            options = list(wrong)
            options.insert(places[name] % _OPTIONS, name)
            places[name] += 1
            asks.append(_Ask(photo, "choice", name, tuple(options)))
    return asks


def _names(photo: _Photo, known: frozenset[str], *, there: bool) -> list[str]:
    return [name for name, value in photo.facts.ingredients.items() if value is there and name in known]


def _context(facts: Facts) -> str:
    """What makes two dishes alike: the kind, or how they taste."""
    return facts.kind or facts.answers.get("taste") or facts.answers.get("course") or ""


def _worded(
    asks: Sequence[_Ask], split: str, wordings: Mapping[str, Sequence[str]], rng: random.Random
) -> list[Question]:
    ingredients = asked_ingredients()
    questions: list[Question] = []
    for each in asks:
        single = ingredients[each.about[0]] if each.type == "ingredient" else None
        options = listed(each.about) if each.type == "choice" else ""
        detail = {"ingredient": each.about[:1], "choice": (each.answer,)}.get(each.type, ())
        identity = ":".join((each.photo.id, split, each.type, *detail))
        text = ask(wordings[each.type], rng, single, options)
        questions.append(Question(identity, each.photo.image, text, {each.answer: 1.0}, each.type, split))
    return questions


def _relative(recipes: Path, out: Path) -> str:
    return Path(os.path.relpath(recipes.resolve(), out.resolve())).as_posix()
