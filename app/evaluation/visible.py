"""Which ingredient tags arithmetic is measured on: the ingredients of the built-in vocabulary that stay to be seen."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from models.tagging.vocabulary import built_in_groups

# fmt: off
#: Ingredients of the built-in vocabulary that are left out, by the reason.
NOT_SEEN: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "ground, dissolved or poured into the dish": (
        "anchovy", "anise", "bitters", "bourbon", "brandy", "butter", "buttermilk", "cardamom", "champagne", "cinnamon",
        "clove", "coffee", "coriander", "cornmeal", "cream cheese", "cumin", "fruit juice", "garlic", "gin", "ginger",
        "hominy/cornmeal/masa", "honey", "horseradish", "lemon juice", "lemongrass", "lime juice", "liqueur",
        "maple syrup", "mayonnaise", "milk/cream", "mustard", "nutmeg", "onion", "orange juice", "oregano", "paprika",
        "pepper", "red wine", "rum", "saffron", "sherry", "sour cream", "soy", "soy sauce", "spirit", "tequila",
        "vanilla", "vinegar", "vodka", "whiskey", "white wine", "wine", "yogurt",
    ),
    "a family whose members are tags too, so that no swap of a member leaves it true": (
        "berry", "citrus", "dried fruit", "fruit", "leafy green", "legume", "meat", "nut", "poultry", "root vegetable",
        "seafood", "seed", "shellfish", "tree nut", "tropical fruit", "vegetable",
    ),
})
# fmt: on

#: Foods that the vocabulary files under dishes, though they are put on a plate beside others.
_FILED_AS_DISHES = ("bread", "pasta", "steak")


def visible_ingredients() -> frozenset[str]:
    """The tags that count, in lower case; all others are ignored by the benchmark."""
    unseen = {tag for tags in NOT_SEEN.values() for tag in tags}
    return frozenset(
        tag
        for tag, group in built_in_groups().items()
        if (group == "ingredient" and tag not in unseen) or tag in _FILED_AS_DISHES
    )
