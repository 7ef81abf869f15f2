from app.evaluation.visible import NOT_SEEN, visible_ingredients
from models.tagging.vocabulary import built_in_groups


def test_what_is_left_out_is_named_by_the_vocabulary_once() -> None:
    unseen = [tag for tags in NOT_SEEN.values() for tag in tags]
    assert len(unseen) == len(set(unseen))
    groups = built_in_groups()
    assert [tag for tag in unseen if groups.get(tag) != "ingredient"] == []


def test_foods_that_are_seen_count_and_others_do_not() -> None:
    counted = visible_ingredients()
    assert {"egg", "tomato", "pasta", "bread", "salmon"} <= counted
    assert counted.isdisjoint({"garlic", "vanilla", "fruit", "salad", "dessert", "vegan", "summer"})
    assert counted <= set(built_in_groups())
