"""`mrc inspect`: what a data set holds, and the windows that a tokenizer makes of it."""

import json
from dataclasses import dataclass

import numpy as np

from mrc.config.flags import Config, flag, parse_args
from mrc.data.examples import NOT_FOUND
from mrc.data.loading import load_data
from mrc.errors import InputError
from mrc.features.dataset import FeatureDataset, WindowSettings
from mrc.features.sampler import LengthBucketSampler
from mrc.model.tokenizer import load_tokenizer, train_tokenizer

PERCENTILES = (1, 25, 50, 75, 95, 99, 100)


BINS, BAR = 12, 40  # of the histogram: its rows, and the characters of its longest bar


MOST_POSITIONS = 512  # what encoders of BERT's kind have; no longer window is suggested


FIT_SHARE = (
    0.99  # of the questions whose whole context fits into one window of the suggested length
)


SHOWN = 5  # refused records and bad answers that are printed; --json has all


@dataclass
class InspectConfig(Config):
    """What a data set holds, and the windows that a tokenizer makes of it.

    Counts, lengths, faults, the share of answers that windows keep whole, padding, and the --max-length to train with.
    """

    source: str = flag(
        None,
        "questions, in any form that train.py reads (files, folders, globs, -, hub data sets), or sample",
        group="data",
        positional=True,
    )
    split: str | None = flag(
        None,
        "split of a hub data set or save_to_disk folder, or a slice of it such as train[:20%]; default: train",
        group="data",
    )
    model: str = flag(
        "tiny",
        "whose tokenizer to use: a hub id or a local folder; tiny learns its vocabulary from the data itself",
        group="windows",
    )
    max_length: int = flag(
        384,
        "longest window, in tokens, question and special tokens included",
        group="windows",
        tiny=128,
        at_least=8,
    )
    stride: int = flag(
        128,
        "overlap of a context's consecutive windows, in tokens",
        group="windows",
        tiny=32,
        at_least=0,
    )
    max_question_length: int = flag(
        64, "longer questions are cut to this many tokens", group="windows", at_least=1
    )
    batch_size: int = flag(
        16, "windows per batch, for the share of padding", group="windows", at_least=1
    )
    seed: int = flag(
        42, "seed of the batches, for the share of padding", group="windows", at_least=0
    )
    trust_remote_code: bool = flag(
        False,
        "run the code that the tokenizer's repository brings; only for those that you trust",
        group="windows",
    )
    json: bool = flag(False, "print one JSON object in place of the tables", group="output")


def main(argv=None):
    config = parse_args(InspectConfig, argv, "inspect")
    report = inspect(config)
    print(json.dumps(report, ensure_ascii=False, indent=2) if config.json else as_text(report))


def inspect(config):
    """All that there is to say of a data set, as a dict that JSON can hold; as_text shows it. Raises InputError."""
    problems: list[str] = []
    examples = load_data(
        config.source,
        config.split,
        usual_split="train",
        on_problem=lambda error: problems.append(str(error)),
    )
    if not examples:
        raise InputError(problems[0] if problems else f"{examples.source}: holds no question.")
    report = {
        "source": examples.source,
        "version": examples.version,
        **count(examples),
        "refused": problems,
        "bad_answers": [
            f"{bad.where}: {bad.text!r} at {bad.answer_start}, "
            f"{'found nowhere' if bad.moved_to == NOT_FOUND else f'moved to {bad.moved_to}'}"
            for bad in examples.bad_answers
        ],
        "characters": character_lengths(examples),
    }
    if config.model == "tiny":
        tokenizer = train_tokenizer(
            text for example in examples for text in (example.question, example.context)
        )
    else:
        tokenizer = load_tokenizer(config.model, config.trust_remote_code)
    dataset = FeatureDataset(
        examples,
        tokenizer,
        WindowSettings(
            max_length=config.max_length,
            stride=config.stride,
            max_question_length=config.max_question_length,
        ),
    )
    report["model"] = config.model
    report["tokens"] = token_lengths(dataset)
    report["windows"] = windows(dataset, config)
    return report


def count(examples):
    """How many of each kind there are."""
    impossible = sum(example.is_impossible for example in examples)
    labelled = sum(example.is_labeled for example in examples)
    return {
        "questions": len(examples),
        "contexts": len({example.context for example in examples}),
        "titles": len({example.title for example in examples if example.title}),
        "answers": sum(len(example.answers) for example in examples),
        "answerable": labelled - impossible,
        "unanswerable": impossible,
        "unlabelled": len(examples) - labelled,
    }


def character_lengths(examples):
    """Percentiles of the lengths of the different questions and contexts, and of all answers, in characters."""
    return {
        "question": percentiles([len(text) for text in {example.question for example in examples}]),
        "context": percentiles([len(text) for text in {example.context for example in examples}]),
        "answer": percentiles(
            [len(answer.text) for example in examples for answer in example.answers]
        ),
    }


def token_lengths(dataset):
    """The same in tokens, and of whole inputs (special tokens, question and context), with a histogram of these."""
    whole = dataset.input_lengths()
    here = dataset.holds_answer
    answer = (dataset.end_positions - dataset.start_positions + 1)[here] if here.any() else []
    return {
        "question": percentiles(dataset.questions.full_lengths),
        "context": percentiles(dataset.contexts.lengths),
        "answer": percentiles(answer),
        "input": percentiles(whole),
        "histogram": histogram(whole),
    }


def histogram(lengths):
    """Rows {"from", "to", "count"} of at most BINS + 1 ranges of one width; the last takes all the longest 1 % has, and has no "to"."""
    low, high = int(lengths.min()), int(np.quantile(lengths, 0.99, method="higher"))
    width = next(2**n for n in range(3, 64) if high // 2**n - low // 2**n < BINS)
    bins = np.minimum(lengths, high + 1) // width - low // width
    counts = np.bincount(bins)
    begins = [(low // width + n) * width for n in range(len(counts))]
    ends = [*(begin + width - 1 for begin in begins[:-1]), None]
    return [
        {"from": begin, "to": end, "count": int(count)}
        for begin, end, count in zip(begins, ends, counts)
    ]


def windows(dataset, config):
    """How many windows there are, what they keep of the answers, what a batch of them wastes, and what length would suit."""
    result = {
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
    result["padding"] = _padding(
        dataset.lengths,
        np.random.default_rng(config.seed).permutation(len(dataset)),
        config.batch_size,
    )
    buckets = LengthBucketSampler(dataset.lengths, config.batch_size, seed=config.seed)
    result["padding_in_buckets"] = _padding(
        dataset.lengths, np.concatenate(buckets.steps), config.batch_size
    )
    result["suggested_max_length"], result["fit_at_suggested"] = suggest(dataset.input_lengths())
    return result


def suggest(lengths):
    """The shortest multiple of 32 into which FIT_SHARE of the inputs fit whole, at most MOST_POSITIONS; and the share that does.

    lengths: (questions,) in tokens, special ones included.
    """
    needed = int(np.quantile(lengths, FIT_SHARE, method="higher"))
    length = min(MOST_POSITIONS, -(-needed // 32) * 32)
    return length, float((lengths <= length).mean())


def _answers(dataset):
    """The share of answers that some window holds whole, and how many do not start and end where tokens do."""
    begin, end = dataset.answer_characters()
    has_answer = begin != NOT_FOUND
    # Of each example one window that holds its answer, to compare the answer's ends with its tokens'.
    holding = np.flatnonzero(dataset.holds_answer)
    held, first = np.unique(dataset.example_index[holding], return_index=True)
    feature = holding[first]
    token_begin, token_end = dataset.characters(
        feature, dataset.start_positions[feature], dataset.end_positions[feature]
    )
    is_off = (token_begin != begin[held]) | (token_end != end[held])
    return {
        "answers_in_a_window": len(held) / int(has_answer.sum()) if has_answer.any() else None,
        "answers_off_token_borders": int(is_off.sum()),
    }


def _padding(lengths, order, batch_size):
    """The share of padding where features in this order are cut into batches, each padded to its longest."""
    starts = np.arange(0, len(order), batch_size)
    longest = np.maximum.reduceat(lengths[order], starts)
    sizes = np.diff(np.append(starts, len(order)))
    return 1 - float(lengths.sum() / (longest.astype(np.int64) * sizes).sum())


def percentiles(lengths):
    """{"1": ..., "25": ..., ..., "100": ..., "mean": ...}, or None where there is nothing to measure."""
    lengths = np.asarray(lengths)
    if not len(lengths):
        return None
    values = np.percentile(lengths, PERCENTILES, method="nearest")
    return {
        **{str(p): int(value) for p, value in zip(PERCENTILES, values)},
        "mean": float(lengths.mean()),
    }


def as_text(report):
    """The report as tables for people."""
    kinds = "".join(
        f", {report[kind]} {kind}" for kind in ("unanswerable", "unlabelled") if report[kind]
    )
    titles = f" under {report['titles']} titles" if report["titles"] else ""
    lines = [
        f"{report['source']}{' (' + report['version'] + ')' if report['version'] not in ('', report['source']) else ''}",
        f"{report['questions']} questions on {report['contexts']} contexts{titles}; {report['answers']} answers{kinds}",
    ]
    for name, title in (
        ("refused", "records refused"),
        ("bad_answers", "answers not at their answer_start"),
    ):
        if found := report[name]:
            lines += [f"{len(found)} {title}:", *(f"  {text}" for text in found[:SHOWN])]
            lines += (
                [f"  and {len(found) - SHOWN} more; --json lists all"] if len(found) > SHOWN else []
            )

    header = "".join(
        f"{name:>9}" for name in (*(f"{p} %" for p in PERCENTILES[:-1]), "longest", "mean")
    )
    for unit in ("characters", "tokens"):
        lines += ["", f"{unit:<10}{header}"]
        for name, row in report[unit].items():
            if name != "histogram" and row:
                lines.append(
                    f"{name:<10}"
                    + "".join(f"{row[str(p)]:>9}" for p in PERCENTILES)
                    + f"{row['mean']:>9.1f}"
                )

    lines += ["", "questions by the tokens of their whole input"]
    most = max(row["count"] for row in report["tokens"]["histogram"])
    for row in report["tokens"]["histogram"]:
        range_ = (
            f"{row['from']} - {row['to']}" if row["to"] is not None else f"{row['from']} or more"
        )
        lines.append(
            f"{range_:>14}  {'█' * round(BAR * row['count'] / most):<{BAR}} {row['count']}"
        )

    w = report["windows"]
    lines += [
        "",
        f"windows of {w['max_length']} tokens that overlap by {w['stride']} (tokenizer: {report['model']})",
        f"  {w['count']}, {w['per_question']:.2f} a question, {w['most']} at most",
    ]
    if w.get("answers_in_a_window") is not None:
        lines += [
            f"  {100 * w['answers_in_a_window']:.2f} % of the answers fit into some window",
            f"  {w['answers_off_token_borders']} answers do not start and end at token borders",
        ]
    if w["questions_cut"]:
        lines.append(
            f"  {w['questions_cut']} questions are cut to {w['max_question_length']} tokens"
        )
    lines += [
        f"  padding: {100 * w['padding']:.1f} % in random batches, {100 * w['padding_in_buckets']:.1f} % in length buckets",
        "",
        f"suggested --max-length {w['suggested_max_length']}: {100 * w['fit_at_suggested']:.1f} % of the questions see their whole "
        "context at once",
    ]
    return "\n".join(lines)
