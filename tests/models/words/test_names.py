"""Names of ingredients, held to a table of lines as recipes write them, and to their laws."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.words.names import IngredientNames, line_names, normalize_ingredient, singular, tokens

LINES = {
    # quantities, measures, fractions
    "2 cups chopped green onions, divided (about 1 bunch)": "green onion",
    "3 eggs": "egg",
    "½ teaspoon cream of tartar": "cream of tartar",
    "1½ cups self-raising flour": "self raising flour",
    "1 1/2 tbsp. ground cumin": "cumin",
    "2 1/4 pounds yukon gold potatoes (about 6), peeled, cut into 1-inch cubes": "yukon gold potato",
    "1 (14.5-oz.) can diced tomatoes with juice": "tomato",
    "two 15-ounce cans chickpeas, rinsed and drained": "chickpea",
    "250g plain yoghurt": "yogurt",
    "1 kg beef short ribs": "beef short rib",
    "a pinch of saffron threads": "saffron thread",
    "1 2-inch piece fresh ginger, peeled": "ginger",
    "a few dashes Worcestershire sauce": "worcestershire sauce",
    "1 stick (1/2 cup) unsalted butter, at room temperature": "butter",
    "3-4 sprigs thyme": "thyme",
    "6 ears corn, husked": "corn",
    "1 head of iceberg lettuce": "iceberg lettuce",
    # what counts one thing and names another
    "3 large garlic cloves, minced": "garlic",
    "1 clove garlic": "garlic",
    "6 whole cloves": "clove",
    "8 basil leaves, torn": "basil",
    "2 bay leaves": "bay leaf",
    "2 ribs celery": "celery",
    "4 cinnamon sticks": "cinnamon stick",
    "1 loaf frozen pound cake, thawed": "pound cake",
    "2 salmon fillets, skin on": "salmon fillet",
    "4 fillets of sole": "sole",
    "5 scallions, white and pale green parts only": "scallion",
    # preparations and states
    "boneless, skinless chicken breasts": "chicken breast",
    "1 10-ounce package frozen chopped spinach, thawed, squeezed dry": "spinach",
    "4 hard-boiled eggs, sliced": "egg",
    "1/2 cup freshly grated Parmesan cheese": "parmesan cheese",
    "1 cup very hot water": "water",
    "2 Tbsp. extra-virgin olive oil, plus more for drizzling": "olive oil",
    "3/4 cup low-sodium chicken broth": "chicken broth",
    "1 cup fat-free sour cream": "sour cream",
    "1 lb. bone-in, skin-on chicken thighs": "chicken thigh",
    "1 vanilla bean, split lengthwise": "vanilla bean",
    "finely chopped dill weed": "dill",
    "6 oil-packed anchovy fillets": "anchovy fillet",
    # words that look like preparations and are not
    "1 lb. ground beef": "ground beef",
    "1/2 cup dried cranberries": "dried cranberry",
    "1 cup sun-dried tomatoes": "sun dried tomato",
    "1 teaspoon crushed red pepper flakes": "crushed red pepper flake",
    "2 cups whole-wheat flour": "whole wheat flour",
    "1 cup half-and-half": "half and half",
    "1 can (16 oz.) baked beans": "baked bean",
    "new potatoes, scrubbed": "new potato",
    "2 tablespoons dry mustard": "dry mustard",
    # parts
    "juice of 1 lemon": "lemon juice",
    "Finely grated zest of 2 limes": "lime zest",
    "2 tablespoons fresh lemon juice (from 1 large lemon)": "lemon juice",
    "1 leg of lamb (about 5 pounds)": "leg of lamb",
    "2 cans cream of mushroom soup": "cream of mushroom soup",
    # alternatives
    "butter or margarine": "butter",
    "red or yellow bell pepper, sliced": "red bell pepper",
    "2 cups chicken or vegetable stock": "chicken stock",
    "1 tablespoon butter or olive oil": "butter",
    "1 cup milk/cream": "milk",
    # tails
    "oil for frying": "oil",
    "kosher salt (such as Diamond Crystal)": "kosher salt",
    "salt, to taste": "salt",
    "all-purpose flour plus more for dusting": "all purpose flour",
    "tuna in oil": "tuna",
    # spelling and marks
    "jalapeño chiles": "jalapeno chile",
    "1 cup crème fraîche": "creme fraiche",
    "2 cups confectioners’ sugar": "confectioner sugar",
    "2 cups confectioner's sugar": "confectioner sugar",
    "1 jar (16 oz) Saporito® Pasta Sauce": "pasta sauce",
    "1 box Old El Paso® Stand 'N Stuff® taco shells": "taco shell",
    "ＯＬＩＶＥ ＯＩＬ": "olive oil",
    "[optional] toasted sesame seeds": "sesame seed",
    "green onions (white part only": "green onion",
    # plurals
    "2 potatoes": "potato",
    "1 pint cherry tomatoes": "cherry tomato",
    "1 cup blackberries": "blackberry",
    "12 oatmeal cookies": "oatmeal cookie",
    "4 radishes": "radish",
    "1 bunch asparagus": "asparagus",
    "2 cups couscous": "couscous",
    "1/4 cup molasses": "molasses",
    "3 mangoes": "mango",
    "2 anchovies": "anchovy",
    "1 pound Brussels sprouts": "brussels sprout",
    "4 kiwis": "kiwi",
    "french fries": "french fry",
    # no ingredient at all
    "": "",
    "   ": "",
    "1/2": "",
    "2 cups": "",
    "(optional)": "",
}


@pytest.mark.parametrize(("line", "name"), LINES.items())
def test_lines_as_recipes_write_them(line: str, name: str) -> None:
    assert normalize_ingredient(line) == name


def test_a_line_may_name_several() -> None:
    assert line_names("salt and freshly ground black pepper") == ("salt", "black pepper")
    assert line_names("Salt & pepper, to taste") == ("salt", "pepper")
    assert line_names("macaroni and cheese") == ("macaroni and cheese",)
    assert line_names("pepper and pepper") == ("pepper",)
    assert line_names("2 cups") == ()


@given(st.text(max_size=80))
def test_a_name_is_a_fixed_point_in_lower_case_and_nfc(line: str) -> None:
    for name in line_names(line):
        assert name == name.lower() == unicodedata.normalize("NFC", name)
        assert name == " ".join(name.split())
        assert normalize_ingredient(name) == name


_FOODS = st.sampled_from([name for name in LINES.values() if name])
_MEASURES = st.sampled_from(["", "1 cup ", "2½ tbsp. ", "3/4 lb ", "1 (14-ounce) can ", "about 6 "])
_PREPARATIONS = st.sampled_from(["", ", chopped", ", peeled and diced", " (optional)", ", to taste", " for serving"])


@given(_MEASURES, _FOODS, _PREPARATIONS)
def test_measures_and_preparations_around_a_name_change_nothing(before: str, name: str, after: str) -> None:
    assert normalize_ingredient(f"{before}{name}{after}") == name
    assert normalize_ingredient(f"{before}{name.upper()}{after}") == name


@given(st.text(max_size=80))
@example("𐋡")
@example("ↂb𐋡c")
def test_tokens_are_singular_words(text: str) -> None:
    for word in tokens(text):
        assert word.isalpha()
        assert word == singular(word)
        assert unicodedata.is_normalized("NFC", word)


def test_tokens_keep_all_words() -> None:
    assert tokens("Grandma's 3 Crème Brûlées, with BERRIES!") == ("grandma", "creme", "brulee", "with", "berry")


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("leaves", "leaf"),
        ("loaves", "loaf"),
        ("berries", "berry"),
        ("cookies", "cookie"),
        ("tomatoes", "tomato"),
        ("peaches", "peach"),
        ("radishes", "radish"),
        ("glasses", "glass"),
        ("hummus", "hummus"),
        ("swiss", "swiss"),
        ("peas", "pea"),
        ("bus", "bus"),
        ("egg", "egg"),
    ],
)
def test_singular(plural: str, one: str) -> None:
    assert singular(plural) == one
    assert singular(one) == one


def test_a_long_line_is_read_in_part_and_in_time() -> None:
    assert normalize_ingredient("1 cup rice" + " (" * 100_000) == "rice"
    assert normalize_ingredient("(" * 4_000 + "rice" + ")" * 4_000) == ""
    # What could be the words of a brand in any number of ways, and is none.
    assert normalize_ingredient("A." * 2_500) == ""
    assert normalize_ingredient("Aa-" * 1_600 + "rice") == "aa rice"
    assert normalize_ingredient("A.' " * 1_200 + "rice") == "rice"


def test_an_unknown_name_backs_off_to_the_longest_known_part_of_it() -> None:
    names = IngredientNames({"basil", "sweet basil", "olive oil", "chicken"})
    assert names.back_off("sweet basil") == "sweet basil"
    assert names.back_off("thai sweet basil") == "sweet basil"
    assert names.back_off("thai basil") == "basil"
    assert names.back_off("chicken olive oil") == "olive oil"
    assert names.back_off("durian") is None
    assert names.back_off("xy " * 1_600 + "basil") == "basil"
    assert names.of_line("2 cups torn Thai basil and durian") == ("basil",)
    assert names.of_recipe(["basil leaves", "1 durian", "3 tbsp fine olive oil", "Basil"]) == ("basil", "olive oil")
