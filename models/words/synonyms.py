"""True synonyms among the names of ingredients, written by hand: American and British English, and spellings.

Each line is one thing under several names. What merely replaces another (margarine for butter), is a kind of it
(basmati of rice) or a part of it (yolk of egg) is no synonym.
"""

from __future__ import annotations

SYNONYMS = """
green onion, scallion, spring onion, salad onion
cilantro, coriander leaf, fresh coriander, chinese parsley
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
all purpose flour, plain flour, ap flour
self rising flour, self raising flour
whole wheat flour, wholemeal flour
bread flour, strong flour, strong white flour
cornstarch, corn starch, cornflour
baking soda, bicarbonate soda, bicarbonate of soda, sodium bicarbonate
heavy cream, heavy whipping cream, whipping cream, double cream
ground beef, minced beef, beef mince, hamburger meat, ground hamburger
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
corn syrup, light corn syrup
bok choy, pak choi, pak choy, bok choi
napa cabbage, chinese cabbage, chinese leaf, nappa cabbage
daikon, daikon radish, mooli, white radish
cilantro seed, coriander seed
hazelnut, filbert, cobnut
pecan, pecan nut
soy sauce, soya sauce, shoyu
soybean, soya bean, soy bean
fish sauce, nam pla, nuoc mam
bread crumb, breadcrumb
graham cracker crumb, digestive biscuit crumb
ladyfinger, lady finger, sponge finger, savoiardi
gelatin, gelatine
yogurt, plain yogurt
vegetable stock, vegetable broth
chicken stock, chicken broth
beef stock, beef broth
crayfish, crawfish, crawdad
squid, calamari
oregano leaf, oregano
red pepper flake, red chili flake, crushed red pepper, crushed red pepper flake, chili flake, chile flake
cayenne pepper, cayenne, red cayenne pepper
chile, chili, chili pepper, chile pepper, hot chile
jalapeno, jalapeno pepper, jalapeno chile, jalapeno chili
serrano chile, serrano pepper, serrano chili, serrano
habanero chile, habanero pepper, habanero
poblano chile, poblano pepper, poblano
black pepper, black peppercorn
peanut, groundnut
maize, corn
persimmon, sharon fruit, kaki
papaya, pawpaw
pomegranate seed, pomegranate aril
chestnut mushroom, cremini mushroom, crimini mushroom, baby bella mushroom
portobello mushroom, portabella mushroom, portobello, portabello mushroom
porcini mushroom, porcini, cep
button mushroom, white mushroom
bacon, streaky bacon
back bacon, canadian bacon
ham, gammon
parmesan cheese, parmesan, parmigiano reggiano, parmigiano reggiano cheese, parmigiano
mozzarella cheese, mozzarella
cheddar cheese, cheddar
feta cheese, feta
ricotta cheese, ricotta
monterey jack cheese, monterey jack, jack cheese
gruyere cheese, gruyere
blue cheese, bleu cheese
goat cheese, chevre
cottage cheese, curd cheese
semi sweet chocolate, semisweet chocolate, bittersweet chocolate
semi sweet chocolate chip, semisweet chocolate chip, chocolate chip
dark chocolate, plain chocolate
vanilla extract, vanilla essence, vanilla
almond extract, almond essence
white vinegar, distilled white vinegar
canola oil, rapeseed oil
worcestershire sauce, worcester sauce, worcestershire
hot sauce, hot pepper sauce, tabasco sauce, pepper sauce, tabasco
sea salt, flaky sea salt
kosher salt, coarse salt
msg, monosodium glutamate
active yeast, yeast
rolled oat, oat, porridge oat, oatmeal
semolina, semolina flour
cherry tomato, grape tomato
plum tomato, roma tomato, italian plum tomato
lemon zest, lemon peel, lemon rind
orange zest, orange peel, orange rind
lime zest, lime peel, lime rind
lasagna noodle, lasagne, lasagna
phyllo dough, filo pastry, phyllo, filo dough, phyllo pastry
egg white, white egg
whisky, bourbon whisky
club soda, soda water, seltzer water, seltzer
lemon lime soda, lemon lime carbonated beverage
green lentil, french green lentil, puy lentil
red lentil, masoor dal
split pea, green split pea
turmeric, turmeric powder, tumeric
cumin, cumin powder
nigella seed, kalonji, black onion seed
asafoetida, hing, asafetida
fenugreek leaf, methi
lemongrass, lemon grass
star anise, anise star
allspice, pimento, allspice powder
stevia, stevia powder
mayonnaise, mayo
dulse, dulse flake
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
buttermilk, cultured buttermilk
half and half, half half
sea bass, seabass
haddock, finnan haddie
monkfish, anglerfish
beef stock cube, beef bouillon cube
chicken stock cube, chicken bouillon cube
stock cube, bouillon cube
caraway seed, caraway
fennel seed, sweet fennel seed
chile powder, chili powder
"""
