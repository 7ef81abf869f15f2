"""The ingredients that are asked about: those that a photo can show, under the names that recipes give them.

Whatever is not in this table is never asked about: what dissolves, melts or is ground in (salt, sugar, flour, oil,
butter, water, stock, vinegar, spices, garlic, onion cooked soft), and what looks like something else (parsley and
coriander, lemon juice and lime juice).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

Visibility = Literal["shown", "named"]

Kind = Literal["meat", "fish", "other"]


def phrases(text: str) -> tuple[str, ...]:
    """Phrases between commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


# fmt: off
#: ``asked as : endings of names : what else rules out a "no"``, of what is in sight wherever it is in.
_SHOWN = """
chicken : chicken, chicken breast, chicken thigh, chicken leg, chicken wing, chicken drumstick, chicken cutlet :
    poultry, wing, drumstick, hen
turkey : turkey, turkey breast, turkey leg :
duck : duck, duck breast, duck leg :
beef : beef, beef chuck, flank steak, skirt steak, steak, short rib, beef rib, brisket, beef tenderloin, sirloin,
    hanger steak, chuck : beef, meat, burger, veal, oxtail, meatball, hot dog
pork : pork, pork shoulder, pork loin, pork tenderloin, pork chop, pork belly, pork butt, pork rib, sparerib, baby
    back rib : ham, bacon, pancetta, prosciutto, sausage, chorizo, meat, rib, hot dog, carnita
lamb : lamb, lamb shoulder, lamb chop, lamb shank, lamb rib chop, leg of lamb, rack of lamb, lamb loin : mutton,
    meat
bacon : bacon, slab bacon, turkey bacon : pancetta, prosciutto, ham, lardon, blt, guanciale
ham : ham, prosciutto, country ham : speck, jamon, bacon, pancetta
sausage : sausage, chorizo, kielbasa, bratwurst, andouille, hot dog, frankfurter : salami, pepperoni, merguez,
    nduja, wurst
shrimp : shrimp, prawn : seafood, shellfish
salmon : salmon, salmon fillet, smoked salmon, salmon steak : lox, fish
fish : cod, halibut, tilapia, sea bass, striped bass, black bass, snapper, trout, mahi mahi, swordfish, fish, fish
    fillet, cod fillet, halibut fillet, bass fillet, snapper fillet, trout fillet, tilapia fillet, catfish, catfish
    fillet, flounder, sole, haddock : seafood, salmon, tuna, anchovy, sardine, char, mackerel, monkfish, bass,
    fillet, sole, hake, pollock, lox
tuna : tuna, tuna steak : fish
crab : crab, crabmeat, crab meat, lump crabmeat, crab claw : seafood, shellfish
lobster : lobster, lobster tail, lobster meat : seafood, shellfish
scallops : scallop, sea scallop, bay scallop : seafood, shellfish
mussels : mussel : seafood, shellfish
clams : clam, littleneck clam : seafood, shellfish, vongole
squid : squid, calamari : seafood, octopus
tofu : tofu, silken tofu : bean curd
mozzarella : mozzarella, mozzarella cheese, burrata : cheese, pizza, caprese
feta : feta, feta cheese : cheese
goat cheese : goat cheese, soft goat cheese, chevre : cheese, feta
blue cheese : blue cheese, gorgonzola, stilton, roquefort : cheese
pasta : pasta, spaghetti, linguine, penne, fettuccine, rigatoni, orecchiette, farfalle, macaroni, elbow macaroni,
    lasagna noodle, lasagne noodle, lasagne, fusilli, bucatini, pappardelle, tagliatelle, orzo, ziti, cavatappi,
    tortellini, ravioli, angel hair pasta : noodle, lasagna, gnocchi, dumpling, mac
noodles : noodle, rice noodle, egg noodle, soba, soba noodle, udon, ramen noodle, rice vermicelli, rice stick noodle
    : pasta, spaghetti, linguine, vermicelli, ramen, lasagna, kugel, pho, lo mein, soba, udon
rice : rice, white rice, basmati rice, jasmine rice, brown rice, arborio rice, sushi rice, long grain white rice,
    wild rice, black rice : risotto, paella, pilaf, sushi, biryani, congee, carnaroli, farro, barley
quinoa : quinoa, red quinoa : grain
potatoes : potato, yukon gold potato, russet potato, red potato, new potato, fingerling potato, boiling potato :
    french fry, fry, gnocchi, latke, chip, hash brown, tater, spud
sweet potatoes : sweet potato, red sweet potato, yam : potato
tortillas : corn tortilla, flour tortilla, tortilla : taco, quesadilla, burrito, enchilada, wrap, tostada, fajita,
    nacho, chip
bread : bread, baguette, country bread, sourdough bread, sourdough, ciabatta, brioche, brioche bun, hamburger bun,
    bun, challah, pita, pita bread, sandwich bread, rye bread, texas toast : roll, toast, crostini, crouton,
    sandwich, loaf, panini, bruschetta, naan, flatbread, biscuit, burger, stuffing, breadstick, panade, crumb,
    focaccia, english muffin, bagel
asparagus : asparagus, asparagus spear :
broccoli : broccoli, broccolini, broccoli floret : brocoli, rabe
cauliflower : cauliflower, cauliflower floret :
Brussels sprouts : brussels sprout, brussel sprout : brussels
cabbage : cabbage, green cabbage, red cabbage, napa cabbage, savoy cabbage : slaw, coleslaw, kimchi, sauerkraut, bok
    choy, brussels sprout
carrots : carrot, baby carrot : mirepoix
beets : beet, red beet, golden beet, baby beet : beetroot, borscht
radishes : radish, watermelon radish : daikon
zucchini : zucchini, courgette, yellow squash, summer squash : squash
eggplant : eggplant, japanese eggplant : aubergine, ratatouille, baba
mushrooms : mushroom, cremini mushroom, crimini mushroom, shiitake mushroom, button mushroom, portobello mushroom,
    oyster mushroom, wild mushroom, chanterelle, portobello, enoki mushroom : porcini, morel, shiitake, cremini,
    truffle, maitake
corn : corn, corn kernel, corn on cob, ear corn : polenta, grit, hominy, masa, tortilla
bell peppers : bell pepper, red bell pepper, green bell pepper, yellow bell pepper, orange bell pepper, roasted red
    pepper, red pepper : sweet pepper, pepper strip, pimiento, piquillo, roasted pepper, peperonata, capsicum
cucumbers : cucumber, english hothouse cucumber, english cucumber, persian cucumber, kirby cucumber : pickle,
    tzatziki, raita, gazpacho
avocado : avocado : guacamole
lettuce : lettuce, romaine, romaine lettuce, romaine heart, iceberg lettuce, butter lettuce, bibb lettuce, boston
    lettuce, green leaf lettuce, mesclun, frisee, salad green, mixed green, little gem lettuce : green, salad,
    arugula, endive, escarole, wrap, spinach, mache, cress
arugula : arugula, baby arugula : rocket, green
spinach : spinach, baby spinach : green, florentine
kale : kale, tuscan kale, curly kale, lacinato kale, baby kale : green
watercress : watercress : cress, green
Swiss chard : swiss chard, chard, rainbow chard : green
radicchio : radicchio : endive, chicory, treviso
fennel : fennel bulb, fennel :
red onion : red onion : onion
scallions : scallion, green onion, spring onion : onion, chive, leek
tomatoes : tomato, cherry tomato, grape tomato, plum tomato, heirloom tomato, beefsteak tomato, campari tomato, roma
    tomato : ketchup, salsa, marinara, pizza, pico de gallo, tomatillo, bruschetta, bolognese, pomodoro, arrabbiata,
    ragu, blt, gazpacho, shakshuka
artichokes : artichoke, artichoke heart, baby artichoke :
butternut squash : butternut squash, winter squash, acorn squash, delicata squash, kabocha squash, kuri squash :
    squash, pumpkin
green beans : green bean, haricots verts, haricot verts, string bean, wax bean : bean
snap peas : sugar snap pea, snow pea, snap pea : pea
peas : pea, english pea, green pea : edamame, fava bean, lima bean
bok choy : bok choy, baby bok choy : cabbage
black beans : black bean : bean
white beans : white bean, cannellini bean, great northern bean, navy bean : bean, cassoulet
chickpeas : chickpea, garbanzo bean : hummus, falafel, bean
lentils : lentil, green lentil, red lentil, black lentil : dal, dahl
olives : olive, black olive, green olive, kalamata olive, castelvetrano olive, nicoise olive : tapenade, puttanesca
pickles : dill pickle, pickle, cornichon, bread and butter pickle : pickled, gherkin
strawberries : strawberry : berry
raspberries : raspberry : berry
blueberries : blueberry : berry
blackberries : blackberry : berry
cherries : cherry, sweet cherry, sour cherry, tart cherry, maraschino cherry, bing cherry : kirsch
cranberries : cranberry, dried cranberry : berry
figs : fig, dried fig :
pineapple : pineapple, pineapple chunk : pina
mango : mango :
grapes : grape, red grape, green grape, seedless grape : raisin
watermelon : watermelon : melon
rhubarb : rhubarb :
pomegranate : pomegranate seed, pomegranate aril : pomegranate
walnuts : walnut, walnut half : nut
pecans : pecan, pecan half : nut, praline
pistachios : pistachio, pistachio nut : nut
peanuts : peanut, salted peanut : nut, satay
pine nuts : pine nut : nut, pesto
sesame seeds : sesame seed, black sesame seed, white sesame seed : sesame, furikake, za atar, everything
pumpkin seeds : pumpkin seed, pepita : seed
"""

#: The same for what a photo shows only of dishes that are called by it: a lemon tart, but not a dish with its juice.
_NAMED = """
eggs : egg : omelet, omelette, frittata, quiche, deviled
cheddar : cheddar, cheddar cheese, sharp cheddar, sharp cheddar cheese : cheese
ice cream : ice cream, vanilla ice cream : frozen yogurt, gelato, sorbet, a la mode
parmesan : parmesan, parmesan cheese, parmigiano reggiano : cheese, pecorino
ricotta : ricotta, ricotta cheese : cheese
yogurt : yogurt, greek yogurt : tzatziki, raita
polenta : polenta : grit, cornmeal
pumpkin : pumpkin, pumpkin puree : squash
leeks : leek :
celery : celery : celeriac
parsnips : parsnip : root vegetable
jalapeños : jalapeno, jalapeno chile, jalapeno pepper : chile, pepper
basil : basil : pesto, caprese
mint : mint, peppermint : tabbouleh
dill : dill : pickle
rosemary : rosemary :
sage : sage :
apples : apple, granny smith apple : cider, applesauce
pears : pear, bosc pear, anjou pear :
peaches : peach : nectarine
plums : plum, dried plum : prune
apricots : apricot, dried apricot :
oranges : orange, navel orange, blood orange, mandarin, clementine, tangerine : citrus, marmalade
lemon : lemon, meyer lemon : citrus, limoncello
lime : lime, key lime : citrus, margarita
grapefruit : grapefruit : citrus, pomelo
banana : banana : plantain
coconut : coconut, coconut flake, sweetened coconut : macaroon
dates : date, medjool date :
raisins : raisin, golden raisin : sultana, currant
almonds : almond : nut, marzipan, amaretti, frangipane
hazelnuts : hazelnut : nut, nutella, gianduja
chocolate : chocolate, bittersweet chocolate, semisweet chocolate, dark chocolate, milk chocolate, cocoa powder,
    chocolate chip : cocoa, brownie, mocha, fudge, nutella, devil food, ganache
"""

# fmt: on
#: The animals among them.
_MEAT = phrases("chicken, turkey, duck, beef, pork, lamb, bacon, ham, sausage")
_FISH = phrases("shrimp, salmon, fish, tuna, crab, lobster, scallops, mussels, clams, squid")
#: What a dish is not mainly made of, even where it is called by it.
_NEVER_MAIN = phrases(
    """
    bacon, ham, mozzarella, feta, goat cheese, blue cheese, ice cream, tortillas, bread, arugula, lettuce, watercress,
    radicchio, red onion, scallions, olives, pickles, grapes, pomegranate, walnuts, pecans, pistachios, peanuts,
    pine nuts, sesame seeds, pumpkin seeds, cheddar, parmesan, ricotta, yogurt, celery, jalapeños, basil, mint, dill,
    rosemary, sage, lime, coconut, dates, raisins, almonds, hazelnuts
    """
)
_MASS_IN_S = frozenset({"asparagus", "watercress", "squash"})


@dataclass(frozen=True, slots=True)
class Ingredient:
    """An ingredient that is asked about.

    Attributes:
        name: as questions and answers have it.
        endings: canonical names of ingredients (see :mod:`models.words.names`) that end so are it.
        mentions: phrases, words in the singular; a recipe that has one of them is never one without it.
        visibility: ``shown`` wherever it is in the dish, or only where the dish is ``named`` after it.
        kind: ``meat``, ``fish`` or ``other``.
        main: whether a dish can be mainly made of it.
    """

    name: str
    endings: tuple[str, ...]
    mentions: tuple[str, ...]
    visibility: Visibility
    kind: Kind
    main: bool

    @property
    def plural(self) -> bool:
        """Whether one says "are there" of it."""
        return self.name.endswith("s") and self.name.rpartition(" ")[2] not in _MASS_IN_S


@lru_cache(maxsize=1)
def asked_ingredients() -> Mapping[str, Ingredient]:
    """All ingredients that are asked about, by name, in the order of the table."""
    tables: tuple[tuple[str, Visibility], ...] = ((_SHOWN, "shown"), (_NAMED, "named"))
    found = [_parse(entry, visibility) for table, visibility in tables for entry in _entries(table)]
    return MappingProxyType({ingredient.name: ingredient for ingredient in found})


@lru_cache(maxsize=1)
def _by_ending() -> Mapping[str, str]:
    return {ending: each.name for each in asked_ingredients().values() for ending in each.endings}


def ingredient_of(name: str) -> str | None:
    """The asked ingredient that a canonical name is, by its longest known ending: "cherry tomato" is "tomatoes", and
    "sweet potato" is no potato. None where it is none."""
    words = name.split(" ")
    endings = _by_ending()
    for start in range(len(words)):
        found = endings.get(" ".join(words[start:]))
        if found is not None:
            return found
    return None


def _entries(table: str) -> list[str]:
    """The entries of a table; a line that is indented goes on with the one before it."""
    return re.sub(r"\n\s+", " ", table.strip()).split("\n")


def _parse(line: str, visibility: Visibility) -> Ingredient:
    name, names, mentions = (part.strip() for part in line.split(":"))
    found = phrases(names)
    kind: Kind = "meat" if name in _MEAT else "fish" if name in _FISH else "other"
    return Ingredient(name, found, (*found, *phrases(mentions)), visibility, kind, name not in _NEVER_MAIN)
