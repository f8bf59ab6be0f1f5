"""AskSettings: how a question is asked, in the terms of the old question-answering pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral
from typing import Any

import numpy as np

from mrc.errors import InputError
from mrc.wording import did_you_mean

SCORINGS = ("pipeline", "n_best")

# The least value of each setting that is a whole number.
LEAST = {
    "top_k": 1,
    "max_answer_len": 1,
    "doc_stride": 0,
    "max_seq_len": 8,
    "max_question_len": 1,
    "batch_size": 1,
}


@dataclass(frozen=True)
class AskSettings:
    """How a question is asked.

    Args:
        top_k: answers to return.
        doc_stride: tokens that neighboring windows of a context share; None for the reader's own.
        max_answer_len: tokens of the longest answer.
        max_seq_len: tokens of the longest window; None for the reader's own.
        max_question_len: tokens that longer questions are cut to; None for the reader's own.
        handle_impossible_answer: whether "" may be an answer.
        align_to_words: whether answers are extended to whole words.
        batch_size: windows per forward pass; None chooses by their lengths.
        scoring: "pipeline" or "n_best", see `Reader`.

    The reader's own are the settings it was trained with, or 384 tokens, 128 and 64 (less for a
    model with fewer positions).

    Raises:
        InputError: a setting has a value that it cannot have.
    """

    top_k: int = 1
    doc_stride: int | None = None
    max_answer_len: int = 15
    max_seq_len: int | None = None
    max_question_len: int | None = None
    handle_impossible_answer: bool = False
    align_to_words: bool = True
    batch_size: int | None = None
    scoring: str = "pipeline"

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is None and name not in ("top_k", "max_answer_len"):
                continue
            # NumPy's whole numbers too.
            is_whole_number = isinstance(value, Integral) and not isinstance(value, bool)
            if not is_whole_number or value < least:
                raise InputError(f"{name}={value!r}: must be a whole number of at least {least}.")
        for name in ("handle_impossible_answer", "align_to_words"):
            value = getattr(self, name)
            if not (value is None or isinstance(value, bool | np.bool_)):
                raise InputError(f"{name}={value!r}: must be True or False.")
        if self.scoring not in SCORINGS:
            raise InputError(f"scoring={self.scoring!r}: choose 'pipeline' or 'n_best'.")


def ask_settings(given: Mapping[str, Any], **defaults: Any) -> AskSettings:
    """The settings that a caller gave by name.

    Args:
        given: names and values.
        defaults: values of settings that are not given, where they are not those of AskSettings.

    Raises:
        TypeError: there is no setting of such a name.
        InputError: a setting has a value that it cannot have.
    """
    known = [setting.name for setting in fields(AskSettings)]
    for name in given:
        if name not in known:
            question = did_you_mean(name, known)
            raise TypeError(f"{name}: no such setting{question or '. Known: ' + ', '.join(known)}")
    return AskSettings(**{**defaults, **given})
