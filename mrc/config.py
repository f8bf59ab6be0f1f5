"""Every setting of a run, declared once: the dataclasses below are the Python interface and the command line alike."""

import argparse
import json
import math
import operator
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import get_args, get_type_hints


class InputError(ValueError):
    """What a user gave cannot be used. The message says what is wrong, where, and what to do about it."""


@contextmanager
def command_line(program):
    """Turn an InputError within the block into one line on standard error and exit status 2."""
    try:
        yield
    except InputError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        sys.exit(2)


REQUIRED = object()  # the default of a setting that has none


def flag(default, help, *, group, tiny=None, choices=None, at_least=None, above=None, below=None):
    """Declare a setting. `tiny` is its default with `--model tiny`; the bounds are checked when a config is made."""
    metadata = {"default": default, "help": help, "group": group, "tiny": tiny, "choices": choices,
                "bounds": (("at least", at_least, operator.ge), ("above", above, operator.gt), ("below", below, operator.lt))}
    # With two defaults, a setting is None until `__post_init__` knows the model.
    return field(metadata=metadata) if default is REQUIRED else field(default=default if tiny is None else None, metadata=metadata)


class Config:
    """What the two configs share: defaults that depend on the model, and bounds."""

    def __post_init__(self):
        for setting in fields(self):
            meta = setting.metadata
            if getattr(self, setting.name) is None:
                is_tiny = meta["tiny"] is not None and self.model == "tiny"
                setattr(self, setting.name, meta["tiny"] if is_tiny else meta["default"])
            if getattr(self, setting.name) is not None:
                _check(setting.name, getattr(self, setting.name), meta)

    def to_dict(self):
        return asdict(self)


def _check(name, value, meta):
    option = "--" + name.replace("_", "-")
    if meta["choices"] and value not in meta["choices"]:
        raise InputError(f"{option} {value}: choose one of {', '.join(meta['choices'])}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{option} {value}: must be a finite number.")
    for words, bound, holds in meta["bounds"]:
        if bound is not None and not holds(value, bound):
            raise InputError(f"{option} {value}: must be {words} {bound}.")


@dataclass
class TrainConfig(Config):
    """Train an extractive reader: an encoder with a span head, on questions answered by a span of their context.

    Without any flag it trains the built-in `tiny` encoder from random weights on the built-in corpus, in a few minutes.
    """

    data: str = flag("sample", "built-in corpus, read when no --train-file is given: sample, or some of its languages "
                     "(sample:ko,en,vi,ru); ':unanswerable' after it adds questions without an answer", group="data")
    train_file: str | None = flag(None, "SQuAD-style JSON file to train on", group="data")
    validation_file: str | None = flag(None, "SQuAD-style JSON file to score each epoch on", group="data")
    max_train_examples: int | None = flag(None, "train on the first N questions only", group="data", at_least=1)
    max_eval_examples: int | None = flag(None, "score the first N questions only", group="data", at_least=1)
    on_bad_answer: str = flag("repair", "an answer that does not stand at its answer_start: 'repair' moves it to its nearest "
                              "occurrence, 'skip' leaves it out of training, 'error' stops the run", group="data",
                              choices=("repair", "skip", "error"))

    model: str = flag("tiny", "encoder: a Hugging Face hub id, a local folder, or tiny (3 layers of width 128, from random "
                      "weights, with a vocabulary learned from the training text)", group="model")
    max_length: int = flag(384, "longest window, in tokens, question and special tokens included", group="model", tiny=128, at_least=8)
    stride: int = flag(128, "overlap of a context's consecutive windows, in tokens", group="model", tiny=32, at_least=0)
    max_question_length: int = flag(64, "longer questions are cut to this many tokens", group="model", at_least=1)
    dropout: float = flag(0.1, "dropout probability in the encoder's hidden states and before the head", group="model",
                          tiny=0.0, at_least=0, below=1)
    attention_dropout: float = flag(0.0, "dropout probability on attention weights; anything but 0 forgoes fused attention on "
                                    "CPU, at several times the time and memory", group="model", at_least=0, below=1)

    epochs: int = flag(2, "passes over the training data", group="training", tiny=3, at_least=1)
    max_steps: int | None = flag(None, "stop after this many optimiser steps, whatever --epochs says", group="training", at_least=1)
    batch_size: int = flag(16, "windows per forward pass", group="training", at_least=1)
    gradient_accumulation_steps: int = flag(1, "forward passes per optimiser step", group="training", at_least=1)
    learning_rate: float = flag(5e-5, "peak learning rate of AdamW", group="training", tiny=1e-3, above=0)
    warmup_ratio: float = flag(0.1, "share of the steps over which the learning rate rises from 0; it then falls linearly to 0",
                               group="training", at_least=0, below=1)
    weight_decay: float = flag(0.01, "AdamW weight decay; biases and normalisation weights are exempt", group="training", at_least=0)
    max_grad_norm: float = flag(1.0, "clip the gradient to this norm", group="training", above=0)
    precision: str = flag("auto", "arithmetic of the forward pass; auto is bf16 on a GPU that has it, else fp32", group="training",
                          choices=("auto", "fp32", "bf16", "fp16"))
    seed: int = flag(42, "seed of weights, batches and dropout", group="training", at_least=0)
    device: str = flag("auto", "cpu, cuda, cuda:1, mps; auto takes a GPU where there is one", group="training")

    scorer: str = flag("auto", "official score to report; auto is korquad for a file whose version says KorQuAD, squad_v2 where "
                       "questions may have no answer, else squad", group="evaluation",
                       choices=("auto", "squad", "squad_v2", "korquad"))
    eval_batch_size: int = flag(64, "windows per forward pass when scoring", group="evaluation", at_least=1)
    n_best: int = flag(20, "answers kept per question", group="evaluation", at_least=1)
    max_answer_length: int = flag(30, "longest answer, in tokens", group="evaluation", at_least=1)

    output_dir: str | None = flag(None, "the run's folder (default: checkpoints/MODEL-DATA, numbered where taken)", group="output")
    log_every: int = flag(50, "optimiser steps between log lines", group="output", at_least=1)


@dataclass
class EvalConfig(Config):
    """Score a trained reader, or let it answer a file of questions that has no answers yet.

    Settings left out are those of the training run.
    """

    checkpoint: str = flag(REQUIRED, "a run's folder (its best checkpoint is meant), a checkpoint's folder, or a Hugging Face "
                           "question-answering model", group="data")
    data: str | None = flag(None, "SQuAD-style JSON file, or sample; default: what the run was validated on", group="data")
    max_eval_examples: int | None = flag(None, "take the first N questions only", group="data", at_least=1)

    max_length: int | None = flag(None, "longest window, in tokens; default: as trained, else 384", group="model", at_least=8)
    stride: int | None = flag(None, "overlap of a context's windows, in tokens; default: as trained, else 128", group="model", at_least=0)
    max_question_length: int | None = flag(None, "longer questions are cut to this many tokens; default: as trained, else 64",
                                           group="model", at_least=1)
    precision: str | None = flag(None, "arithmetic of the forward pass; default: as trained, else auto", group="model",
                                 choices=("auto", "fp32", "bf16", "fp16"))
    device: str = flag("auto", "cpu, cuda, cuda:1, mps; auto takes a GPU where there is one", group="model")

    scorer: str | None = flag(None, "official score to report; default: as trained, else auto", group="evaluation",
                              choices=("auto", "squad", "squad_v2", "korquad"))
    batch_size: int | None = flag(None, "windows per forward pass; default: as trained, else 64", group="evaluation", at_least=1)
    n_best: int | None = flag(None, "answers kept per question; default: as trained, else 20", group="evaluation", at_least=1)
    max_answer_length: int | None = flag(None, "longest answer, in tokens; default: as trained, else 30", group="evaluation", at_least=1)

    output_dir: str | None = flag(None, "where predictions.json, nbest_predictions.json and metrics.json go (default: a folder "
                                  "beside the checkpoint)", group="output")


def parse_args(config_class, argv=None):
    """Make a config from a command line (`sys.argv` by default). Raises InputError for a value out of bounds."""
    # transformers.HfArgumentParser makes a parser too, but prints each flag twice and knows no groups and no bounds.
    parser = argparse.ArgumentParser(description=config_class.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)
    groups, types = {}, get_type_hints(config_class)
    for setting in fields(config_class):
        meta = setting.metadata
        if meta["group"] not in groups:
            groups[meta["group"]] = parser.add_argument_group(meta["group"])
        kind = (get_args(types[setting.name]) or [types[setting.name]])[0]  # `int | None` is read as int
        metavar = None if meta["choices"] else {int: "N", float: "X", str: "NAME"}[kind]
        groups[meta["group"]].add_argument("--" + setting.name.replace("_", "-"), type=kind, metavar=metavar, choices=meta["choices"],
                                           required=meta["default"] is REQUIRED, help=_help(meta))
    return config_class(**vars(parser.parse_args(argv)))


def _help(meta):
    text = meta["help"].replace("%", "%%")
    if meta["default"] in (None, REQUIRED):
        return text
    tiny = f"; {meta['tiny']} with --model tiny" if meta["tiny"] is not None else ""
    return f"{text} (default: {meta['default']}{tiny})"


def read_json(path, what):
    """Read a small JSON file that this project wrote; an InputError names the file when it is damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot read {what} ({error}).") from error
