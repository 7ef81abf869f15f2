"""Categories of ingredients, written by hand to measure word vectors; no input of any training."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


CATEGORIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cheese": _names(
            "cheddar cheese, mozzarella cheese, parmesan cheese, feta cheese, goat cheese, swiss cheese, blue cheese, "
            "ricotta cheese, monterey jack cheese, gruyere cheese, provolone cheese, cottage cheese"
        ),
        "herb": _names(
            "basil, parsley, cilantro, mint, dill, thyme, rosemary, sage, oregano, tarragon, chive, marjoram"
        ),
        "baking spice": _names("cinnamon, nutmeg, clove, allspice, cardamom, mace, pumpkin pie spice, ginger"),
        "savoury spice": _names(
            "cumin, turmeric, coriander, paprika, curry powder, cayenne pepper, chili powder, mustard seed, cumin seed"
        ),
        "fish": _names(
            "salmon fillet, cod fillet, halibut fillet, tilapia fillet, tuna, anchovy, swordfish steak, "
            "red snapper fillet"
        ),
        "shellfish": _names("shrimp, crabmeat, lobster, mussel, clam, scallop, oyster, squid"),
        "meat": _names(
            "ground beef, beef chuck, pork loin, pork shoulder, pork tenderloin, lamb shoulder, veal, flank steak, "
            "beef stew meat, ground pork, ground lamb, ground turkey"
        ),
        "berry": _names("strawberry, raspberry, blueberry, blackberry, cranberry, cherry"),
        "citrus": _names("lemon, lime, orange, grapefruit, tangerine, lemon zest, orange zest, lime zest"),
        "nut": _names("walnut, pecan, almond, hazelnut, pistachio, cashew, macadamia nut, peanut, pine nut"),
        "legume": _names(
            "black bean, kidney bean, pinto bean, garbanzo bean, lentil, navy bean, cannellini bean, lima bean, "
            "great northern bean"
        ),
        "pasta": _names(
            "spaghetti, linguine, fettuccine, penne pasta, elbow macaroni, rotini pasta, lasagna noodle, egg noodle, "
            "farfalle pasta, angel hair pasta"
        ),
        "spirit": _names(
            "vodka, gin, tequila, dark rum, light rum, brandy, triple sec, bourbon whisky, cognac, coffee liqueur"
        ),
        "sweetener": _names("white sugar, brown sugar, honey, maple syrup, molasses, corn syrup, confectioner sugar"),
        "root vegetable": _names("carrot, parsnip, turnip, rutabaga, beet, celery root, potato, sweet potato"),
        "salad leaf": _names(
            "romaine lettuce, arugula, iceberg lettuce, radicchio, watercress, baby spinach, endive, bibb lettuce"
        ),
    }
)
