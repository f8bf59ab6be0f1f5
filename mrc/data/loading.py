"""The data of a run: what it is trained on, what it is scored on, and what was odd about it."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from mrc.data.examples import load_examples
from mrc.data.formats import files_of, is_hub_id
from mrc.data.sample import is_sample, load_sample
from mrc.errors import InputError
from mrc.files import sha256


def load_data(source, split=None, usual_split="validation", on_bad_answer="repair", problems=None):
    """An ExampleList of the built-in corpus or of any source that `load_examples` reads. Raises InputError."""
    if is_sample(source):
        return load_sample(source, split or usual_split)
    return load_examples(source, on_bad_answer, split, usual_split, problems)


def load_questions(source, split=None, count=None):
    """The first `count` questions of a source (all for None), to be answered or scored. Raises InputError if it holds none.

    Scores compare texts, so it does not matter here where an answer stands.
    """
    examples = load_data(source, split, on_bad_answer="skip")
    if not examples:
        raise InputError(f"{examples.source}: holds no question.")
    return examples.head(count)


def load_training_data(settings):
    """The training and the validation examples of a run; the second is None where the run has none.

    settings: TrainConfig.to_dict(), of which the flags of the group "data", and the seed, are used. Raises InputError.
    """
    policy = settings["on_bad_answer"]
    train = load_data(
        settings["train_file"] or settings["data"], settings["train_split"], "train", policy
    )
    if settings["validation_fraction"]:
        return split_examples(train, settings["validation_fraction"], settings["seed"])
    return train, load_validation_data(settings)


def load_validation_data(settings):
    """The validation examples of a run alone, or None; otherwise as `load_training_data`."""
    if settings["validation_fraction"]:
        return load_training_data(settings)[1]
    source = settings["validation_file"] or (
        settings["data"] if not settings["train_file"] else None
    )
    return source and load_data(
        source, settings["validation_split"], "validation", settings["on_bad_answer"]
    )


def split_examples(examples, fraction, seed):
    """Divide an ExampleList in two, the second with about `fraction` of the questions, and no context and no title in both.

    seed decides which; both keep their order. Raises InputError if all questions hang together.
    """
    groups = _connected(examples)
    sizes = np.bincount(groups)  # questions of each group
    order = np.random.default_rng(seed).permutation(len(sizes))
    # As many of the shuffled groups as come closest to the share, one at least on each side.
    count = (
        1 + int(np.abs(np.cumsum(sizes[order]) - fraction * len(examples)).argmin())
        if len(sizes)
        else 0
    )
    count = min(count, len(sizes) - 1)
    if count < 1:
        raise InputError(
            f"{examples.source}: all its questions are on one context or under one title, so no part of them can be set "
            "aside; give a --validation-file."
        )
    aside = np.isin(groups, order[:count])
    return tuple(
        examples.kept(e for e, is_aside in zip(examples, aside) if is_aside == part)
        for part in (False, True)
    )


def leak_warning(train, validation):
    """A sentence on the contexts that are both trained on and scored, or "" where none is."""
    scored = {example.context for example in validation}
    leaked = len(scored & {example.context for example in train})
    if not leaked:
        return ""
    return f"warning: {leaked} of the {len(scored)} contexts that are scored are also trained on; the scores will be too high."


def bad_answer_records(*parts):
    """The BadAnswers of some ExampleLists (or None) as dicts, each once: for a JSON file."""
    return [
        asdict(bad)
        for bad in dict.fromkeys(
            bad for part in parts if part is not None for bad in part.bad_answers
        )
    ]


def _connected(examples):
    """(examples,) numbers of groups from 0 on: examples of one context or of one title, if it is not empty, share theirs."""
    parent = {}

    def root(key):
        while parent.setdefault(key, key) != key:
            parent[key] = key = parent[parent[key]]
        return key

    for example in examples:
        context = root(("context", example.context))
        if example.title:
            parent[context] = root(("title", example.title))
    numbers = {}
    return np.array(
        [numbers.setdefault(root(("context", e.context)), len(numbers)) for e in examples],
        dtype=np.int64,
    )


def data_hashes(config):
    """{path: SHA-256} of the files that the config's data is read from; folders and globs are the files that they stand for."""
    sources = [
        source
        for source in (config.train_file, config.validation_file)
        if source and not is_hub_id(source)
    ]
    return {
        path: sha256(path)
        for source in sources
        for path in files_of(source)
        if Path(path).is_file()
    }


def load_run_data(config):
    """-> the questions to train on; those to be scored on, or None; how many were left out, having no answer to train on."""
    from mrc.data.loading import load_training_data

    train, validation = load_training_data(config.to_dict())
    labelled = train.trainable()
    without_label, train = len(train) - len(labelled), labelled.head(config.max_train_examples)
    if not train:
        raise InputError(f"{train.source}: holds no question that can be trained on.")
    if validation is not None:
        validation = validation.head(config.max_eval_examples)
        if not validation:
            raise InputError(f"{validation.source}: holds no question to score.")
    return train, validation, without_label


def report_data_problems(train_set, eval_set, without_label, folder):
    """Say what in the data was left out, cut or mended, each thing once; list the answers that are not where they should be."""
    from mrc.data.loading import bad_answer_records, leak_warning
    from mrc.files import write_json

    train, validation = train_set.examples, eval_set and eval_set.examples
    left_out = (
        f"{without_label} questions have no answer to train on and are left out."
        if without_label
        else ""
    )
    reports = [train.report(), left_out, train_set.report()]
    if validation:
        reports += [validation.report(), eval_set.report(), leak_warning(train, validation)]
    for report in filter(
        None, dict.fromkeys(reports)
    ):  # the same only once, where one file is both
        print(report)
    if bad_answers := bad_answer_records(train, validation):
        write_json(folder / "bad_answers.json", bad_answers, indent=2)
        print(f"The answers not at their answer_start are listed in {folder / 'bad_answers.json'}.")
