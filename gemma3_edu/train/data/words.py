"""The words that examples are made of: lists written for this project, and invented words.

`WORDS` are read from pictures, and each belongs to one split; `FOODS` are the lines of receipts.

>>> len(WORDS) == len(set(WORDS)) > 600, set(WORDS) & set(FOODS)
(True, set())
>>> import random
>>> invented(random.Random(2))
'cedet'
"""

import random

NAMES = tuple(
    """
    Ada Alma Anna Ben Bruno Carl Clara Dan Dora Emil Emma Eva Felix Finn Flora Frank Greta Hans Hugo
    Ida Iris Ivan Jack Jane Jonas Julia Karl Kate Lea Leo Lily Lina Lucas Luke Mara Mark Mary Max
    Mia Nina Noah Nora Olga Oscar Otto Paul Pia Rosa Ruth Sam Sara Simon Sofia Tara Theo Tim Tom
    Vera Viktor Zoe
    """.split()
)
PLACES = tuple(
    """
    attic bakery bank barn cabin castle cave cellar chapel church cottage field forest garage
    garden gym hall harbour hotel hut kitchen library market meadow mill museum office orchard
    palace park prison school shed shop stable station studio temple tent theatre tower valley
    village zoo
    """.split()
)
ANIMALS = tuple(
    """
    ant bat bear bee bird camel cat cow crab crow deer dog donkey duck eagle fish fox frog goat
    goose hare hen horse lion mole monkey mouse otter owl parrot pig pony rabbit rat seal sheep
    snail snake swan tiger turtle whale wolf zebra
    """.split()
)
THINGS = tuple(
    """
    axe bag ball basket bell book bottle bowl box broom brush bucket button candle cap card chair
    clock coat coin comb cup drum fan flag flute fork glove hammer hat jar kettle key kite knife
    ladder lamp letter map mirror needle net pan pen pencil pillow plate pot ring rope scarf shoe
    spoon stamp stone table ticket towel toy umbrella vase whistle
    """.split()
)
# Short, so that four lines of them can be written large in a small picture.
FOODS = tuple(
    """
    bacon beans beer bread cake candy cocoa corn cream eggs figs flour ham honey jam juice leeks
    lemon limes mango melon milk mint nuts oats oil olive onion pasta pears peas pie pizza plums
    rice salad salt soup steak sugar syrup tea toast wine
    """.split()
)
# Three to six letters, none of them in FOODS.
WORDS = tuple(
    """
    able acid act actor add age agree aim air alarm album alley allow amber anchor angel angle
    animal ankle answer apron arch area arm army arrive arrow art ask atlas attic aunt autumn award
    away axe baby back badge bag bake baker ball bamboo band bank banner bar bark barn barrel basin
    basket bath bay beach beacon beak beam bear beard beast beat beauty become bed bee beetle begin
    bell belong below belt bench bend berry bird bishop bite blaze blend block blood bloom blouse
    blow board boat body bone bonnet book boot border bottle bottom bounce bow bowl box boy branch
    brave break breeze brick bridge bring brook broom brush bubble bucket build bull bundle burn bus
    bush button buy cabin cable cactus cage call camel camp canal candle canoe canvas canyon cap car
    card care carpet carrot carry carve case castle cat catch cave cellar chain chair chalk chance
    change chapel charm chart chase cheek chess chest child chin choice choose church circle city
    clap class clay clean clever cliff climb cloak clock close cloth cloud clown club coach coast
    coat coin cold collar comb come copper coral cord corner cotton couch count cousin cover cow
    crab cradle crane crash crater crawl crayon create creek crew crow crown cry cup curve cut dance
    danger dark dart dawn day deck deep deer desert desk dig dinner dish ditch dive divide doctor
    dog doll donkey door dot dove dragon draw dream dress drift drill drink drive drop drum duck
    dust eagle ear early earth east easy eat echo edge eight elbow empty engine enjoy enter evil
    exit eye fabric face fact fair fall family fan farm farmer father feed fence fern ferry fetch
    fever field fight fill film find finger finish fire first fish fist fix flag flame flash flat
    fleece flight float flood floor flower flute fly foam fog fold follow foot forest forget fork
    fort forty fossil four fox frame free freeze fresh friend frog front frost fruit full funny fur
    future gale gallop game garden gate gather ghost giant gift give glass globe glove glow glue
    goal goat gold goose grain grand grass grave gravel great green greet grey grip ground grow
    guard guest guide guitar gull habit hail hair hall hammer hand handle happy hare harp hat hawk
    hay head hear heart heat heavy hedge heel helmet help herb herd hero hide hill hobby hold hole
    home hood hook hope horn horse hotel hour house hover hug huge human hunt hut ice idea inch
    infant ink inn insect iron island itch ivory ivy jacket jaguar jar jelly jewel job join joke joy
    judge jug jump jungle junior keep kennel kettle key kick king kite kitten knee kneel knife
    knight knit knock knot label lace ladder lake lamb lamp land large laugh lava lawn lead leader
    leaf leap learn leave left leg legend lens lesson letter level lid lift light lily limb line
    lion lip listen little live lizard lock log look loud love luck lunch magic magnet mail maple
    marble march market mask mast match meadow meet merry metal midday mill mine minute mirror mist
    mix model mole moment money monkey month moon mother motor mound mouse mouth move mud mule
    muscle museum music nail name napkin narrow nature near neck needle nest net never new night
    nine noble noise noon north nose note novel number nurse oak oar ocean offer office old open
    organ orphan otter oven owl own oyster pack paddle page paint pair palace palm panda panel paper
    parade parcel parent park parrot part party pass past path pause paw pay pebble pen pencil
    people person phone photo piano pick piece pigeon pillow pilot pine pink pipe pirate place plain
    planet plant plate play plough pocket poem point poke polar police pond pony pool poor porch
    port poster pot potato pour powder power praise pretty price prince print prison prize proud
    public puddle pull pump puppet puppy purse push puzzle queen quick quiet quilt quiz rabbit race
    radio raft rail rain raise ranch raven reach read ready reef rescue rest ribbon rich ride right
    ring river road roar rob robin robot rock rocket roll roof room root rope rose rough round row
    rubber rug ruler run sad saddle safe sail sailor sand sandal save saw scale scarf school scout
    screen sea seal search season seat second secret see seed sell send seven shadow shake shape
    share shark sharp sheep shelf shell shine ship shirt shoe shop shore short shout show shower
    shut sick side sign silent silk silver simple sing sister sit six skate sketch skill skin skirt
    sky sleep sleeve slide slow small smart smell smile smoke smooth snail snake sneeze snow soap
    soft soil son song sort sound south space spade spark speak spell spend spice spider spin spirit
    splash sponge spoon sport spot spring square squash stable stage stairs stamp stand star start
    state statue stay steam steel steep stem step stick still stir stone stool stop storm story
    stove stream street string strong study summer sun supper surf swamp swan sweet swim swing sword
    table tail tailor take talent talk tall target task taste taxi teach team tear tell temple ten
    tennis tent test thank thick thin thing think third thirst thorn thread three throne throw thumb
    ticket tide tiger time tiny tired toad today toe token tongue tool tooth top torch touch towel
    tower town toy track trade train travel tray tree tribe trick trip trophy trout truck true trunk
    trust truth tulip tunnel turkey turn turtle twelve twenty twig twin umpire uncle unit valley
    value van vase velvet verse vessel vest vine violin visit voice vote voyage wagon waist wait
    wake walk wall walnut walrus want war warm wash wasp watch water wave wax way weak wear web week
    weigh well west wet whale wheat wheel white wide wild willow win wind window wing winter wire
    wise wish wizard wolf woman wonder wood wool word work world worm wrap wreck wrist write writer
    wrong yard yarn year yell yes yew young zebra zero zone zoo
    """.split()
)
_ONSETS = """
    b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p pl pr qu r s sh sl sp st t th tr v w z
"""
_VOWELS = "a e i o u ai ea ee oo ou a e i o u"
_CODAS = "b ck d ft g k l ll lt m n nd ng nt p r rd rk rn s sh sk st t th x y"


def invented(random: random.Random) -> str:
    """A word of three to six letters that sounds English and mostly is none.

    Whoever reads these from pictures cannot know them by heart.
    """
    onsets, vowels, codas = _ONSETS.split(), _VOWELS.split(), _CODAS.split()
    while True:
        word = random.choice(onsets) + random.choice(vowels) + random.choice(codas)
        if random.random() < 0.5:
            word += random.choice(("y", "er", "en", "le", "ow", "et", random.choice(vowels)))
        if 3 <= len(word) <= 6:
            return word
