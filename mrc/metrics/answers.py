"""Answers: what may be cut from their ends, and how two readers' differ."""

from collections.abc import Mapping

QUOTES = {
    "“": "”",
    "‘": "’",
    "«": "»",
    "「": "」",
    "『": "』",
    "《": "》",
    "〈": "〉",
    '"': '"',
    "'": "'",
}

# Final consonants of a Korean syllable, by number: 0 is none, 8 is ㄹ, 27 the last.
FIRST_SYLLABLE = "가"
LAST_SYLLABLE = "힣"
FINALS = 28
NO_FINAL = {0}
RIEUL = {8}
ANY_FINAL = set(range(1, FINALS))
ANY = NO_FINAL | ANY_FINAL

# Korean particles, and the final consonants of the nouns that they follow. Longer ones first.
PARTICLES = [
    ("에서는", ANY),
    ("에서", ANY),
    ("에게", ANY),
    ("에는", ANY),
    ("까지", ANY),
    ("부터", ANY),
    ("으로", ANY_FINAL - RIEUL),
    ("로", NO_FINAL | RIEUL),
    ("은", ANY_FINAL),
    ("는", NO_FINAL),
    ("이", ANY_FINAL),
    ("가", NO_FINAL),
    ("을", ANY_FINAL),
    ("를", NO_FINAL),
    ("과", ANY_FINAL),
    ("와", NO_FINAL),
    ("의", ANY),
    ("에", ANY),
    ("도", ANY),
    ("만", ANY),
]


def strip_answer(text: str) -> str:
    """Drop white space, and quotation marks without a partner, from both ends of an answer."""
    previous = None
    while text != previous:
        previous = text
        text = text.strip()
        for opening, closing in QUOTES.items():
            if text.startswith(opening) and _lacks_partner(text, opening, closing):
                text = text[1:]
            elif text.endswith(closing) and _lacks_partner(text, closing, opening):
                text = text[:-1]
    return text


def strip_particle(text: str) -> str:
    """Drop the Korean particle that ends an answer.

    Only if its noun keeps two characters and ends as the particle demands. A guess by form alone:
    a noun that happens to end like a particle (고양이) loses its end too.
    """
    for particle, finals in PARTICLES:
        noun = text.removesuffix(particle)
        if noun != text and len(noun) >= 2 and _final_consonant(noun) in finals:
            return noun
    return text


def count_differences(predictions: Mapping[str, str], others: Mapping[str, str]) -> int:
    """How many questions two sets of predictions on the same questions answer differently."""
    return sum(text != others[identity] for identity, text in predictions.items())


def _lacks_partner(text: str, mark: str, partner: str) -> bool:
    """Whether a text has more of a quotation mark than of its partner."""
    if mark == partner:
        return text.count(mark) % 2 == 1
    return text.count(mark) > text.count(partner)


def _final_consonant(noun: str) -> int | None:
    """The number of the consonant that ends the last syllable; None if it is not Hangul."""
    last = noun[-1]
    if not FIRST_SYLLABLE <= last <= LAST_SYLLABLE:
        return None
    return (ord(last) - ord(FIRST_SYLLABLE)) % FINALS
