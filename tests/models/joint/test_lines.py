from models.joint.lines import MAX_INGREDIENTS, MAX_INSTRUCTIONS, LineKind, recipe_lines
from models.types import RecipeText


def test_lines_keep_their_order_and_kind() -> None:
    recipe = RecipeText("Soup", ("water", "salt"), ("Boil.",))
    assert recipe_lines(recipe) == [
        (LineKind.TITLE, "Soup"),
        (LineKind.INGREDIENT, "water"),
        (LineKind.INGREDIENT, "salt"),
        (LineKind.INSTRUCTION, "Boil."),
    ]


def test_any_component_alone_gives_lines() -> None:
    assert recipe_lines(RecipeText(ingredients=("rice",))) == [(LineKind.INGREDIENT, "rice")]
    assert recipe_lines(RecipeText(instructions=("Boil.",))) == [(LineKind.INSTRUCTION, "Boil.")]


def test_a_paragraph_is_cut_at_sentences_and_nothing_is_lost() -> None:
    paragraph = " ".join(f"Step number {i} takes a bowl and a spoon; then rest." for i in range(40))
    pieces = [text for _, text in recipe_lines(RecipeText(instructions=(paragraph,)))]
    assert len(pieces) > 2
    assert max(map(len, pieces)) <= 480
    assert " ".join(pieces) == paragraph


def test_an_endless_sentence_stays_one_line() -> None:
    assert len(recipe_lines(RecipeText(instructions=("stir " * 500,)))) == 1


def test_the_number_of_lines_is_bounded() -> None:
    recipe = RecipeText("t", ("salt",) * 500, ("Stir well. " * 200,) * 500)
    kinds = [kind for kind, _ in recipe_lines(recipe)]
    assert kinds.count(LineKind.INGREDIENT) == MAX_INGREDIENTS
    assert kinds.count(LineKind.INSTRUCTION) == MAX_INSTRUCTIONS
