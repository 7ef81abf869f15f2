"""What kind of dish it is, which course, how it was cooked: by rule from a recipe's title, tags and instructions.

A rule that is not sure says None, and the question is not asked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from models.words.names import tokens

# fmt: off
_KINDS: Mapping[str, str] = MappingProxyType({
    "soup": "soup, chowder, bisque, gazpacho, minestrone, pho, ramen, consomme, borscht",
    "stew": "stew, chili, ragout, goulash, tagine, gumbo, cassoulet, bourguignon, cioppino",
    "curry": "curry, dal, korma, vindaloo",
    "salad": "salad, slaw, coleslaw, tabbouleh, panzanella",
    "sandwich": (
        "sandwich, burger, hamburger, cheeseburger, panini, slider, hoagie, cheesesteak, hot dog, torta, sub, "
        "po boy, blt, wrap, club"
    ),
    "pizza": "pizza, pizzette, flatbread, pizzetta",
    "pasta": (
        "pasta, spaghetti, linguine, lasagna, lasagne, penne, fettuccine, rigatoni, orecchiette, macaroni, "
        "mac cheese, ravioli, tagliatelle, pappardelle, bucatini, carbonara, ziti, fusilli, farfalle, "
        "cavatelli, tortellini, orzo, macaroni cheese"
    ),
    "noodles": "noodle, pad thai, lo mein, soba, udon, chow mein",
    "tacos": "taco, tostada, quesadilla, burrito, enchilada, fajita, taquito",
    "rice": "risotto, paella, pilaf, fried rice, biryani, jambalaya",
    "cake": "cake, cupcake, torte, cheesecake, gingerbread, coffeecake, shortcake, bundt, whoopie pie",
    "cookies": "cookie, biscotti, shortbread, brownie, blondie, macaroon, snickerdoodle, gingersnap, macaron, bar",
    "pie": "pie, tart, galette, crostata, tartlet, quiche, tarte",
    "bread": "bread, focaccia, cornbread, biscuit, scone, bun, dinner roll, challah, brioche, bagel, popover, loaf",
    "muffins": "muffin",
    "pancakes": "pancake, waffle, crepe, french toast, blintz, flapjack",
    "ice cream": (
        "ice cream, sorbet, gelato, granita, popsicle, sherbet, semifreddo, frozen yogurt, ice pop, sundae, "
        "paleta, ice"
    ),
    "pudding": (
        "pudding, mousse, panna cotta, custard, creme brulee, pot de creme, flan, trifle, parfait, creme "
        "caramel"
    ),
    "drink": (
        "cocktail, martini, margarita, punch, lemonade, smoothie, spritz, sangria, spritzer, latte, toddy, "
        "fizz, julep, mojito, daiquiri, collins, iced tea, tea, cooler, bellini, mule, sour, manhattan, "
        "negroni, milkshake, shake, hot chocolate, cider, eggnog, bloody mary, tonic, juice, caipirinha, agua "
        "fresca, coffee, mimosa, sling, old fashioned, limeade, highball"
    ),
    "sauce": (
        "sauce, salsa, dip, dressing, vinaigrette, pesto, aioli, mayonnaise, jam, chutney, relish, syrup, gravy, "
        "hummus, compote, mustard, ketchup, marmalade, guacamole, butter, spread, tapenade, jelly, frosting, "
        "conserve, preserve, chimichurri, raita, tzatziki"
    ),
    "seasoning": "marinade, rub, glaze, vinegar, oil, seasoning, salt, topping, stock, broth, powder, mix, paste",
    "gratin": "gratin, casserole, strata, bread pudding",
    "eggs": "omelet, omelette, frittata, scrambled egg, fried egg, poached egg, egg, shakshuka, deviled egg",
    "skewers": "kebab, skewer, satay, kabob, brochette, souvlaki, yakitori",
})
_TECHNIQUE_TAGS: Mapping[str, str] = MappingProxyType({
    "bake": "baked", "roast": "roasted", "grill": "grilled", "grill/barbecue": "grilled", "fry": "fried",
    "deep-fry": "fried", "pan-fry": "fried", "stir-fry": "stir-fried", "braise": "braised", "steam": "steamed",
    "poach": "poached", "no-cook": "not cooked", "raw": "not cooked", "stew": "braised", "broil": "broiled",
})
_TECHNIQUE_TITLES: Mapping[str, str] = MappingProxyType({
    "baked": "baked", "roasted": "roasted", "roast": "roasted", "grilled": "grilled", "barbecued": "grilled",
    "fried": "fried", "braised": "braised", "steamed": "steamed", "poached": "poached", "raw": "not cooked",
    "broiled": "broiled", "tempura": "fried", "stir": "stir-fried",
})
_STEMS: Mapping[str, str] = MappingProxyType({
    "baked": r"\bbak(?:e|ed|ing)\b|\boven\b", "roasted": r"\broast", "grilled": r"\bgrill|\bbarbecue",
    "fried": r"\bfry|\bfried\b|\bhot oil\b|\bskillet\b", "stir-fried": r"\bwok\b|\bstir",
    "braised": r"\bbrais|\bsimmer|\bcover",
    "steamed": r"\bsteam", "poached": r"\bpoach|\bsimmer", "not cooked": r"", "broiled": r"\bbroil",
})
# fmt: on
#: Kinds of dishes in which an ingredient is out of sight unless the dish is called by it.
SMOOTH = frozenset(
    {
        "soup",
        "drink",
        "sauce",
        "seasoning",
        "ice cream",
        "pudding",
        "cake",
        "cookies",
        "pie",
        "bread",
        "muffins",
        "pancakes",
    }
)
SWEET = frozenset({"cake", "cookies", "ice cream", "pudding", "muffins"})
_BAKED = frozenset({"cake", "cookies", "pie", "bread", "muffins"})
#: What belongs to another dish, which its photo may well show in its place.
SIDE_THINGS = frozenset({"sauce", "seasoning"})
#: What is no kind of dish to ask about.
NO_DISH = frozenset({"seasoning"})
_HEAT = re.compile(
    r"\b(?:bake|roast|grill|fry|saute|sauté|simmer|boil|broil|oven|skillet|toast|cook|preheat|heat)\b", re.I
)
_CUT = re.compile(r"\b(?:with|in|on|over|under|from|for|topped|without|à la|a la)\b", re.IGNORECASE)
_JOINT = re.compile(r"\band\b|[&,/]", re.IGNORECASE)
_BRACKETS = re.compile(r"\([^)]*\)|\[[^\]]*\]")
_COURSES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "dessert": frozenset({"dessert"}),
        "breakfast": frozenset({"breakfast", "brunch"}),
        "appetizer": frozenset({"appetizer", "hors d'oeuvre"}),
        "side dish": frozenset({"side"}),
        "main course": frozenset({"dinner", "lunch", "main"}),
    }
)


def dish_kind(title: str) -> str | None:
    """The kind of dish that a title names, by the last words of what stands before "with", "in", "on" and the like.

    "Pasta Salad with Tuna" is a salad. What joins two kinds by "and" has none, nor has what joins a dish and something
    beside it ("Pork Chops and Gravy").
    """
    head = head_of(title)
    words = _words(head)
    whole = _kind_at_end(words)
    parts = [_words(part) for part in _JOINT.split(head)]
    kinds = {found[0] for part in parts if (found := _kind_at_end(part))}
    if whole is None or len(kinds) > 1:
        return None
    kind, size = whole
    alone = len(parts) > 1 and len(parts[-1]) <= size and size == 1
    return None if alone else kind


def head_of(title: str) -> str:
    """What stands before "with", "in", "on" and the like, without brackets."""
    return _CUT.split(_BRACKETS.sub(" ", title))[0]


def _words(text: str) -> list[str]:
    return [word for word in tokens(text) if word != "and"]


def _kind_at_end(words: list[str]) -> tuple[str, int] | None:
    """The kind that the last or the last but one word stands for, and of how many words its name is."""
    known = _kinds_by_name()
    for end in (len(words), len(words) - 1):
        for size in (2, 1):
            if end >= size and (kind := known.get(" ".join(words[end - size : end]))):
                return kind, size
    return None


@lru_cache(maxsize=1)
def _kinds_by_name() -> Mapping[str, str]:
    return {" ".join(tokens(name)): kind for kind, names in _KINDS.items() for name in names.split(", ")}


def course_of(kind: str | None, tags: Collection[str]) -> str | None:
    """The one course that the tags, in lower case, speak of; "main course" only where none of the others is.

    Without tags the kinds that are always sweet are desserts, and drinks are drinks.
    """
    if kind == "drink":
        return "drink"
    if kind in SIDE_THINGS or "drink" in tags:
        return None
    found = [course for course, names in _COURSES.items() if not names.isdisjoint(tags)]
    if kind in SWEET and kind != "muffins" and set(found) <= {"dessert"}:
        return "dessert"
    others = [course for course in found if course != "main course"]
    if len(others) == 1:
        return others[0]
    return found[0] if found == ["main course"] else None


def technique_of(title: str, kind: str | None, tags: Collection[str], instructions: Iterable[str]) -> str | None:
    """How it was cooked, where tags or the first word of the title say one way and the instructions agree.

    Sautéing and boiling leave little to see and don't count; broiling looks like grilling and is not asked about.
    """
    if kind in _BAKED:
        return "baked"
    if kind in SMOOTH:
        return None
    tagged = {way for tag in tags if (way := _TECHNIQUE_TAGS.get(tag))}
    first = re.findall(r"\w+", title.casefold())[:2]
    titled = {way for word in first if (way := _TECHNIQUE_TITLES.get(word))}
    if titled == {"stir-fried"} and "fry" not in first and "fried" not in first:
        titled = set()
    if "stir-fried" in titled | tagged:
        tagged, titled = tagged - {"fried"}, titled - {"fried"}
    ways = titled or tagged
    if len(ways) != 1 or (titled and tagged and not titled <= tagged):
        return None
    way = next(iter(ways))
    text = " ".join(instructions)
    if way == "broiled" or (text and not re.search(_STEMS[way], text, re.IGNORECASE)):
        return None
    return None if way == "not cooked" and _HEAT.search(text) else way
