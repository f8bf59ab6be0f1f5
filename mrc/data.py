"""The data of a run: what it is trained on and what it is scored on."""

from dataclasses import asdict

import numpy as np

from mrc.config import InputError
from mrc.examples import load_examples
from mrc.sample import is_sample, load_sample


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
    train = load_data(settings["train_file"] or settings["data"], settings["train_split"], "train", policy)
    if settings["validation_fraction"]:
        return split_examples(train, settings["validation_fraction"], settings["seed"])
    return train, load_validation_data(settings)


def load_validation_data(settings):
    """The validation examples of a run alone, or None; otherwise as `load_training_data`."""
    if settings["validation_fraction"]:
        return load_training_data(settings)[1]
    source = settings["validation_file"] or (settings["data"] if not settings["train_file"] else None)
    return source and load_data(source, settings["validation_split"], "validation", settings["on_bad_answer"])


def split_examples(examples, fraction, seed):
    """Divide an ExampleList in two, the second with about `fraction` of the questions, and no context and no title in both.

    seed decides which; both keep their order. Raises InputError if all questions hang together.
    """
    groups = _connected(examples)
    sizes = np.bincount(groups)  # questions of each group
    order = np.random.default_rng(seed).permutation(len(sizes))
    # As many of the shuffled groups as come closest to the share, one at least on each side.
    count = 1 + int(np.abs(np.cumsum(sizes[order]) - fraction * len(examples)).argmin()) if len(sizes) else 0
    count = min(count, len(sizes) - 1)
    if count < 1:
        raise InputError(f"{examples.source}: all its questions are on one context or under one title, so no part of them can be set "
                         "aside; give a --validation-file.")
    aside = np.isin(groups, order[:count])
    return tuple(examples.kept(e for e, is_aside in zip(examples, aside) if is_aside == part) for part in (False, True))


def leak_warning(train, validation):
    """A sentence on the contexts that are both trained on and scored, or "" where none is."""
    scored = {example.context for example in validation}
    leaked = len(scored & {example.context for example in train})
    if not leaked:
        return ""
    return f"warning: {leaked} of the {len(scored)} contexts that are scored are also trained on; the scores will be too high."


def bad_answer_records(*parts):
    """The BadAnswers of some ExampleLists (or None) as dicts, each once: for a JSON file."""
    return [asdict(bad) for bad in dict.fromkeys(bad for part in parts if part is not None for bad in part.bad_answers)]


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
    return np.array([numbers.setdefault(root(("context", e.context)), len(numbers)) for e in examples], dtype=np.int64)
