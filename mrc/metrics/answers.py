"""Answers: what may be cut from their ends, and files of them."""

from mrc.errors import InputError

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


# Korean particles of nouns, longer ones first, and the final consonants after which they stand: 0 for none, 8 for ㄹ, 27 the last.
ANY, VOWEL, CONSONANT = set(range(28)), {0}, set(range(1, 28))


PARTICLES = [
    ("에서는", ANY),
    ("에서", ANY),
    ("에게", ANY),
    ("에는", ANY),
    ("까지", ANY),
    ("부터", ANY),
    ("으로", CONSONANT - {8}),
    ("로", VOWEL | {8}),
    ("은", CONSONANT),
    ("는", VOWEL),
    ("이", CONSONANT),
    ("가", VOWEL),
    ("을", CONSONANT),
    ("를", VOWEL),
    ("과", CONSONANT),
    ("와", VOWEL),
    ("의", ANY),
    ("에", ANY),
    ("도", ANY),
    ("만", ANY),
]


def strip_answer(text):
    """Drop white space, and quotation marks without a partner, from both ends of an answer."""
    previous = None
    while text != previous:
        previous = text = text.strip()
        for opening, closing in QUOTES.items():
            same = opening == closing
            if text.startswith(opening) and (
                text.count(opening) % 2 if same else text.count(opening) > text.count(closing)
            ):
                text = text[1:]
            elif text.endswith(closing) and (
                text.count(closing) % 2 if same else text.count(closing) > text.count(opening)
            ):
                text = text[:-1]
    return text


def strip_particle(text):
    """Drop the Korean particle that ends an answer, if its noun keeps two characters and ends as the particle demands.

    A guess by form alone: a noun that happens to end like a particle (고양이) loses its end too.
    """
    for particle, goes_after in PARTICLES:
        noun = text.removesuffix(particle)
        if (
            noun != text
            and len(noun) >= 2
            and "가" <= noun[-1] <= "힣"
            and (ord(noun[-1]) - ord("가")) % 28 in goes_after
        ):
            return noun
    return text


def read_answers(path, kind):
    """Read a JSON object of question ids, with values of one kind. Raises InputError naming the file and the id."""
    from mrc.files import read_json

    values = read_json(path)
    if not isinstance(values, dict):
        raise InputError(f"{path}: must be an object of question id -> answer.")
    for identity, value in values.items():
        if not isinstance(value, kind) or isinstance(value, bool):
            raise InputError(
                f"{path}: the value of '{identity}' must be {'a string' if kind is str else 'a number'}."
            )
    return values


def count_missing(path, predictions, examples):
    """How many of the questions that have a right answer the predictions lack. Raises InputError if there are none, or all lack."""
    labelled = [example.id for example in examples if example.is_labeled]
    if not labelled:
        raise InputError(f"{examples.source}: has no answers to score against.")
    missing = sum(identity not in predictions for identity in labelled)
    if missing == len(labelled):
        raise InputError(
            f"{path}: answers none of the questions of {examples.source}; do the ids belong together?"
        )
    return missing


def count_differences(predictions: dict[str, str], others: dict[str, str]) -> int:
    """How many questions two sets of predictions on the same questions answer differently."""
    return sum(text != others[identity] for identity, text in predictions.items())
