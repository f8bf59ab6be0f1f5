"""The built-in corpus: questions about invented people, places, firms and events.

Every context tells the same facts about three or more entities of one kind, so that a reader has
to find the entity that the question names, and not merely a year or a town. All names are made
of syllables, and no name of an entity is in both the training and the validation part. The corpus
is small and formulaic. It shows the whole program at work within minutes, and serves in tests; it
does not measure how well a reader understands a language.

`mrc sample FOLDER` writes it as SQuAD JSON.
"""

import random
import zlib
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from mrc.data.examples import Answer, Example, ExampleList
from mrc.data.sample_facts import BEGINNINGS, ENDS, FACTS, NAME_WORDS, SUFFIXES, WORDS, Fact
from mrc.errors import InputError

LANGUAGES = ("ko", "en", "vi", "ru")

# How many contexts a split has over all four languages.
CONTEXTS = {"train": 9600, "validation": 480}

# The share of contexts with eight or nine entities, which do not fit a short window.
LONG_SHARE = 0.04

# The share of questions without an answer, if there are to be any.
UNANSWERABLE_SHARE = 0.25

# One name in so many belongs to the validation part.
VALIDATION_NAMES = 5


class Hangul(str):
    """A Korean word that takes the right form of a particle: f"{Hangul('나무'):은}" is '나무는'."""

    # What follows a consonant, and what follows a vowel.
    PARTICLES: ClassVar[dict[str, tuple[str, str]]] = {
        "은": ("은", "는"),
        "이": ("이", "가"),
        "을": ("을", "를"),
        "과": ("과", "와"),
        "이다": ("이다", "다"),
    }

    def __format__(self, particle: str) -> str:
        after_consonant, after_vowel = self.PARTICLES.get(particle, (particle, particle))
        # Unicode lists the syllables from 0xAC00 on, 28 in a row with the same beginning. The
        # first of these has no final consonant.
        has_final_consonant = (ord(self[-1]) - 0xAC00) % 28 > 0
        return str(self) + (after_consonant if has_final_consonant else after_vowel)


class Statement(NamedTuple):
    """A fact that a context tells: `value`, which begins at the character `start`."""

    entity: str
    fact: Fact
    value: str
    start: int


def is_sample(source: object) -> bool:
    """Whether a data source names the built-in corpus, and no file."""
    return str(source).split(":")[0] == "sample"


def load_sample(spec: str, split: str = "train") -> ExampleList:
    """Generate the part of the corpus that a spec names.

    Args:
        spec: `sample[:LANGUAGES][:unanswerable]`, such as "sample:ko,en".
        split: "train" or "validation".

    Raises:
        InputError: if there is no such part.
    """
    if not is_sample(spec):
        raise InputError(
            f"--data {spec}: the built-in corpus is called sample; a file to train on is a "
            "--train-file."
        )
    if split not in CONTEXTS:
        splits = " and ".join(CONTEXTS)
        raise InputError(f"{spec}: has the splits {splits}, and not '{split}'.")
    languages: tuple[str, ...] = LANGUAGES
    unanswerable = False
    for part in spec.split(":")[1:]:
        if part == "unanswerable":
            unanswerable = True
            continue
        languages = tuple(dict.fromkeys(part.split(",")))
        if not set(languages) <= set(LANGUAGES):
            known = ", ".join(LANGUAGES)
            raise InputError(f"{spec}: '{part}' is neither 'unanswerable' nor a list of {known}.")
    return sample_examples(split, languages, unanswerable=unanswerable)


def sample_examples(
    split: str = "train",
    languages: Sequence[str] = LANGUAGES,
    *,
    unanswerable: bool = False,
    seed: int = 0,
) -> ExampleList:
    """Generate one part of the corpus, the same for the same arguments on every machine.

    Args:
        split: "train" or "validation".
        languages: some of "ko", "en", "vi", "ru", in equal shares.
        unanswerable: let a quarter of the questions ask about an entity that their context does
            not name.
        seed: another seed gives another corpus.
    """
    source = f"sample:{','.join(languages)}"
    if unanswerable:
        source += ":unanswerable"
    examples = ExampleList(source=source, version="sample")
    for language in languages:
        author = _Author(split, language, seed)
        for number in range(CONTEXTS[split] // len(languages)):
            context_id = f"{split}-{language}-{number}"
            examples += author.examples(context_id, unanswerable)
    return examples


class _Author:
    """Writes the contexts and questions of one split in one language."""

    def __init__(self, split: str, language: str, seed: int) -> None:
        self.split = split
        self.language = language
        self.rng = random.Random(f"{seed} {split} {language}")

    def examples(self, context_id: str, unanswerable: bool) -> list[Example]:
        """Write one context, and two questions about it."""
        rng = self.rng
        kind = rng.choice(list(FACTS[self.language]))
        # The same facts are told of every entity of the context.
        facts = rng.sample(FACTS[self.language][kind], k=2)
        is_long = rng.random() < LONG_SHARE
        size = rng.randint(8, 9) if is_long else rng.choice((3, 3, 4))
        entities = self.names(kind, size)
        context, statements = self.context(entities, facts)

        absent = entities[0]
        # Draw names until there is one that the context does not hold, be it in a value.
        while unanswerable and absent in context:
            absent = self.names(kind, 1)[0]

        examples = []
        for number, statement in enumerate(rng.sample(statements, k=2)):
            is_impossible = unanswerable and rng.random() < UNANSWERABLE_SHARE
            entity = absent if is_impossible else statement.entity
            question = rng.choice(statement.fact.questions).format(e=entity)
            answer = Answer(str(statement.value), statement.start)
            examples.append(
                Example(
                    id=f"{context_id}-{number}",
                    question=question,
                    context=context,
                    answers=() if is_impossible else (answer,),
                    is_impossible=is_impossible,
                    title=context_id,
                )
            )
        return examples

    def context(self, entities: list[str], facts: list[Fact]) -> tuple[str, list[Statement]]:
        """Tell each fact of each entity, and note where its value stands."""
        context = ""
        statements = []
        for entity in entities:
            for fact in self.rng.sample(facts, k=len(facts)):
                value = self.value(fact.pool)
                before, after = self.rng.choice(fact.sentences).split("{v", 1)
                if context:
                    context += " "
                context += before.format(e=entity)
                statements.append(Statement(entity, fact, value, len(context)))
                context += ("{v" + after).format(v=value, e=entity)
        return context, statements

    def value(self, pool: str) -> str:
        """Draw what a fact says."""
        if pool == "year":
            value = str(self.rng.randint(1750, 2020))
        elif pool == "number":
            value = str(self.rng.randint(21, 9999))
        elif pool in WORDS[self.language]:
            value = self.rng.choice(WORDS[self.language][pool])
        else:
            value = self.names(pool, 1)[0]
        return self.inflected(value)

    def names(self, kind: str, count: int) -> list[str]:
        """Draw different names of one kind, all of which belong to the split."""
        names: list[str] = []
        while len(names) < count:
            name = self.name(kind)
            # A hash of the name deals it to one part.
            is_validation = zlib.crc32(name.encode()) % VALIDATION_NAMES == 0
            is_ours = is_validation == (self.split == "validation")
            if is_ours and name not in names:
                names.append(self.inflected(name))
        return names

    def name(self, kind: str) -> str:
        """Make the name of a person, a place, a firm or an event."""
        count = NAME_WORDS[self.language]
        if kind == "person":
            count += 1
        words = [self.word() for _ in range(count)]
        if kind in SUFFIXES[self.language]:
            suffix = self.rng.choice(SUFFIXES[self.language][kind])
            # Vietnamese begins with what others end with.
            position = 0 if self.language == "vi" else len(words)
            words.insert(position, suffix)
        return " ".join(words)

    def word(self) -> str:
        """Make one word of a name."""
        word = self.rng.choice(BEGINNINGS[self.language])
        # Half of the Korean ones have three syllables.
        if self.language == "ko" and self.rng.random() < 0.5:
            word += self.rng.choice(BEGINNINGS[self.language])
        word += self.rng.choice(ENDS[self.language])
        return word.capitalize()

    def inflected(self, text: str) -> str:
        """A text that takes particles, if it is Korean."""
        return Hangul(text) if self.language == "ko" else text
