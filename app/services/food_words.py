"""Words that stand for texts about food in general."""

from __future__ import annotations

_WORDS = """
almond, apple, apricot, artichoke, asparagus, avocado, bacon, banana, basil, beans, beef, beetroot, bell
pepper, blueberry, bread, broccoli, butter, cabbage, carrot, cauliflower, celery, cheese, cherry, chicken,
chickpeas, chili, chocolate, cilantro, cinnamon, coconut, cod, coffee, corn, crab, cream, cucumber, dill,
duck, egg, eggplant, fennel, fig, fish, garlic, ginger, goat cheese, grapes, green onion, ham, hazelnut,
honey, kale, lamb, leek, lemon, lentils, lettuce, lime, lobster, mango, maple syrup, meat, milk, mint,
mushroom, mussels, mustard, noodles, nuts, oats, olive, onion, orange, parmesan, parsley, pasta, peach,
peanut, pear, peas, pecan, pineapple, pistachio, pork, potato, pumpkin, quinoa, radish, raspberry, rice,
rosemary, saffron, sage, salmon, sausage, scallop, sesame, shrimp, spinach, squash, strawberry, sweet potato,
thyme, tofu, tomato, tuna, turkey, vanilla, vinegar, walnut, yogurt, zucchini, appetizer, breakfast, brunch,
burger, cake, casserole, cocktail, cookies, curry, dessert, dinner, drink, dumplings, ice cream, jam, lunch,
muffin, pancake, pie, pizza, pudding, risotto, salad, sandwich, sauce, side dish, smoothie, snack, soup, stew,
stir-fry, sushi, taco, tart, baked, braised, fried, grilled, roasted, steamed, chinese, french, greek, indian,
italian, japanese, mexican, thai, vegan, vegetarian, gluten-free, spicy, sweet
"""

#: Common ingredients, dishes, courses, techniques, cuisines and diets: the mean of their vectors is where the texts of
#: the space lie, whatever they say. Changing the list changes the answers of the strategy ``text_difference``.
FOOD_WORDS: tuple[str, ...] = tuple(" ".join(word.split()) for word in _WORDS.split(","))
