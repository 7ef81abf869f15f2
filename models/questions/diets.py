"""Whether a recipe is vegetarian, and whether it is sweet or savoury: by the words of its ingredients and its tags."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from models.questions.dishes import SIDE_THINGS, SWEET
from models.questions.ingredients import phrases
from models.words.lexicon import words
from models.words.names import tokens

_ANIMALS = words("""
    meat beef steak veal pork ham bacon pancetta prosciutto guanciale speck salami pepperoni mortadella sausage chorizo
    kielbasa bratwurst andouille merguez nduja frankfurter lamb mutton goat venison bison boar rabbit chicken hen turkey
    duck goose quail pheasant squab poultry brisket sirloin chuck tenderloin sparerib oxtail liver tripe sweetbread foie
    meatball fish salmon tuna cod halibut tilapia trout snapper bass swordfish mackerel sardine herring catfish sole
    flounder haddock monkfish mahi mahimahi char hake pollock turbot branzino caviar roe shrimp prawn crab crabmeat
    lobster crawfish scallop mussel clam oyster squid calamari octopus seafood shellfish lox jerky lardon carnitas
    barbacoa escargot snail wing drumstick hotdog frank
    """)
#: Animals of several words, and what sounds like an animal and is none.
_ANIMAL_PHRASES = phrases("short rib, prime rib, back rib, hot dog, rib eye, rib roast")
_NO_ANIMALS = phrases("""
    goat cheese, goat milk, goat gouda, oyster mushroom, oyster cracker, hen of the wood, hen of wood,
    chicken of the wood, steak fry, steak tomato, cauliflower steak, cabbage steak, coconut meat, vegetarian sausage,
    vegan sausage, vegetable burger, soy chorizo, nut meat, mock duck
    """)
#: Animals in what nobody sees: the recipe is neither vegetarian nor seen not to be.
_HIDDEN_ANIMALS = phrases("""
    chicken broth, chicken stock, beef broth, beef stock, veal stock, fish stock, turkey stock, turkey broth,
    fish sauce, oyster sauce, clam juice, shrimp paste, bacon fat, bacon grease, duck fat, chicken fat, beef fat,
    bone broth, meat stock, lamb stock, chicken bouillon, beef bouillon, fish fumet, shrimp stock,
    lobster stock, bacon drippings,
    bacon dripping
    """)
_HIDDEN_WORDS = words("""
    anchovy gelatin lard worcestershire broth stock dashi bonito suet schmaltz dripping drippings demiglace demi tallow
    bouillon aspic marrow rennet katsuobushi fumet
    """)
_FREE_BROTHS = phrases(
    "vegetable broth, vegetable stock, vegetarian broth, mushroom broth, mushroom stock, vegan broth"
)
_SAVOURY = words("""
    garlic onion shallot scallion leek soy mustard cumin caper anchovy parmesan cheddar feta mozzarella broth stock
    oregano mayonnaise tomato mushroom spinach kale cabbage broccoli cauliflower asparagus eggplant celery lettuce
    arugula radish cucumber olive curry worcestershire paprika chickpea lentil bean
    """)
#: Words of animals that mean something else as often, and so are no sign of a savoury dish.
_NO_SIGN = words("goat bass sole roe")
_SUGAR = words("sugar honey syrup chocolate caramel marshmallow molasses jam dulce candy cookie agave")
_MEATLESS_TAGS = frozenset({"vegetarian", "vegan"})


def vegetarian(lines: Iterable[str], tags: Collection[str], title: str) -> bool | None:
    """Whether no animal is in it. None where one is that nobody sees (stock, gelatin, anchovies), or where the tags say
    otherwise."""
    texts = [_free(" ".join(tokens(line)), _FREE_BROTHS) for line in (*lines, title)]
    bare = [_free(text, _HIDDEN_ANIMALS) for text in texts]
    seen = any(_has_animal(_free(text, _NO_ANIMALS)) for text in bare)
    hidden = texts != bare or any(not _HIDDEN_WORDS.isdisjoint(text.split()) for text in texts)
    tagged = not _MEATLESS_TAGS.isdisjoint(tags)
    if seen:
        return None if tagged else False
    return None if hidden else True


def sweet(lines: Iterable[str], tags: Collection[str], kind: str | None) -> bool | None:
    """Whether it is sweet rather than savoury; None for drinks and sauces, and where the signs differ."""
    if kind == "drink" or kind in SIDE_THINGS:
        return None
    found = {word for line in lines for word in tokens(line)}
    savoury = not _SAVOURY.isdisjoint(found) or not (_ANIMALS - _NO_SIGN).isdisjoint(found)
    sugared = not _SUGAR.isdisjoint(found)
    dessert = "dessert" in tags or kind in SWEET
    if dessert:
        return None if savoury or not (sugared or not found) else True
    if savoury:
        return False
    return None


def _has_animal(text: str) -> bool:
    return not _ANIMALS.isdisjoint(text.split()) or any(f" {phrase} " in f" {text} " for phrase in _ANIMAL_PHRASES)


def _free(text: str, names: Collection[str]) -> str:
    """A text of words without these phrases."""
    padded = f" {text} "
    for phrase in names:
        padded = padded.replace(f" {phrase} ", " | ")
    return padded.strip()
