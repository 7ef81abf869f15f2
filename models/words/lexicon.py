"""The words that :mod:`models.words.names` goes by: measures, preparations, irregular plurals. English."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def words(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


#: Measures, containers and counts, singular. Dropped wherever they stand, unless KEPT_BEFORE or KEPT_AFTER says so.
MEASURES = words("""
    cup c tablespoon tbsp tbs tbl tblsp tb teaspoon tsp ts pound lb lbs ounce oz fl fluid gram gm g kg kilogram kilo
    mg ml milliliter millilitre cl dl liter litre l pint pt quart qt gallon gal inch cm centimeter mm millimeter
    dash pinch drop splash handful fistful bunch bundle can tin jar bottle package pkg pkt packet packages box bag
    sack carton container envelope tub tube stick head ear sprig stalk slice sheet piece chunk strip knob dollop
    scoop bulb hand batch serving portion part count size square cube wedge round halve half quarter third pack case
    tray recipe dozen doz pair few couple several one two three four five six seven eight nine ten eleven twelve bar
    block fifth ladle ladleful spoonful teaspoonful tablespoonful cupful glass shot jigger measure wt weight pouch
    log brick ball loaf ring rasher shake grind grinding turn drizzle sprinkling sprinkle bouquet branch spear
    floret wheel
    """)

#: Preparations, states and sizes that do not change what the ingredient is.
PREPARATIONS = words("""
    chopped minced diced sliced grated shredded crumbled cubed cut peeled seeded deseeded cored pitted stemmed
    trimmed halved quartered torn snipped julienned mashed beaten separated melted softened chilled cooled thawed
    defrosted drained rinsed washed cleaned scrubbed dried toasted roasted cooked uncooked boiled hardboiled steamed
    blanched grilled sauteed fried baked prepared packed sifted divided reserved squeezed juiced zested crushed
    cracked ground pounded flattened butterflied deveined shelled shucked hulled husked unpeeled unshelled scored
    crosswise lengthwise diagonally warmed heated scalded boiling cold warm lukewarm tepid iced frozen fresh
    refrigerated canned tinned bottled jarred packaged raw ripe overripe underripe unripe firm large small medium
    big little mini miniature baby jumbo extra regular thick thin long short wide deep whole assorted mixed good
    quality best fine coarse finer coarser store bought homemade purchased favorite favourite preferred desired
    leftover organic natural pure premium fancy select choice imported domestic local seasonal available optional
    needed necessary additional more less about approximately approx roughly generous scant heaping heaped rounded
    level plus minus each total equal equivalent quick easy simple your my our the a an some any other another such
    virgin unsalted salted unsweetened boneless skinless boned skinned lean seedless bite sized thickness diameter
    well very just freshly finely style type kind brand flavored flavoured flavor flavour seasoned unseasoned pre
    hand room temperature temp degree f nonfat lowfat skimmed skim reduced lite free range wild
    day old young tender new crisp plain garnish topping serving strained discarded tied removed
    bruised smashed slivered flaked crumbed patted dry soaked undrained partially lightly loosely firmly tightly
    thoroughly coarsely thinly thickly split scrape scraped unbleached bleached enriched brushing greasing dusting
    rolling coating sprinkling frying unsifted clean washing unthawed stirred squeeze tiny over rimmed rendered
    sliver snip gently hard stale scallopini sub substitute alternative note see tip approximate handful matchstick
    medallion diagonal bias angle julienne dice chop mince slice grate peel core shaved curled pulverized processed
    blended pureed rolled unwrapped broken basket sleeve bulk made shaken real solid percent unsulfured unfiltered
    slender wrapped dissolved pareve link twist tm grade cultivated brewed lid suggestion serve undiluted
    """)

#: Brands that stand before the name of what they are a brand of.
BRANDS = words("""
    kikkoman heinz breakstone dietz kraft philadelphia baker goya dannon oiko oscar mayer pillsbury swanson hellmann
    mccormick campbell planter nestle hershey ghirardelli jell lyle diamond crystal johnsonville kerrygold bertolli
    classico hodgson crosse blackwell eggland tyson perdue knorr smucker hormel borden
    """)

#: Words among the PREPARATIONS or MEASURES that stay when one of these stands right behind them.
KEPT_BEFORE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "ground": words("beef turkey pork chicken lamb veal chuck round sirloin meat venison bison buffalo sausage"),
        "minced": words("beef pork lamb veal turkey meat"),
        "mince": words("meat pie"),
        "dried": words(
            "cranberry cherry apricot fig currant fruit mushroom apple blueberry date prune mango pear peach"
        ),
        "crushed": words("red ice pineapple"),
        "roasted": words("red"),
        "fried": words("onion"),
        "baked": words("bean"),
        "baking": words("powder soda"),
        "cracked": words("wheat"),
        "whole": words("wheat grain"),
        "mixed": words("green nut vegetable berry fruit spice herb"),
        "rolled": words("oat"),
        "short": words("rib grain"),
        "long": words("grain"),
        "medium": words("grain"),
        "baby": words("spinach corn carrot back bok arugula"),
        "split": words("pea"),
        "seasoned": words("salt bread breadcrumb rice"),
        "half": words("and"),
        "round": words("steak roast"),
        "pound": words("cake"),
        "head": words("cheese"),
        "new": words("potato mexico york zealand orleans"),
        "dry": words("mustard milk sherry vermouth"),
        "hard": words("cider"),
        "wild": words("rice mushroom"),
        "old": words("bay"),
        "wheel": words("pasta"),
        "cube": words("steak"),
        "strip": words("steak"),
        "skim": words("milk"),
        "skimmed": words("milk"),
        "raw": words("sugar"),
        "ice": words("cream"),
        "blue": words("cheese"),
        "five": words("spice"),
    }
)

#: And those that stay when one of these stands right before them.
KEPT_AFTER: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "dried": words("sun"),
        "mince": words("beef pork lamb veal turkey"),
        "drop": words("gum cough"),
        "stick": words("cinnamon bread pretzel mozzarella fish licorice"),
        "cube": words("bouillon ice broth"),
        "topping": words("whipped"),
        "ball": words("melon matzo malted meat"),
        "loaf": words("meat"),
        "half": words("and"),
        "round": words("eye bottom top ground"),
        "bar": words("candy chocolate snickers ice"),
        "ring": words("onion"),
        "peel": words("lemon orange lime citrus candied grapefruit tangerine"),
        "root": words("celery parsley"),
        "bulb": words("fennel"),
        "sheet": words("phyllo nori lasagna"),
        "ear": words("wood"),
    }
)

#: Word groups that vanish before single words are looked at (after lower-casing; hyphens are spaces by then).
DROPPED_PHRASES = (
    r"extra virgin",
    r"(?:low|reduced|lower|less|no|full|high|light in|non|zero)[ -](?:fat|sodium|salt|sugar|calorie|carb)(?: added)?",
    r"(?:fat|sugar|salt|sodium|gluten|dairy|cholesterol|msg) free",
    r"(?:no|without) (?:added )?(?:salt|sugar)(?: added)?",
    r"(?:bone|skin|shell|rind|stem|tail|head|peel|fat|root)s? (?:in|on|off)\b",
    r"(?:at )?room temperature",
    r"grass fed|(?:farm|cage|pasture|hand) (?:raised|free|fed)|wild caught|day old",
    r"free range|fire roasted|non ?stick|double acting|whole berry|new crop",
    r"(?:whole|part skim|skim|percent|fat) milk(?= (?:ricotta|mozzarella|greek|yogurt|cottage|cheese))",
    r"part skim(?! milk)",
    r"(?:oil|water|brine|salt) (?:packed|cured)|packed (?:in|with) \w+(?: oil)?",
    r"(?:very )?hot(?= (?:water|milk|cooked|tap|steamed))|ice cold",
    r"(?:semi|all) boneless|fryer(?= chicken)|live(?= (?:lobster|crab|craw|mussel|clam))",
    r"such as \w+|brand\b",
    r"hard (?:boiled|cooked)",
    r"soft (?:boiled|cooked)",
    r"(?:1|one|two|three|four|day)s? old",
    r"ready to (?:use|eat|cook|bake|serve)",
    r"center cut|centre cut|thick cut|thin cut|bite size(?:d)?",
    r"quick cooking|slow cooking|old fashioned|self basting|fully cooked|pre cooked|ready made",
    r"flat leaf(?:ed)?|(?:with )?liquid reserved|firmly packed|loosely packed",
)

#: From here on a line speaks of something else: use, amount, packing liquid, comparison.
TAIL_WORDS = words("""
    for to into in with from at on as like such about if until preferably including includes without using cut per
    depending approximately according plus which that when then being left by available
    """)

#: Phrases in which "and" joins one thing.
JOINED = words("half_and_half macaroni_and_cheese mac_and_cheese pork_and_bean sweet_and_sour cookie_and_cream")

_COLOURS = words("red yellow green orange white black brown dark light sweet hot mild golden")
_MEATS = words("chicken beef vegetable turkey fish veal lamb pork mushroom")

#: Last words that two alternatives share, and the first alternatives that need them: "chicken or vegetable stock", but
#: "butter or olive oil".
SHARED_HEADS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        **dict.fromkeys(("stock", "broth", "bouillon", "consomme", "sausage", "breast", "thigh"), _MEATS),
        "oil": words("vegetable canola peanut olive corn safflower sunflower grapeseed sesame coconut"),
        "vinegar": words("cider wine rice sherry balsamic champagne malt"),
        "juice": words("lemon lime orange grapefruit apple cranberry pineapple tomato"),
        "zest": words("lemon lime orange"),
        "peel": words("lemon lime orange"),
        "rice": words("basmati jasmine arborio carnaroli"),
        "chocolate": words("semisweet bittersweet"),
        "cream": words("heavy whipping double"),
        "chile": words("serrano jalapeno thai ancho"),
        "mushroom": words("button cremini shiitake oyster portobello"),
        "potato": words("russet"),
        "onion": words("spanish"),
        "squash": words("butternut"),
        **{head: frozenset() for head in ("pepper", "wine", "sugar", "bean", "lentil", "cabbage", "miso", "raisin")},
        **{head: frozenset() for head in ("tomato", "apple", "grape", "olive", "rum", "lettuce", "quinoa", "currant")},
    }
)

#: Colours and tastes, which need the last word of the next alternative whatever it is.
INCOMPLETE = _COLOURS

IRREGULAR: Mapping[str, str] = MappingProxyType(
    {
        "fries": "fry",
        "leaves": "leaf",
        "loaves": "loaf",
        "halves": "half",
        "calves": "calf",
        "knives": "knife",
        "cookies": "cookie",
        "brownies": "brownie",
        "smoothies": "smoothie",
        "pies": "pie",
        "ladies": "lady",
        "veggies": "veggie",
        "weenies": "weenie",
        "brie": "brie",
        "geese": "goose",
        "brussel": "brussels",
        "chilies": "chile",
        "chillies": "chile",
        "chiles": "chile",
        "chilli": "chili",
        "avocadoes": "avocado",
        "quiches": "quiche",
        "ceviches": "ceviche",
        "brioches": "brioche",
        "radishes": "radish",
        "pastries": "pastry",
        "toes": "toe",
        "shoes": "shoe",
        "gnocchis": "gnocchi",
        "yoghurt": "yogurt",
        "yoghourt": "yogurt",
        "omelette": "omelet",
        "whiskey": "whisky",
        "catsup": "ketchup",
        "savoury": "savory",
        "chipotles": "chipotle",
        "doughnuts": "doughnut",
        "donuts": "doughnut",
        "donut": "doughnut",
    }
)

#: Singular already, though they end in s.
SINGULAR_S = words("""
    molasses hummus couscous asparagus brussels swiss schnapps bitters grits gras citrus hibiscus octopus anis
    herbes des los las les texas arkansas vegas haas hass dolmas as is this us its plus minus bus gas christmas
    thanksgiving cointreau calvados piments fines topless snickers reeses cheerios doritos fritos tostitos oreos
    swans andes chris louis cassis pancreas mas ras pernods pernod mars hors paris provence bras haricots verts tres
    pastis coulis chablis haggis basis iris
    """)

#: A name with one of these words is a tool, a heading or a note.
NOT_IN_INGREDIENTS = words("""
    equipment skewer toothpick foil paper towel parchment string twine wrap liner pan dish bowl plate cutter mold
    mould cheesecloth thermometer sheet processor grinder mill machine shop market store ziploc special
    accompaniment direction instruction note assembly mixture decoration popsicle wooden bamboo plastic ingredient
    recipe layer request original but up option wood metal aluminum kitchen supermarket substitution optionally
    persian electric plank taste ramekin mandoline skillet brush container minute hour bengal cook cutlery baster
    torch candle specialty mail slow cooker pestle ready drizzling canning
    """)

#: And these are no ingredients when they stand alone: headings, qualities, parts.
NOT_ALONE = words("""
    garnish filling topping dressing marinade sauce frosting glaze icing salad batter brine rub base crust dough
    liquid color colour spray red green yellow white black purple brown blue pink golden dark light sweet sour hot
    mild spicy soft crisp crispy crunchy crusty smooth creamy buttery instant condensed candied pickled smoked
    fruity fleshed sea lady granny italian french mexican chinese asian greek thai hungarian american english
    california southern country classic traditional original favorite baker kraft philadelphia planter johnsonville
    pillsbury individual strong elbow kosher mixing bone eye leg wing thigh fillet filet steak meat side stem seed
    leaf root crumb kernel mix blend seasoning serving twist sprig flake powder extract food layer semi zest peel
    rind neck hickory steel sweetened flat turkish gala anjou baking juice persian bosc whole canned
    """)
