"""The built-in vocabulary, written by hand from the tags of the Epicurious collection, and what was left out of it.

A tag is built in if a photo can show it and at least :data:`MIN_POSITIVES` photos of the training split carry it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from models.tagging.types import TagGroup

#: Tagged training photos that a built-in tag has at least: fewer can neither be learnt nor calibrated.
MIN_POSITIVES = 20

# fmt: off
_BUILT_IN: Mapping[TagGroup, tuple[str, ...]] = MappingProxyType({
    TagGroup.INGREDIENT: (
        "Almond", "Anchovy", "Anise", "Apple", "Apricot", "Artichoke", "Arugula", "Asparagus", "Avocado", "Bacon",
        "Banana", "Basil", "Bean", "Beef", "Beet", "Bell Pepper", "Berry", "Bitters", "Blackberry", "Blue Cheese",
        "Blueberry", "Bok Choy", "Bourbon", "Brandy", "Breadcrumbs", "Broccoli", "Brussel Sprout", "Butter",
        "Buttermilk", "Butternut Squash", "Cabbage", "Capers", "Cardamom", "Carrot", "Cauliflower", "Celery",
        "Champagne", "Chard", "Cheddar", "Cheese", "Cherry", "Chicken", "Chickpea", "Chile Pepper", "Chive",
        "Chocolate", "Cilantro", "Cinnamon", "Citrus", "Clam", "Clove", "Coconut", "Cod", "Coffee", "Coriander",
        "Corn", "Cornmeal", "Crab", "Cranberry", "Cream Cheese", "Cucumber", "Cumin", "Date", "Dill", "Dried Fruit",
        "Duck", "Egg", "Eggplant", "Fennel", "Feta", "Fig", "Fish", "Fruit", "Fruit Juice", "Garlic", "Gin", "Ginger",
        "Goat Cheese", "Grapefruit", "Green Bean", "Green Onion/Scallion", "Ground Beef", "Halibut", "Ham",
        "Hazelnut", "Hominy/Cornmeal/Masa", "Honey", "Horseradish", "Hot Pepper", "Jalapeño", "Jam or Jelly", "Kale",
        "Lamb", "Leafy Green", "Leek", "Legume", "Lemon", "Lemon Juice", "Lemongrass", "Lentil", "Lettuce", "Lime",
        "Lime Juice", "Liqueur", "Lobster", "Mango", "Maple Syrup", "Mayonnaise", "Meat", "Milk/Cream", "Mint",
        "Mozzarella", "Mushroom", "Mussel", "Mustard", "Noodle", "Nut", "Nutmeg", "Oat", "Olive", "Onion", "Orange",
        "Orange Juice", "Oregano", "Paprika", "Parmesan", "Parsley", "Parsnip", "Pea", "Peach", "Peanut", "Pear",
        "Pecan", "Pepper", "Phyllo/Puff Pastry Dough", "Pine Nut", "Pineapple", "Pistachio", "Pomegranate", "Pork",
        "Pork Chop", "Pork Tenderloin", "Potato", "Poultry", "Prosciutto", "Pumpkin", "Radish", "Raisin",
        "Raspberry", "Red Wine", "Rhubarb", "Rice", "Ricotta", "Root Vegetable", "Rosemary", "Rum", "Saffron", "Sage",
        "Salmon", "Sausage", "Scallop", "Seafood", "Seed", "Sesame", "Shallot", "Shellfish", "Sherry", "Shrimp",
        "Sour Cream", "Soy", "Soy Sauce", "Spinach", "Spirit", "Squash", "Strawberry", "Sugar Snap Pea",
        "Sweet Potato/Yam", "Tarragon", "Tequila", "Thyme", "Tofu", "Tomato", "Tortillas", "Tree Nut",
        "Tropical Fruit", "Tuna", "Turkey", "Vanilla", "Veal", "Vegetable", "Vinegar", "Vodka", "Walnut",
        "Watercress", "Watermelon", "Whiskey", "White Wine", "Wine", "Yogurt", "Zucchini",
    ),
    TagGroup.DISH: (
        "Alcoholic", "Beer", "Bread", "Cake", "Casserole/Gratin", "Cocktail", "Condiment/Spread", "Cookies", "Curry",
        "Drink", "Frozen Dessert", "Non-Alcoholic", "Pasta", "Pastry", "Salad", "Salad Dressing", "Sandwich", "Sauce",
        "Soup/Stew", "Steak", "Stew", "Stuffing/Dressing", "Tea",
    ),
    TagGroup.COURSE: ("Appetizer", "Breakfast", "Brunch", "Dessert", "Snack"),
    TagGroup.TECHNIQUE: (
        "Bake", "Braise", "Broil", "Deep-Fry", "Fry", "Grill", "Grill/Barbecue", "No-Cook", "Pan-Fry", "Poach",
        "Roast", "Sauté", "Steam", "Stir-Fry",
    ),
})

#: Tags left out, by the reason. Diets and seasons are groups of their own for vocabularies that callers send.
LEFT_OUT: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "a diet or a claim about health, which a photo can't prove and a wrong guess at which may harm": (
        "peanut free", "soy free", "tree nut free", "kosher", "pescatarian", "wheat/gluten-free", "dairy free",
        "no sugar added", "healthy", "sugar conscious", "kidney friendly", "high fiber", "low cal", "low cholesterol",
        "low fat", "fat free", "low sodium", "low carb", "low/no sugar", "paleo", "vegan", "vegetarian", "organic",
        "kosher for passover",
    ),
    "an occasion or a season, which the food does not tell": (
        "summer", "fall", "winter", "spring", "thanksgiving", "christmas", "christmas eve", "easter", "passover",
        "hanukkah", "halloween", "fourth of july", "father's day", "mother's day", "valentine's day",
        "new year's eve", "new year's day", "cinco de mayo", "st. patrick's day", "super bowl", "oscars",
        "mardi gras", "lunar new year", "kentucky derby", "rosh hashanah/yom kippur", "family reunion", "party",
        "cocktail party", "backyard bbq", "picnic", "potluck", "shower", "birthday", "engagement party",
        "back to school", "wedding", "anniversary", "graduation", "poker/game night", "tailgating", "parade",
        "buffet", "edible gift", "housewarming", "camping",
    ),
    "a publisher, a series or a place": (
        "self", "harpercollins", "weelicious", "house & garden", "bon appétit", "3-ingredient recipes",
        "22-minute meals", "snack week", "new york",
    ),
    "an appliance or a vessel, which is not on the plate": (
        "food processor", "mixer", "blender", "ice cream machine", "microwave", "candy thermometer",
        "pressure cooker", "slow cooker", "instant pot", "ramekin", "wok",
    ),
    "a step that leaves no trace to see": (
        "advance prep required", "marinate", "chill", "freeze/chill", "simmer", "boil", "raw",
    ),
    "how long, for whom or when: not what": (
        "gourmet", "kid-friendly", "quick & easy", "quick and healthy", "quick", "dinner", "lunch", "side",
    ),
    "so wide that it says nothing": ("herb", "spice", "dairy"),
})

#: Second spellings in the collection, which count as the tag they stand for.
_SPELLINGS: Mapping[str, str] = MappingProxyType({
    "condiment": "Condiment/Spread", "cookie": "Cookies", "drinks": "Drink",
})
# fmt: on

_INVISIBLE = frozenset(tag for tags in LEFT_OUT.values() for tag in tags)


@dataclass(frozen=True, slots=True)
class TagVocabulary:
    """Tags with the group of each, in a fixed order; no two read the same without regard to case.

    Raises:
        ValueError: there is no tag, one is blank, one stands twice, or the lengths differ.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names or len(self.names) != len(self.groups):
            raise ValueError("a vocabulary needs at least one tag, and a group for each")
        if any(not name.strip() for name in self.names):
            raise ValueError("a tag of a vocabulary must not be blank")
        if len({name.casefold() for name in self.names}) < len(self.names):
            raise ValueError("a tag stands twice in the vocabulary")

    def __len__(self) -> int:
        return len(self.names)


def built_in_vocabulary() -> TagVocabulary:
    """The built-in tags, in the order of their groups and then of the alphabet."""
    pairs = [(name, group.value) for group, names in _BUILT_IN.items() for name in names]
    return TagVocabulary(tuple(name for name, _ in pairs), tuple(group for _, group in pairs))


def built_in_groups() -> dict[str, str]:
    """The group of each built-in tag by its name in lower case."""
    vocabulary = built_in_vocabulary()
    return {name.casefold(): group for name, group in zip(vocabulary.names, vocabulary.groups, strict=True)}


def vocabulary_of(tags: Iterable[tuple[str, str | None]]) -> TagVocabulary:
    """A caller's vocabulary out of (tag, group): each tag once without regard to case, in its first spelling. Without a
    group a built-in tag has its own, any other the group ``other``. Raises ValueError where there is none, or a blank.
    """
    known = built_in_groups()
    merged: dict[str, tuple[str, str]] = {}
    for tag, group in tags:
        key = unicodedata.normalize("NFC", tag.casefold())
        merged.setdefault(key, (tag, group or known.get(key, TagGroup.OTHER.value)))
    return TagVocabulary(tuple(tag for tag, _ in merged.values()), tuple(group for _, group in merged.values()))


def visible_tags(tags: Iterable[str]) -> list[str]:
    """The tags that a photo can show, in their order: those that :data:`LEFT_OUT` does not name."""
    return [tag for tag in tags if tag.casefold() not in _INVISIBLE]


def tag_keys(tags: Sequence[str]) -> frozenset[str]:
    """Tags in lower case, a second spelling as the tag that it stands for."""
    return frozenset(_SPELLINGS.get(tag.casefold(), tag).casefold() for tag in tags)
