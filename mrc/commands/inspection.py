"""A data set, measured: counts, lengths, and the windows that a tokenizer makes of it."""

import math
from typing import Any

import numpy as np

from mrc.config.inspect import InspectConfig
from mrc.data.examples import ExampleList
from mrc.data.findings import NOT_FOUND, BadAnswer
from mrc.data.loading import load_data
from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.features.sampler import LengthBucketSampler
from mrc.model.baseline import TINY_POSITIONS
from mrc.model.pretrained import longest_input
from mrc.model.span_model import check_positions
from mrc.model.tokenizer import load_tokenizer, train_tokenizer

PERCENTILES = (1, 25, 50, 75, 95, 99, 100)

# At most so many rows of a histogram, beside the one for the longest percent.
BINS = 12
NARROWEST_BIN = 8

# A longer window than BERT's is never suggested.
MOST_POSITIONS = 512
# Share of the questions whose whole context fits into one window of the suggested length.
FIT_SHARE = 0.99
LENGTH_STEP = 32


def inspect(config: InspectConfig) -> dict[str, Any]:
    """Measure a data set.

    Returns:
        Everything as a dict that JSON can hold.

    Raises:
        InputError: the data cannot be read, or holds no question.
    """
    problems: list[str] = []
    examples = load_data(
        config.source,
        config.split,
        usual_split="train",
        on_problem=lambda error: problems.append(str(error)),
    )
    if not examples:
        raise InputError(problems[0] if problems else f"{examples.source}: holds no question.")
    tokenizer, positions = tokenizer_and_positions(config, examples)
    check_positions(config.max_length, positions)
    dataset = FeatureDataset(examples, tokenizer, WindowSettings.from_config(config))
    return {
        "source": examples.source,
        "version": examples.version,
        **count(examples),
        "refused": problems,
        "notes": examples.notes(),
        "bad_answers": [_description(bad) for bad in examples.bad_answers],
        "characters": character_lengths(examples),
        "model": config.model,
        "tokens": token_lengths(dataset),
        "windows": windows(dataset, config),
    }


def tokenizer_and_positions(config: InspectConfig, examples: ExampleList) -> tuple[Any, int | None]:
    """The tokenizer that the settings name, and the longest input of its model; None for no limit.

    That of `tiny` learns its vocabulary from the data.
    """
    if config.model == "tiny":
        texts = (text for example in examples for text in (example.question, example.context))
        return train_tokenizer(texts), TINY_POSITIONS
    tokenizer = load_tokenizer(config.model, config.trust_remote_code)
    return tokenizer, longest_input(config.model, config.trust_remote_code)


def count(examples: ExampleList) -> dict[str, int]:
    """How many there are of each kind."""
    impossible = sum(example.is_impossible for example in examples)
    labeled = sum(example.is_labeled for example in examples)
    return {
        "questions": len(examples),
        "contexts": len({example.context for example in examples}),
        "titles": len({example.title for example in examples if example.title}),
        "answers": sum(len(example.answers) for example in examples),
        "answerable": labeled - impossible,
        "unanswerable": impossible,
        "unlabeled": len(examples) - labeled,
    }


def character_lengths(examples: ExampleList) -> dict[str, Any]:
    """Percentiles of lengths in characters: of the distinct questions and contexts, all answers."""
    questions = {example.question for example in examples}
    contexts = {example.context for example in examples}
    answers = [answer.text for example in examples for answer in example.answers]
    return {
        "question": percentiles([len(text) for text in questions]),
        "context": percentiles([len(text) for text in contexts]),
        "answer": percentiles([len(text) for text in answers]),
    }


def token_lengths(dataset: FeatureDataset) -> dict[str, Any]:
    """Percentiles of lengths in tokens, and a histogram of inputs with their special tokens."""
    inputs = dataset.input_lengths()
    here = dataset.holds_answer
    answers: Any = []
    if dataset.start_positions is not None and dataset.end_positions is not None:
        answers = (dataset.end_positions - dataset.start_positions + 1)[here]
    return {
        "question": percentiles(dataset.questions.full_lengths),
        "context": percentiles(dataset.contexts.lengths),
        "answer": percentiles(answers),
        "input": percentiles(inputs),
        "histogram": histogram(inputs),
    }


def percentiles(lengths: Any) -> dict[str, float] | None:
    """{"1": ..., "25": ..., ..., "100": ..., "mean": ...}; None if there is nothing to measure."""
    lengths = np.asarray(lengths)
    if not len(lengths):
        return None
    values = np.percentile(lengths, PERCENTILES, method="nearest")
    result: dict[str, float] = {
        str(p): int(value) for p, value in zip(PERCENTILES, values, strict=True)
    }
    result["mean"] = float(lengths.mean())
    return result


def histogram(lengths: np.ndarray) -> list[dict[str, int | None]]:
    """Count lengths in ranges of equal width.

    Returns:
        Rows {"from", "to", "count"}, at most BINS + 1. The last row holds the longest percent,
        and its "to" is None.
    """
    low = int(lengths.min())
    high = int(np.quantile(lengths, 0.99, method="higher"))
    width = NARROWEST_BIN
    while high // width - low // width >= BINS:
        width *= 2
    first = low // width
    counts = np.bincount(np.minimum(lengths, high + 1) // width - first)
    rows: list[dict[str, int | None]] = []
    for number, in_bin in enumerate(counts):
        begin = (first + number) * width
        rows.append({"from": begin, "to": begin + width - 1, "count": int(in_bin)})
    rows[-1]["to"] = None
    return rows


def windows(dataset: FeatureDataset, config: InspectConfig) -> dict[str, Any]:
    """How many windows there are, which answers they hold, and how much padding they need."""
    result: dict[str, Any] = {
        "max_length": config.max_length,
        "stride": config.stride,
        "count": len(dataset),
        "per_question": float(dataset.windows.mean()),
        "most": int(dataset.windows.max()),
        "questions_cut": dataset.questions_cut,
        "max_question_length": config.max_question_length,
    }
    if dataset.start_positions is not None:
        result.update(_answers(dataset))
    shuffled = np.random.default_rng(config.seed).permutation(len(dataset))
    buckets = LengthBucketSampler(dataset.lengths, config.batch_size, seed=config.seed)
    in_buckets = np.concatenate(buckets.steps)
    result["padding"] = _padding(dataset.lengths, shuffled, config.batch_size)
    result["padding_in_buckets"] = _padding(dataset.lengths, in_buckets, config.batch_size)
    result["suggested_max_length"], result["fit_at_suggested"] = suggest(dataset.input_lengths())
    return result


def suggest(lengths: np.ndarray) -> tuple[int, float]:
    """Choose a --max-length.

    Args:
        lengths: (questions,) tokens of the whole inputs.

    Returns:
        The shortest multiple of LENGTH_STEP that FIT_SHARE of the inputs fit into, at most
        MOST_POSITIONS, and the share that fits into it.
    """
    needed = int(np.quantile(lengths, FIT_SHARE, method="higher"))
    length = min(MOST_POSITIONS, math.ceil(needed / LENGTH_STEP) * LENGTH_STEP)
    return length, float((lengths <= length).mean())


def _answers(dataset: FeatureDataset) -> dict[str, Any]:
    """How many answers some window holds whole, and how many do not begin and end with a token."""
    begin, end = dataset.answer_characters()
    has_answer = begin != NOT_FOUND
    # One window of each example that holds the answer is enough to compare the characters.
    holding = np.flatnonzero(dataset.holds_answer)
    held, first = np.unique(dataset.example_index[holding], return_index=True)
    feature = holding[first]
    start, last = dataset.start_positions, dataset.end_positions
    assert start is not None
    assert last is not None
    token_begin, token_end = dataset.characters(feature, start[feature], last[feature])
    is_off = (token_begin != begin[held]) | (token_end != end[held])
    return {
        "answers_in_a_window": len(held) / int(has_answer.sum()) if has_answer.any() else None,
        "answers_off_token_borders": int(is_off.sum()),
    }


def _padding(lengths: np.ndarray, order: np.ndarray, batch_size: int) -> float:
    """The share of padding if features are batched in this order, each batch padded by itself."""
    starts = np.arange(0, len(order), batch_size)
    longest = np.maximum.reduceat(lengths[order], starts).astype(np.int64)
    sizes = np.diff(np.append(starts, len(order)))
    return 1 - float(lengths.sum() / (longest * sizes).sum())


def _description(bad: BadAnswer) -> str:
    """An answer that is not at its answer_start, in words."""
    found = "found nowhere" if bad.moved_to == NOT_FOUND else f"moved to {bad.moved_to}"
    return f"{bad.where}: {bad.text!r} {bad.given_place}, {found}"
