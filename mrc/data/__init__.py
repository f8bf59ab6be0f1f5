"""Text to examples: every format that questions come in."""

from mrc.data.examples import NOT_FOUND, Answer, Example, ExampleList, load_examples, write_squad
from mrc.data.loading import load_data, load_questions

__all__ = [
    "NOT_FOUND",
    "Answer",
    "Example",
    "ExampleList",
    "load_data",
    "load_examples",
    "load_questions",
    "write_squad",
]
