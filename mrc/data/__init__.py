"""Text to examples: every format that questions come in."""

from mrc.data.examples import Answer, Example, ExampleList
from mrc.data.findings import NOT_FOUND
from mrc.data.loading import load_data, load_examples, load_questions
from mrc.data.squad import write_squad

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
