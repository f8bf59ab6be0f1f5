"""Keys: the fields of records that are read, and a word on each that is not."""

from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from typing import Any

from mrc.wording import nearest

# What is read of a file, an article, a paragraph, a question and an answer.
ROOT_KEYS = frozenset({"data", "version"})
ARTICLE_KEYS = frozenset({"title", "paragraphs"})
PARAGRAPH_KEYS = frozenset({"title", "context", "qas"})
QUESTION_KEYS = frozenset({"id", "guid", "title", "context", "question", "is_impossible"})
ANSWER_KEYS = frozenset({"text", "answer_start"})

# The fields that may hold the answers of a question, and those with their starts beside them. The
# first that is there counts. `Dataset.flatten` makes the names with a dot.
ANSWER_FIELDS = {
    "answers": "answer_start",
    "answer": "answer_start",
    "answer_text": "answer_start",
    "answers.text": "answers.answer_start",
    "text": "answer_start",
}

# Fields of well-known data sets that say nothing about the right answer.
PASSED_OVER = frozenset(
    {
        # SQuAD 2.0, KLUE-MRC, AdversarialQA
        "plausible_answer",
        "plausible_answers",
        "question_type",
        "news_category",
        "source",
        "metadata",
        # What pandas and datasets call the index of a table.
        "",
        "index",
        "Unnamed: 0",
        "__index_level_0__",
    }
)

# Other names for what is read, too unlike to be taken for a slip of the pen.
SYNONYMS = {
    "qid": "id",
    "question_id": "id",
    "query": "question",
    "passage": "context",
    "paragraph": "context",
    "document": "context",
    "content": "context",
    "label": "answers",
    "gold": "answers",
    "start": "answer_start",
    "begin": "answer_start",
    "offset": "answer_start",
}


def unread_keys(values: Mapping[str, Any], read: Set[str]) -> list[str]:
    """The keys of a record that are neither read nor known to be of no use."""
    if values.keys() <= read:
        return []
    return [str(key) for key in values if key not in read and key not in PASSED_OVER]


def meant_by(key: str, known: Collection[str]) -> str | None:
    """The known key that another one may stand for, or None."""
    synonym = SYNONYMS.get(key.lower())
    return synonym if synonym in known else nearest(key, known)


def stand_in(name: str, keys: Collection[str]) -> str | None:
    """The key that may have been meant for `name`, which is not among them, or None."""
    for key in keys:
        if key not in QUESTION_KEYS and meant_by(str(key), [name]):
            return str(key)
    return None


@dataclass(slots=True)
class UnusedKey:
    """A key that nothing reads.

    Attributes:
        where: the place of its first record.
        meant: the known key that it may stand for.
        count: how many records have it.
    """

    where: str
    meant: str | None
    count: int = 0


class UnusedKeys:
    """The keys of a data set that nothing reads.

    Attributes:
        found: {key: what is known of it}.
    """

    def __init__(self) -> None:
        self.found: dict[str, UnusedKey] = {}

    def note(self, keys: Collection[str], where: str, known: Collection[str] = ()) -> None:
        """Note keys that are not read.

        Args:
            keys: the keys.
            where: the place of their record.
            known: the keys that could have been there in their place.
        """
        for key in keys:
            if key not in self.found:
                self.found[key] = UnusedKey(where, meant_by(key, known))
            self.found[key].count += 1

    def misspelled(self, source: str) -> list[str]:
        """One sentence on each key that may be misspelled."""
        sentences = []
        for key, unused in self.found.items():
            if not unused.meant:
                continue
            fault = f"{unused.where}: '{key}' is not used"
            if unused.count > 1:
                fault = f"{source}: {unused.count} records have '{key}', which is not used"
            sentences.append(f"{fault}; did you mean '{unused.meant}'?")
        return sentences

    def sentences(self, source: str) -> list[str]:
        """One sentence on each key that may be misspelled, and one on all the others."""
        sentences = self.misspelled(source)
        others = [f"'{key}'" for key, unused in self.found.items() if not unused.meant]
        if others:
            sentences.append(f"{source}: not used: {', '.join(others)}.")
        return sentences
