"""True synonyms among the names of ingredients, written by hand: American and British English, and spellings.

Each line is one thing under several names. What merely replaces another (margarine for butter), is a kind of it
(basmati of rice) or a part of it (yolk of egg) is no synonym.
"""

from __future__ import annotations

SYNONYMS = """
green onion, scallion, spring onion, salad onion
cilantro, coriander, chinese parsley
eggplant, aubergine, brinjal
zucchini, courgette
arugula, rocket, rucola
rutabaga, swede, yellow turnip
beet, beetroot, red beet
chickpea, garbanzo bean, garbanzo, chick pea
fava bean, broad bean, faba bean
shrimp, prawn
bell pepper, sweet pepper, capsicum
red bell pepper, sweet red pepper, red capsicum
green bell pepper, sweet green pepper, green capsicum
yellow bell pepper, sweet yellow pepper, yellow capsicum
confectioner sugar, powdered sugar, icing sugar, confectionary sugar
superfine sugar, caster sugar, castor sugar
white sugar, granulated sugar
all purpose flour, flour, ap flour
self rising flour, self raising flour
whole wheat flour, wholemeal flour
bread flour, strong flour, strong white flour
cornstarch, corn starch, cornflour
baking soda, bicarbonate soda, bicarbonate of soda, sodium bicarbonate
heavy cream, heavy whipping cream, whipping cream, double cream
ground beef, minced beef, beef mince
ground pork, minced pork, pork mince
ground lamb, minced lamb, lamb mince
ketchup, tomato ketchup
golden raisin, sultana
navy bean, haricot bean
lima bean, butter bean
green bean, string bean, french bean, haricot vert
snow pea, mangetout, mange tout
romaine lettuce, romaine, cos lettuce, romaine heart
belgian endive, witloof, witlof
celeriac, celery root
cantaloupe, rockmelon
molasses, treacle, black treacle
golden syrup, light treacle
bok choy, pak choi, pak choy, bok choi
napa cabbage, chinese cabbage, nappa cabbage
daikon, daikon radish, mooli, white radish
cilantro seed, coriander seed
hazelnut, filbert, cobnut
pecan, pecan nut
soy sauce, soya sauce, shoyu
soybean, soya bean, soy bean
fish sauce, nam pla, nuoc mam
graham cracker crumb, digestive biscuit crumb
ladyfinger, lady finger, sponge finger, savoiardi
gelatin, gelatine
vegetable stock, vegetable broth
chicken stock, chicken broth
beef stock, beef broth
crayfish, crawfish, crawdad
squid, calamari
red pepper flake, red chili flake, crushed red pepper, crushed red pepper flake, chili flake, chile flake
cayenne pepper, cayenne, red cayenne pepper
chile, chili, chili pepper, chile pepper, hot chile
black pepper, black peppercorn
peanut, groundnut
maize, corn
persimmon, sharon fruit, kaki
papaya, pawpaw
pomegranate seed, pomegranate aril
chestnut mushroom, cremini mushroom, crimini mushroom, bella mushroom
portobello mushroom, portabella mushroom, portobello, portabello mushroom
porcini mushroom, porcini, cep
button mushroom, white mushroom
bacon, streaky bacon
back bacon, canadian bacon
sour cream, soured cream
parmesan cheese, parmesan, parmigiano reggiano, parmigiano reggiano cheese, parmigiano
monterey jack cheese, jack cheese
blue cheese, bleu cheese
goat cheese, chevre
vanilla extract, vanilla essence, vanilla
almond extract, almond essence
white vinegar, distilled white vinegar
canola oil, rapeseed oil
worcestershire sauce, worcester sauce, worcestershire
semisweet chocolate, semi sweet chocolate
ginger, gingerroot, ginger root
apple cider vinegar, cider vinegar
fast action yeast, instant yeast, rapid rise yeast
pimiento, pimento
sichuan peppercorn, szechuan peppercorn, szechwan peppercorn
farfalle, bow tie pasta
hot sauce, hot pepper sauce, pepper sauce
tabasco sauce, tabasco
msg, monosodium glutamate
rolled oat, oat, porridge oat
semolina, semolina flour
plum tomato, roma tomato, italian plum tomato
lemon zest, lemon peel, lemon rind
orange zest, orange peel, orange rind
lime zest, lime peel, lime rind
lasagna noodle, lasagne, lasagna
phyllo dough, filo pastry, phyllo, filo dough, phyllo pastry
club soda, soda water, seltzer water, seltzer
green lentil, french green lentil, puy lentil
red lentil, masoor dal
turmeric, turmeric powder, tumeric
cumin, cumin powder
nigella seed, kalonji, black onion seed
asafoetida, hing, asafetida
lemongrass, lemon grass
star anise, anise star
allspice, allspice powder, pimento berry
mayonnaise, mayo
swiss chard, chard, silverbeet
collard green, collard
broccoli rabe, rapini
jerusalem artichoke, sunchoke
jicama, yam bean
cassava, yuca, manioc
sweet potato, kumara
pumpkin seed, pepita
pine nut, pignoli, pinyon nut, pinon
tahini, sesame paste, tahini paste
black eyed pea, black eye pea, cowpea
cannellini bean, white kidney bean
ghee, clarified butter
sea bass, seabass
caraway seed, caraway
fennel seed, sweet fennel seed
"""
