"""Invented films: 25 of each of twelve genres, and some with uncommon texts. The list is always the same."""

# Each genre: the first and the last words of titles, then heroes, places, aims, obstacles and endings.
# Each list has five entries.
GENRES = [
    (
        ["Salt", "The Last Lantern of", "Beyond the", "A Chart for", "Cold"],
        ["Harbour", "Seven Shoals", "Grey Water", "the Drowned Bell", "Meridian"],
        ["a lighthouse keeper", "the cook of a whaling ship", "a young mapmaker", "two sisters who dive for sponges", "a retired pilot of a ferry"],
        ["on an island that appears on no chart", "in a port closed by ice", "along a coast of wrecks", "aboard a leaking schooner", "on a reef that is sinking"],
        ["must bring medicine to the mainland", "looks for a crew that vanished", "wants to win a forbidden race", "tries to save the fishing grounds", "follows a map drawn by a child"],
        ["a storm that circles for nine days", "a mutiny below deck", "smugglers with faster boats", "a captain who trusts no one", "the lack of fresh water"],
        ["The sea gives back what it took.", "Only one boat returns.", "The harbour lights are lit again.", "The truth sinks with the cargo.", "Nobody ever sells the ship."],
    ),
    (
        ["Orbit of", "The Silent", "Eleven Days to", "Signal from", "Gravity for"],
        ["Callisto", "Engineers", "Tomorrow", "Vesta Station", "Beginners"],
        ["a repair technician", "the only botanist of a colony", "an obsolete robot", "a linguist from the fifth generation", "a pilot without a licence"],
        ["aboard a freighter bound for Jupiter", "in a greenhouse on a moon", "at the edge of the heliosphere", "inside a hollow asteroid", "in a city under a cracked dome"],
        ["has to restart a dying reactor", "decodes a message that repeats every hour", "plans a journey without return", "hides a passenger from another time", "teaches a machine to lie"],
        ["a computer that follows outdated orders", "air for only four people", "a vote of the sleeping passengers", "radiation from a new star", "a company that owns the oxygen"],
        ["The stars are closer than expected.", "The first seed opens.", "The reply arrives a century too early.", "Earth does not answer.", "The clock starts again at zero."],
    ),
    (
        ["The Clerk and", "Thirteen", "A Murder in", "The Missing", "Nobody Saw"],
        ["the Vanished Violin", "Umbrellas", "Carriage Nine", "Alibi", "the Gardener"],
        ["a librarian with perfect memory", "an inspector two days before her retirement", "a deaf piano tuner", "the night porter of a hotel", "a reporter of a village newspaper"],
        ["in a spa town in winter", "on a night train", "at an auction of antiques", "in the archives of a court", "during a wedding in a castle"],
        ["finds a body behind a false wall", "receives letters from a dead witness", "reopens a case of poison", "suspects the whole family", "has to prove the innocence of a thief"],
        ["a confession that fits too well", "footprints that lead nowhere", "a judge with a secret", "a power cut that lasts all night", "twelve guests with the same alibi"],
        ["The last guest was the first victim.", "The murderer sends flowers.", "A small coin solves the case.", "Justice comes by post.", "The door was never locked."],
    ),
    (
        ["Bread and", "The Kitchen of", "Sunday at", "Pepper for", "One More"],
        ["Forgiveness", "Small Wonders", "the Corner Table", "Strangers", "Dessert"],
        ["a baker who cannot smell", "a waiter with big plans", "a grandmother from the mountains", "a chef who lost his star", "three students without money"],
        ["in a restaurant beside the motorway", "in the canteen of a factory", "at a market before dawn", "in an old school kitchen", "on a food truck with a flat tyre"],
        ["enters a contest of soups", "recreates the recipe of a lost dish", "feeds a whole street for one day", "falls in love with a critic", "opens a restaurant with a single table"],
        ["an inspector from the health office", "a rival with a famous name", "an empty storeroom", "a family quarrel about garlic", "a landlord who wants a car park"],
        ["Everyone stays for coffee.", "The secret was butter.", "The critic washes the dishes.", "The table is set for one more.", "The queue reaches the river."],
    ),
    (
        ["The House with", "Whispers in", "Do Not Wake", "The Ninth", "Under the"],
        ["No Windows", "the Wallpaper", "the Twins", "Candle", "Floorboards"],
        ["a night nurse", "a couple expecting a child", "a collector of dolls", "a caretaker of a cemetery", "four friends on holiday"],
        ["in a mansion at the end of a swamp", "in an abandoned sanatorium", "in a village that has no birds", "in an apartment above a closed cinema", "in a cellar with an older cellar below"],
        ["hears footsteps at the same minute each night", "discovers photographs of the future", "breaks an old promise", "opens a sealed room", "counts one person too many"],
        ["a presence that imitates voices", "fog that never lifts", "neighbours who do not blink", "a mirror that is always late", "a curse written in a nursery rhyme"],
        ["The door closes from inside.", "In the morning there is one grave more.", "The children remember everything.", "The voice on the phone is their own.", "It was never the house."],
    ),
    (
        ["Dust over", "The Road to", "Six Horses for", "A Bullet Named", "Sundown in"],
        ["Copper Creek", "Perdition Wells", "the Widow", "Mercy", "Cinder Valley"],
        ["a sheriff who lost her sight", "a horse thief with a conscience", "a travelling photographer", "the daughter of a gunsmith", "a telegraph operator"],
        ["in a mining town without water", "across a desert of white sand", "on a ranch near the border", "along an unfinished railway", "in a canyon full of echoes"],
        ["escorts a witness to the court", "hunts the men who burned a farm", "carries gold that belongs to nobody", "defends a school", "looks for a brother"],
        ["a gang that hires lawyers", "a bridge of dynamite", "a winter that comes early", "a preacher with two guns", "the price on his own head"],
        ["The duel takes place without weapons.", "Only the horse knows the way home.", "The town changes its name.", "The last train leaves on time.", "The rain comes at last."],
    ),
    (
        ["Letters to", "The Summer of", "Almost", "Two Tickets for", "A Balcony in"],
        ["Nobody", "Paper Boats", "Neighbours", "Lisbon", "October"],
        ["a translator of love poems", "a divorced postman", "a florist allergic to roses", "two pianists who share one flat", "a widow with a telescope"],
        ["in a city of bridges", "at a language school by the sea", "in a hotel that closes for the season", "on a tram that runs all night", "in a bookshop threatened with closure"],
        ["writes to a wrong address for a year", "pretends to be engaged", "meets the same stranger in every town", "learns to dance for a funeral", "searches for the owner of a ring"],
        ["a promise made at seventeen", "an ocean and seven hours", "a letter that was never opened", "a jealous parrot", "the fear of beginning again"],
        ["They miss the train on purpose.", "The answer is on the back of a postcard.", "Spring arrives twice.", "They remain friends, almost.", "The rain stops at the right moment."],
    ),
    (
        ["The Fox Who", "Little", "The Flying", "Grandpa's", "A Moon for"],
        ["Counted Snow", "Thunder", "Laundry", "Secret Elephant", "Oskar the Hedgehog"],
        ["a shy hedgehog", "a girl with a talking satchel", "a dragon who is afraid of fire", "twins who can become invisible", "a snail that wants to race"],
        ["in a forest of giant mushrooms", "in a city of cats", "on a cloud above the school", "in a toy shop after closing time", "at the bottom of a garden pond"],
        ["has to find the colour that winter lost", "starts a band with a cricket", "rescues a star from a well", "learns to read with the help of an owl", "builds a rocket of buttons"],
        ["a grumpy troll under the bridge", "a spell that works only on Tuesdays", "a river of lemonade", "the big wind of autumn", "a wolf who has never had a birthday"],
        ["Everybody gets a piece of cake.", "The smallest was the bravest.", "Winter paints the roofs again.", "The troll joins the choir.", "Bedtime comes one hour later."],
    ),
    (
        ["Crown of", "The Blacksmith's", "Siege of", "The Oath of", "A Throne for"],
        ["Thistles", "Daughter", "Aldermoor", "the Ferrymen", "the Unborn"],
        ["a blacksmith's daughter", "an exiled prince", "a healer accused of witchcraft", "a knight without memory", "the last speaker of an old tongue"],
        ["in a kingdom where it never gets dark", "behind walls built by giants", "in a monastery of silent monks", "along a river guarded by spirits", "in a valley of sleeping dragons"],
        ["forges a sword that cannot kill", "claims a throne that nobody wants", "breaks a siege with a song", "carries the seal to the northern clans", "seeks the spring of the first winter"],
        ["a queen who reads thoughts", "three armies and one bridge", "a traitor among the oath keepers", "a plague of shadows", "a wizard who has forgotten his name"],
        ["The crown melts in the fire.", "The dragons do not wake.", "Peace is written on bark.", "The giants come back for their walls.", "A child rings the bell."],
    ),
    (
        ["The Final", "Lap", "Left", "Ten Seconds to", "The Goalkeeper of"],
        ["Corner", "Forty", "Hook", "Bronze", "the Second League"],
        ["a runner with an artificial leg", "a goalkeeper past forty", "a boxer who hates violence", "a team of firefighters", "a swimmer from a town without a pool"],
        ["in a stadium before demolition", "on a mountain stage in the rain", "in a gym above a butcher's shop", "at the national championship", "on a frozen lake"],
        ["trains for one last race", "replaces an injured star", "leads the worst team of the league", "wants to break a record of fifty years", "rows across a channel"],
        ["a coach who believes in nothing", "a debt to the wrong people", "a doping test that is positive", "a knee that does not heal", "a sponsor who buys the referee"],
        ["They lose, and the town celebrates.", "The record stands, the friendship too.", "The whistle comes one second late.", "The medal hangs in the bakery.", "The final lap is walked together."],
    ),
    (
        ["The Weight of", "Forty Winters in", "The People of", "Rivers without", "A History of"],
        ["Ice", "the Archive", "the Marsh", "Maps", "Bees"],
        ["a team of glaciologists", "the last weaver of a valley", "a beekeeper on the roof of an opera house", "volunteers of a night shelter", "the archivist of a forgotten radio station"],
        ["in the high Arctic", "in a delta that dries up", "in a city that grows by a street each day", "in a valley before the flooding", "among the islands of the south"],
        ["documents a year of change", "collects the voices of the old", "repairs what others throw away", "counts the birds that remain", "follows the route of the salt"],
        ["melting permafrost", "the plans of a dam", "noise that never ends", "a budget that was cut in half", "the silence of the authorities"],
        ["The film ends where the road ends.", "The tapes are played in the market square.", "Four hives survive.", "The last harvest is filmed by a child.", "The measurements continue."],
    ),
    (
        ["The Accidental", "My Uncle's", "Three Mayors and", "Please Hold for", "The Very Small"],
        ["Ambassador", "Tuba", "a Goat", "the Minister", "Bank Robbery"],
        ["an accountant mistaken for a spy", "the world's worst magician", "a mayor who cannot say no", "a choir of burglars", "a tax inspector on his first holiday"],
        ["in a village with two mayors", "at a congress of beekeepers", "in a hotel booked three times over", "aboard a cruise ship with one passenger", "in a bank that has no money"],
        ["has to return a stolen goat", "sells the same bridge twice", "marries into the wrong family", "organises a parade by mistake", "becomes the minister of weather"],
        ["a tuba that contains a diamond", "a translator who makes things up", "an election that nobody wants to win", "a brass band on strike", "an identical cousin"],
        ["The goat gives a speech.", "Everyone is arrested, then promoted.", "The bridge is sold again.", "The parade goes in circles.", "The diamond was glass, the tuba was not."],
    ),
]

SENTENCES = [
    "{Place}, {hero} {aim}. The obstacle is {obstacle}. {ending}",
    "{Hero} {aim} {place}, against {obstacle}. {ending}",
    "The story of how {hero} {aim}. It happens {place}, and it begins with {obstacle}. {ending}",
    "{Hero} {aim}. {Obstacle} makes it harder than expected {place}. {ending}",
    "{ending} Before that, {hero} {aim} {place}, in spite of {obstacle}.",
]

# Texts that are uncommon: other scripts, quotation marks, control characters, equal texts, empty texts.
UNCOMMON = [
    ("Überfahrt nach Ærø", "Ein Fährmann zählt jeden Abend die Möwen. Eines Tages fehlt eine."),
    ("L'été des étourneaux", "Une institutrice enregistre le chant des oiseaux pour un élève qui n'entend plus."),
    ("El año de las cigüeñas", "Una familia repara el tejado de una iglesia mientras el pueblo se queda vacío."),
    ("Зимний трамвай", "Последний трамвай города каждую ночь едет по маршруту, которого нет на карте."),
    ("潮の時計", "灯台の時計だけが、一日に一度、海の時間を指す。"),
    ("الطريق إلى البئر", "فتاة تحمل الماء عبر الصحراء وتروي قصة كل يوم."),
    ("Popcorn \U0001f37f at Midnight \U0001f319", "A cinema shows films that have not been made yet. \U0001f3ac\U0001f440"),
    ("\"Quoted\" \\ Escaped", "A printer's apprentice prints only 'quotation marks', \\ and </tags>.\nThe second line\tcontains a tab."),
    ("Café", "The title is written with one character for the accented letter."),
    ("Cafe\u0301", "The title is written with a letter and a combining accent."),
    ("The Copy", "A forger paints the same picture twice and forgets which one came first."),
    ("The Copy", "A forger paints the same picture twice and forgets which one came first."),
    ("Without Overview", ""),
    ("", "A silent film whose title was lost; a projectionist invents a new one for each evening."),
    ("10", "Ten people count down from ten; no two of them count the same thing."),
    ("The Very Long Night", "The night goes on. " * 120 + "Then it is morning."),
]


def capitalised(text):
    return text[:1].upper() + text[1:]


def films():
    """Returns (title, overview) of each film. No two entries of a genre share two parts of their overviews."""
    result = []
    for first_words, last_words, heroes, places, aims, obstacles, endings in GENRES:
        for row in range(5):
            for column in range(5):
                parts = {
                    "hero": heroes[row],
                    "place": places[column],
                    "aim": aims[(row + column) % 5],
                    "obstacle": obstacles[(row + 2 * column) % 5],
                    "ending": endings[(row + 3 * column) % 5],
                }
                parts |= {capitalised(name): capitalised(text) for name, text in parts.items()}
                sentence = SENTENCES[(row + 4 * column) % 5]
                title = f"{first_words[row]} {last_words[column]}"
                result.append((title, sentence.format(**parts)))
    return result + UNCOMMON
