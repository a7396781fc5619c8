"""A little of five languages: numbers in words, simple phrases, questions asked in the language.

Only what a few rules get right: numbers to 99 and "the red house" with its article and ending.
What is held out is a number in one language, and a noun with a colour.

>>> [number_word(21, language) for language in LANGUAGES]
['twenty-one', 'einundzwanzig', 'vingt et un', 'veintiuno', 'ventuno']
>>> phrase("French", "house", "white"), phrase("German", "cat", "red")
('la maison blanche', 'die rote Katze')
"""

from .draw import Asked, Draw
from .examples import Example, Turn
from .splits import part_of

_SMALL = {
    "English": """zero one two three four five six seven eight nine ten eleven twelve thirteen
        fourteen fifteen sixteen seventeen eighteen nineteen""",
    "German": """null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn
        vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn""",
    "French": """zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze
        quinze seize dix-sept dix-huit dix-neuf""",
    "Spanish": """cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce
        quince dieciséis diecisiete dieciocho diecinueve""",
    "Italian": """zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici
        quattordici quindici sedici diciassette diciotto diciannove""",
}
_TENS = {
    "English": "twenty thirty forty fifty sixty seventy eighty ninety",
    "German": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "French": "vingt trente quarante cinquante soixante soixante quatre-vingt quatre-vingt",
    "Spanish": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "Italian": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta",
}
LANGUAGES = tuple(_SMALL)
# English: noun, and per language article, noun, whether feminine (German: m, f or n by the article)
_NOUNS = {
    "house": ("das Haus", "la maison", "la casa", "la casa"),
    "cat": ("die Katze", "le chat", "el gato", "il gatto"),
    "dog": ("der Hund", "le chien", "el perro", "il cane"),
    "table": ("der Tisch", "la table", "la mesa", "il tavolo"),
    "car": ("das Auto", "la voiture", "el coche", "la macchina"),
    "flower": ("die Blume", "la fleur", "la flor", "il fiore"),
    "book": ("das Buch", "le livre", "el libro", "il libro"),
    "door": ("die Tür", "la porte", "la puerta", "la porta"),
    "hat": ("der Hut", "le chapeau", "el sombrero", "il cappello"),
    "shirt": ("das Hemd", "la chemise", "la camisa", "la camicia"),
    "bread": ("das Brot", "le pain", "el pan", "il pane"),
    "moon": ("der Mond", "la lune", "la luna", "la luna"),
}
# English: German stem, then masculine and feminine of the others
_COLOURS = {
    "red": ("rot", "rouge rouge", "rojo roja", "rosso rossa"),
    "green": ("grün", "vert verte", "verde verde", "verde verde"),
    "white": ("weiß", "blanc blanche", "blanco blanca", "bianco bianca"),
    "black": ("schwarz", "noir noire", "negro negra", "nero nera"),
    "yellow": ("gelb", "jaune jaune", "amarillo amarilla", "giallo gialla"),
    "grey": ("grau", "gris grise", "gris gris", "grigio grigia"),
}
_HOW_MUCH = {
    "English": "How much is {} plus {}? Answer in words.",
    "German": "Wie viel ist {} plus {}?",
    "French": "Combien font {} plus {} ?",
    "Spanish": "¿Cuánto es {} más {}?",
    "Italian": "Quanto fa {} più {}?",
}


def number_word(number: int, language: str = "English") -> str:
    """A number from 0 to 99 as it is said."""
    if language not in LANGUAGES or not 0 <= number <= 99:
        raise ValueError(
            f"number_word: number={number} in {language!r}; numbers reach from 0 to 99, languages "
            f"are {', '.join(LANGUAGES)}"
        )
    small = _SMALL[language].split()
    if number < 20:
        return small[number]
    tens, ones = divmod(number, 10)
    ten = _TENS[language].split()[tens - 2]
    if language == "French":
        return _french(ten, tens, ones, small)
    if language == "English":
        return f"{ten}-{small[ones]}" if ones else ten
    if language == "German":
        return ("ein" if ones == 1 else small[ones]) + "und" + ten if ones else ten
    if language == "Spanish":
        if tens == 2 and ones:
            accents = {2: "dós", 3: "trés", 6: "séis"}
            return "veinti" + accents.get(ones, small[ones])
        return f"{ten} y {small[ones]}" if ones else ten
    if not ones:
        return ten
    return (ten[:-1] if ones in (1, 8) else ten) + ("tré" if ones == 3 else small[ones])


def _french(ten: str, tens: int, ones: int, small: list[str]) -> str:
    """Seventy is sixty-ten, eighty four-twenties, ninety four-twenty-ten."""
    if tens in (7, 9):
        ones += 10
    if tens < 8:
        return ten + {0: "", 1: " et un", 11: " et onze"}.get(ones, f"-{small[ones]}")
    return ten + (f"-{small[ones]}" if ones else "s")


def phrase(language: str, noun: str, colour: str) -> str:
    """The noun with its article and a colour that agrees, such as "the red house"."""
    if language == "English":
        return f"the {colour} {noun}"
    at = LANGUAGES.index(language) - 1
    article, word = _NOUNS[noun][at].split()
    if language == "German":
        return f"{article} {_COLOURS[colour][0]}e {word}"
    return f"{article} {word} {_COLOURS[colour][at].split()[article == 'la']}"


def languages(draw: Draw) -> Example:
    """Numbers in words, numbers from words, small sums and phrases in five languages."""
    return draw.example("languages", lambda: draw.choice(_KINDS)(draw))


def _to_word(draw: Draw) -> Asked:
    number, language = draw.random.randrange(100), draw.choice(LANGUAGES)
    question = draw.choice(
        (f"What is {number} in {language}?", f"Write {number} in {language} words.")
    )
    return Asked(question, number_word(number, language), f"number word:{number} {language}")


def _from_word(draw: Draw) -> Asked:
    number, language = draw.random.randrange(100), draw.choice(LANGUAGES)
    word = number_word(number, language)
    question = draw.choice(
        (f'Which number is "{word}"?', f'Write the {language} "{word}" in digits.')
    )
    return Asked(question, str(number), f"number word:{number} {language}")


def _sum(draw: Draw) -> Asked:
    language = draw.choice(LANGUAGES)
    a, b = draw.random.randrange(20), draw.random.randrange(20)
    question = _HOW_MUCH[language].format(number_word(a, language), number_word(b, language))
    return Asked(question, number_word(a + b, language), f"arithmetic:{min(a, b)}+{max(a, b)}")


def _phrase(draw: Draw) -> Asked:
    language = draw.choice(LANGUAGES[1:])
    noun, colour = draw.choice(tuple(_NOUNS)), draw.choice(tuple(_COLOURS))
    there, english = phrase(language, noun, colour), phrase("English", noun, colour)
    key = f"phrase:{noun} {colour} {language}"
    if draw.chance(0.5):
        return Asked(f'Say "{english}" in {language}.', there, key)
    return Asked(f'What does "{there}" mean in English?', english, key)


_KINDS = (_to_word, _from_word, _sum, _phrase)


def numbers_page(draw: Draw) -> Example:
    """Plain text: a run of numbers, each with its word in two languages."""
    language, keys, lines = draw.choice(LANGUAGES[1:]), [], []
    start = draw.random.randrange(85)
    for number in range(start, start + 12):
        key = f"number word:{number} {language}"
        if part_of(key) == draw.split:
            keys.append(key)
            lines.append(f"{number} is {number_word(number, language)} in {language}")
    if not keys:
        return numbers_page(draw)
    return Example("numbers_page", (Turn((), ".\n".join(lines) + ".\n"),), tuple(keys))
